"""The words by which questionnaires and exercises are known, in Spanish and English.

They are compared in small letters, without accents, signs and plurals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from .lexicon import read_names, read_words
from .numbers import fold

_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")
_PLURAL = re.compile(r"(?:(?<=[aeiou][lnr])|(?<=ss|ch|sh))es?$|(?<=[^s])(?<!^pre)s$")
_DOUBLED = re.compile(r"([a-z])\1")


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared: "Sentadillas" and "sentadila" are one word.

    They have no ending of a plural, in both languages: "machin" as well as "sesion".
    """
    text = fold(_CAMEL_HUMP.sub(" ", text).replace("_", " "))
    return [_DOUBLED.sub(r"\1", _PLURAL.sub("", word)) for word in _WORD.findall(text)]


def phrases_in(words: Sequence[str], phrases: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """The phrases in a text, from left to right; of phrases that begin alike the longest."""
    place = 0
    while place < len(words):
        for length in (4, 3, 2, 1):
            phrase = " ".join(words[place : place + length])
            if phrase in phrases:
                yield phrase
                place += length - 1
                break
        place += 1


_WORDS = read_words("words")


def _words(row: str) -> frozenset[str]:
    """The words of a row; the file says what they are for."""
    return frozenset(words_of(_WORDS[row]))


def _phrases(*sections: str) -> dict[str, frozenset[str]]:
    """Phrases of sections, with their kinds of equipment or joints."""
    return {
        " ".join(words_of(name)): kinds
        for section in sections
        for name, kinds in read_names(section).items()
    }


_PLACEHOLDER = re.compile(
    r"^(?:unknown|desconocid[oa])$"
    r"|\b(?:(?:no|sin|not) (?:mapead[oa]|mapped|asignad[oa]|assigned|asignar|definir)"
    r"|(?:por|to be) (?:asignar|definir|assigned|defined)|unmapped|unassigned|tbd)\b"
)


def is_placeholder(text: str | None) -> bool:
    """Whether a text of the workflow stands for an exercise or muscle that is to be assigned."""
    return _PLACEHOLDER.search(fold(text or "").replace("_", " ")) is not None


# --- questions ------------------------------------------------------------------------------------

Question: TypeAlias = tuple[frozenset[str], ...]
"""A key is this question if it has a word of each set but the last, and all are in one of them."""


def _questions(row: str) -> tuple[Question, ...]:
    return tuple(
        tuple(frozenset(words_of(part)) for part in f"{way} {_WORDS['fillers']}".split("|"))
        for way in _QUESTIONS[row].split("/")
    )


_QUESTIONS = read_words("questions")
DAYS = _questions("days")
MINUTES = _questions("minutes")
HAS_EQUIPMENT = _questions("equipment")
ALL_INJURIES = _questions("injuries")
TO_AVOID = _questions("avoid")
FILLERS = _words("fillers")
TRAINING = _words("about_training")
PLACES = _words("places")
WHERE = _words("where")
HOME = _words("home")
GYM = _words("gym")
GOALS = _words("goals")
REMARKS = _words("remarks")
INJURIES = _words("injuries")

# --- answers --------------------------------------------------------------------------------------

NEGATIONS = _words("negations")
CONTRARY = _words("contrary")
AFFIRMATIONS = _words("affirmations")
WEEKDAYS = _words("weekdays")

EQUIPMENT = _phrases("equipment", "has")
"""What an athlete has."""

NEEDED_EQUIPMENT = _phrases("equipment", "needs")
"""What an exercise can't be done without, by its name; one of the kinds will do."""

UNDERSTOOD = _words("understood").union(" ".join(EQUIPMENT).split())
"""Words of an answer about equipment that leave no doubt about it."""

MACHINES = _words("machines")
OPEN_NAMES = _words("open_names")

JOINTS = _phrases("joints")
PAST = _words("past")
RECOVERED = _words("recovered")
RECENT = _words("recent")
HURTING = _words("hurting")
UNCHANGED = _words("unchanged")
ACTIVE = _words("active")
WELL = _words("well")
DENYING = _words("denying").union(" ".join(JOINTS).split())

# --- exercises ------------------------------------------------------------------------------------

_NO_LOAD = _words("no_load")
_FULL_WORDS = {short: words_of(word)[0] for word, short in read_words("abbreviations").items()}
_LOADS = [
    (
        frozenset(words_of(" ".join(word for word in name.split() if word[0] != "-"))),
        frozenset(words_of(" ".join(word for word in name.split() if word[0] == "-"))),
        joints,
    )
    for name, joints in read_names("loads").items()
]
"""The words that a name needs, those that it must not have, and the joints."""


def loaded_joints(name: str) -> frozenset[str]:
    """The joints that an exercise loads; empty if its name is not known.

    Words may have any order, so that a catalogue's spelling ("press hombros sentado barra") needs
    no entry of its own.
    """
    words = frozenset(_FULL_WORDS.get(word, word) for word in words_of(name))
    loads = (joints for needed, other, joints in _LOADS if needed <= words and not other & words)
    return frozenset() if words & _NO_LOAD else frozenset[str]().union(*loads)
