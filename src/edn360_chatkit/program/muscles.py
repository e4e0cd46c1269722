"""Muscles and their names: several in each language, listed in ``words.ini``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .numbers import says_nothing
from .vocabulary import fold, is_placeholder, read_file, terms, words_of

_BETWEEN_MUSCLES = re.compile(r"[,;+&|\n]|/(?![ad]\b)|(?<=\s)(?:y|e|and)(?=\s)", re.IGNORECASE)
_KEYS = {
    frozenset(words_of(name)): key
    for key, names in read_file()["muscles"].items()
    for name in names.split(", ")
}


def muscle_key(name: str) -> str:
    """The key that all names of a muscle share: synonyms, plurals, other case or word order."""
    words = words_of(name)
    small, parts = terms("small"), terms("muscle_parts")
    # "Espalda (grosor)" is the back, and so is "espalda alta".
    for needed in (frozenset(words), frozenset(words_of(name.partition("(")[0]))):
        if key := _KEYS.get(needed - small) or _KEYS.get(needed - small - parts):
            return key
    folded = fold(name)
    return " ".join(words) if words and folded.isascii() else folded


def muscles(text: str | None, block_muscles: Iterable[str] | None) -> dict[str, str]:
    """The names of muscles by their keys.

    Args:
        text: The text of the exercise; ``"Chest, triceps"`` names two muscles.
        block_muscles: The muscles of its block. They count if the exercise names no muscle.
    """
    texts = (block_muscles or ()) if _names_no_muscle(text) else (text or "",)
    names = (" ".join(name.split()) for text in texts for name in _BETWEEN_MUSCLES.split(text))
    by_key: dict[str, str] = {}
    for name in names:
        # "Trapecio medio e inferior" is a single muscle.
        words = set(words_of(name))
        is_part = by_key and words and words <= terms("small") | terms("muscle_parts")
        if not is_part and not _names_no_muscle(name):
            by_key.setdefault(muscle_key(name), name)
    return by_key


def _names_no_muscle(text: str | None) -> bool:
    return says_nothing(text) or is_placeholder(text)


def overlap(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two lists share a muscle. An unknown muscle may be any muscle."""
    keys, other_keys = set(some), set(others)
    if not keys | other_keys <= set(_KEYS.values()):
        return True
    return bool(_with_parts(keys) & _with_parts(other_keys))


def _with_parts(keys: set[str]) -> set[str]:
    parts = {part for key in keys for part in read_file()["regions"].get(key, "").split()}
    return keys if parts <= keys else _with_parts(keys | parts)
