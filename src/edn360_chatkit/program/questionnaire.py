"""Questionnaires as answers that can be searched by the words of their questions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import cast

from pydantic import TypeAdapter

from ..inputs import Questionnaire
from . import vocabulary as terms
from .numbers import fold

LONGEST_ANSWER = 2000
"""Characters. A longer answer is prose, which is not read."""


@dataclass(frozen=True)
class Answer:
    """One answer, with the words of its question's key."""

    key: tuple[str, ...]
    value: object

    def asks(self, *about: str, only: str | None = None) -> bool:
        """Whether the key has a word of each of ``about``, and none besides them and ``only``."""
        groups = [set(group.split()) for group in about]
        words = set(self.key)
        allowed = set(only.split()).union(*groups) if only is not None else words
        return words <= allowed and all(words & group for group in groups)

    @property
    def text(self) -> str:
        """The answer as text; what has boxes to tick reads "no gym, yes bands"."""
        return text_of(self.value)


_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")
CLAUSE = re.compile(r"[;:,.\n()]|\b(?:pero|but|aunque|although|excepto|except|salvo)\b")
_MOMENT = TypeAdapter(datetime)


def newest_first(questionnaires: Sequence[Questionnaire]) -> list[list[Answer]]:
    """By date if each has a readable date, else by position; without those about nutrition."""
    asked = [
        q for q in questionnaires if not {"nutrition", "nutricion"} & set(words_of(q.kind or ""))
    ]
    moments = [_moment(q.submitted_at) for q in asked]
    dates = [moment for moment in moments if moment]
    if len(dates) == len(asked):
        order = sorted(range(len(asked)), key=dates.__getitem__)
        asked = [asked[index] for index in order]
    return [
        [
            Answer(tuple(words_of(_CAMEL_HUMP.sub(" ", key[:LONGEST_ANSWER]))), value)
            for key, value in questionnaire.content.items()
        ]
        for questionnaire in reversed(asked)
    ]


def _moment(value: object) -> datetime | None:
    try:
        moment = _MOMENT.validate_python(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return _WORD.findall(fold(text.replace("_", " ")))


def text_of(value: object, depth: int = 2) -> str:
    """An answer as text; empty if it is prose."""
    text = ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif depth and isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        # What is neither yes nor no counts as named: better silent than wrong.
        text = ", ".join(f"{text_of(item, 0)} {key}" for key, item in pairs)
    elif depth and isinstance(value, list):
        text = ", ".join(text_of(item, depth - 1) for item in cast("list[object]", value))
    return text if len(text) <= LONGEST_ANSWER else ""


def named_in(text: str, vocabulary: Mapping[str, frozenset[str]]) -> Iterator[frozenset[str]]:
    """The terms that a text has and does not deny; of phrases that begin alike the longest."""
    for clause in CLAUSE.split(fold(text)):
        words = words_of(clause)
        denied = False
        place = 0
        while place < len(words):
            able = bool(terms.ABLE & set(words[place + 1 : place + 2]))
            says = bool(terms.SAYING & set(words[place + 2 : place + 3]))
            denies = words[place] in terms.NEGATIONS and (says or not able)
            denied = denies or (denied and words[place] not in terms.CONTRARY)
            for length in (4, 3, 2, 1):
                phrase = " ".join(words[place : place + length])
                if phrase in vocabulary:
                    if not denied:
                        yield vocabulary[phrase]
                    place += length - 1
                    break
            place += 1
