"""Muscles and their names: one muscle has several names, in several languages.

The names are in ``words.ini``.
"""

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
    """The key of a muscle. Synonyms, plurals, case, accents and word order do not change it."""
    own = words_of(name)
    small, parts = terms("small"), terms("muscle_parts")
    # "Espalda (grosor)" is the back, and so is "espalda alta".
    for part in (frozenset(own), frozenset(words_of(name.partition("(")[0]))):
        if key := _KEYS.get(part - small) or _KEYS.get(part - small - parts):
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
        is_part = by_key and own_words and own_words <= terms("small") | terms("muscle_parts")
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
    parts = {part for key in keys for part in read_file()["regions"].get(key, "").split()}
    return keys if parts <= keys else _with_parts(keys | parts)
