"""The words by which programs and questionnaires are read; ``words.ini`` has them."""

from __future__ import annotations

from configparser import ConfigParser, ExtendedInterpolation
from functools import cache
from importlib import resources


class _Parser(ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr  # small and capital letters differ


@cache
def _parser() -> ConfigParser:
    parser = _Parser(delimiters=("=",), interpolation=ExtendedInterpolation())
    file = resources.files("edn360_chatkit.program").joinpath("words.ini")
    parser.read_string(file.read_text("utf-8"))
    return parser


def read_words(section: str) -> dict[str, str]:
    """A section of the file: its keys with their words, in one line each."""
    return {key: " ".join(value.split()) for key, value in _parser()[section].items()}


def read_names(section: str) -> dict[str, frozenset[str]]:
    """A section of names: each name with the words of its keys, without the key ``none``."""
    names: dict[str, frozenset[str]] = {}
    for key, row in read_words(section).items():
        for name in row.split(", "):
            names[name] = names.get(name, frozenset()) | frozenset(key.split()) - {"none"}
    return names
