"""The words that people read, by language: one file a language."""

from __future__ import annotations

from importlib import import_module
from typing import Literal, TypeAlias, get_args

from .words import Words

Language: TypeAlias = Literal["es", "en"]
"""Spanish, which the athletes speak, or English."""


def words(lang: Language) -> Words:
    """The words of a language.

    Raises:
        ValueError: ``lang`` is neither ``"es"`` nor ``"en"``.
    """
    if lang not in get_args(Language):
        names = " or ".join(f'"{name}"' for name in get_args(Language))
        raise ValueError(f"lang must be {names}, not {lang!r}.")
    language: Words = import_module(f".{lang}", __name__).WORDS
    return language
