"""The words of programs and questionnaires, in Spanish and English, from ``words.ini``.

They are compared in lower case, without accents, punctuation and plurals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from configparser import ConfigParser, ExtendedInterpolation
from functools import cache
from importlib import resources
from typing import TypeAlias

Sections: TypeAlias = Mapping[str, Mapping[str, str]]

LONGEST = 200
"""Characters. A longer text is prose and is not read."""


class _Parser(ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr  # case-sensitive


@cache
def read_file(name: str = "words.ini") -> Sections:
    """The sections of a file in this folder: the words of each key as a single line."""
    parser = _Parser(delimiters=("=",), interpolation=ExtendedInterpolation())
    parser.read_string(
        resources.files(__name__.rpartition(".")[0]).joinpath(name).read_text("utf-8")
    )
    return {
        section: {key: " ".join(value.split()) for key, value in parser[section].items()}
        for section in parser.sections()
    }


def read_names(*sections: str) -> dict[str, frozenset[str]]:
    """The names in these sections, each with the words of its keys, except ``none``."""
    names: dict[str, frozenset[str]] = {}
    for key, row in (row for section in sections for row in read_file()[section].items()):
        for name in row.split(", "):
            names[name] = names.get(name, frozenset()) | frozenset(key.split()) - {"none"}
    return names


_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")
_PLURAL = re.compile(r"(?:(?<=[aeiou][lnr])|(?<=ss|ch|sh))es?$|(?<=[^s])(?<!^pre)s$")
_DOUBLED = re.compile(r"([a-z])\1")
_PLACEHOLDER = re.compile(
    r"^(?:unknown|desconocid[oa])$"
    r"|\b(?:(?:no|sin|not) (?:mapead[oa]|mapped|asignad[oa]|assigned|asignar|definir)"
    r"|(?:por|to be) (?:asignar|definir|assigned|defined)|unmapped|unassigned|tbd)\b"
)


def fold(text: str) -> str:
    """A text for comparison: without case, accents and double blanks."""
    parts = unicodedata.normalize("NFKD", text).casefold()
    return " ".join("".join(c for c in parts if not unicodedata.combining(c)).split())


def words_of(text: str) -> list[str]:
    """The words of a text for comparison: "Sentadillas" and "sentadila" are equal.

    The plural endings of both languages are removed, so "machines" becomes "machin".
    """
    text = fold(_CAMEL_HUMP.sub(" ", text).replace("_", " "))
    return [_DOUBLED.sub(r"\1", _PLURAL.sub("", word)) for word in _WORD.findall(text)]


def phrases_in(words: Sequence[str], phrases: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """The phrases in a text, from left to right. The longest phrase at a position counts."""
    place = 0
    while place < len(words):
        for length in (4, 3, 2, 1):
            phrase = " ".join(words[place : place + length])
            if phrase in phrases:
                yield phrase
                place += length - 1
                break
        place += 1


def is_placeholder(text: str | None) -> bool:
    """Whether a text is a placeholder of the workflow for an exercise or a muscle."""
    return _PLACEHOLDER.search(fold(text or "").replace("_", " ")) is not None


@cache
def terms(row: str) -> frozenset[str]:
    """The words of a row of ``[words]``, which the file describes."""
    return frozenset(words_of(read_file()["words"][row]))


def has(words: Iterable[str], row: str) -> bool:
    """Whether a row of ``[words]`` contains any of these words."""
    return not terms(row).isdisjoint(words)


@cache
def phrases(*sections: str) -> dict[str, frozenset[str]]:
    """The phrases of these sections, with their kinds of equipment or their joints."""
    return {" ".join(words_of(name)): kinds for name, kinds in read_names(*sections).items()}


Question: TypeAlias = tuple[frozenset[str], ...]
"""Sets of words. A key asks this question if it has a word of each set except the last set, and no
word outside of the sets."""


@cache
def questions(row: str) -> tuple[Question, ...]:
    """The alternative forms of a question."""
    ways = read_file()["questions"][row].split("/")
    fillers = read_file()["words"]["fillers"]
    return tuple(
        tuple(frozenset(words_of(part)) for part in f"{way} {fillers}".split("|")) for way in ways
    )


@cache
def _loads() -> list[tuple[frozenset[str], frozenset[str], frozenset[str]]]:
    """The words that a name must have, the words that it must not have, and the joints."""
    return [
        (
            frozenset(words_of(" ".join(word for word in name.split() if word[0] != "-"))),
            frozenset(words_of(" ".join(word for word in name.split() if word[0] == "-"))),
            joints,
        )
        for name, joints in read_names("loads").items()
    ]


def loaded_joints(name: str) -> frozenset[str]:
    """The joints that an exercise loads; empty for an unknown name.

    The order of the words does not matter: catalogues write "press hombros sentado barra".
    """
    full = phrases("abbreviations")
    words = {word for short in words_of(name) for word in full.get(short, (short,))}
    loads = (joints for needed, other, joints in _loads() if needed <= words and not other & words)
    return frozenset() if has(words, "no_load") else frozenset[str]().union(*loads)
