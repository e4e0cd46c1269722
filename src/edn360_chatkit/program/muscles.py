"""Muscles and their names: one muscle has several names, in several languages.

The names are in ``texts``, one table a language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import get_args

from .lexicon import read_words
from .numbers import fold, says_nothing
from .texts import Language, words
from .vocabulary import is_placeholder, words_of

_PARTS = {
    "back": "lats trapezius rhomboids lower_back rear_delts",
    "shoulders": "front_delts side_delts rear_delts rotator_cuff trapezius",
    "arms": "biceps triceps forearms",
    "legs": "quads hamstrings glutes adductors abductors hip_flexors calves tibialis",
    "posterior_chain": "hamstrings glutes calves lower_back back lats",
    "core": "abs obliques lower_back",
    "abs": "obliques",
    "chest": "front_delts",
    "glutes": "abductors hamstrings",
    "upper_body": "chest back shoulders arms serratus neck",
    "full_body": "upper_body legs core posterior_chain",
}
"""The muscles of a region, and those that the exercises of a muscle train as much."""

_BETWEEN_MUSCLES = re.compile(r"[,;+&|\n]|/(?![ad]\b)|(?<=\s)(?:y|e|and)(?=\s)", re.IGNORECASE)
_SMALL, _PARTIAL = (
    frozenset(words_of(read_words("words")[row])) for row in ("small", "muscle_parts")
)

_KEYS = {
    frozenset(words_of(name)): key
    for lang in get_args(Language)
    for key, names in words(lang).muscles.items()
    for name in names.split(", ")
}


def muscle_key(name: str) -> str:
    """One key for all names of a muscle: synonyms, plurals, case, accents and order of words."""
    own = words_of(name)
    # "Espalda (grosor)" is the back, and so is "espalda alta".
    for part in (frozenset(own), frozenset(words_of(name.partition("(")[0]))):
        if key := _KEYS.get(part - _SMALL) or _KEYS.get(part - _SMALL - _PARTIAL):
            return key
    folded = fold(name)
    return " ".join(own) if own and folded.isascii() else folded


def muscles(own: str | None, of_block: Iterable[str] | None) -> dict[str, str]:
    """Muscles by their keys, as they are written.

    Args:
        own: The text of the exercise; ``"Chest, triceps"`` names two.
        of_block: The muscles of its block, which count if the exercise names none.
    """
    texts = (of_block or ()) if says_nothing(own) or is_placeholder(own) else (own or "",)
    names = (" ".join(name.split()) for text in texts for name in _BETWEEN_MUSCLES.split(text))
    by_key: dict[str, str] = {}
    for name in names:
        # "Trapecio medio e inferior" is one muscle.
        own_words = set(words_of(name))
        is_part = by_key and own_words and own_words <= _SMALL | _PARTIAL
        if not is_part and not says_nothing(name) and not is_placeholder(name):
            by_key.setdefault(muscle_key(name), name)
    return by_key


def overlap(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether two lists of muscles share one; a muscle that is not in the table may be any."""
    keys, other_keys = set(some), set(others)
    if not keys | other_keys <= set(_KEYS.values()):
        return True
    return bool(_with_parts(keys) & _with_parts(other_keys))


def _with_parts(keys: set[str]) -> set[str]:
    parts = {part for key in keys for part in _PARTS.get(key, "").split()}
    return keys if parts <= keys else _with_parts(keys | parts)
