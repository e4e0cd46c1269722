"""Muscles and their names: one muscle may have several names, in two languages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .numbers import fold, says_nothing

_PLURAL = re.compile(r"(?<=[aeiou][lnr])es\b|(?<=[a-z]{2})s\b")

SYNONYMS = {
    "isquiotibial": "femoral, isquiosural, isquio, hamstring, biceps femoral",
    "pecho": "pectoral, chest, pec",
    "espalda": "back",
    "dorsal": "lat, dorsal ancho, latissimus",
    "hombro": "shoulder, deltoid, delt, deltoide",
    "cuadricep": "quad, quadricep",
    "gluteo": "glute, gluteus",
    "gemelo": "calf, calve, pantorrilla",
    "tricep": "triceps brachii",
    "bicep": "biceps brachii, biceps braquial",
    "abdomen": "abdominal, ab",
    "aductor": "adductor",
    "antebrazo": "forearm",
    "trapecio": "trap, trapezius",
    "lumbar": "lower back, zona lumbar",
}
"""One muscle a line, as names are compared: small letters, no accents."""

_BETWEEN_MUSCLES = re.compile(r"[,;+&|\n]|/(?![ad]\b)|(?<=\s)(?:y|e|and)(?=\s)", re.IGNORECASE)

_KEYS = {
    _PLURAL.sub("", name): key for key, names in SYNONYMS.items() for name in names.split(", ")
}


def muscle_key(name: str) -> str:
    """One key for all names of a muscle: synonyms, plurals, case and accents."""
    key = _PLURAL.sub("", fold(name))
    return _KEYS.get(key, key)


def muscles(own: str | None, of_block: Iterable[str] | None) -> dict[str, str]:
    """Muscles by their keys, as they are written.

    Args:
        own: The text of the exercise; ``"Chest, triceps"`` names two.
        of_block: The muscles of its block, which count if the exercise names none.
    """
    texts = (of_block or ()) if says_nothing(own) else (own or "",)
    names = (" ".join(name.split()) for text in texts for name in _BETWEEN_MUSCLES.split(text))
    by_key: dict[str, str] = {}
    for name in names:
        if not says_nothing(name):
            by_key.setdefault(muscle_key(name), name)
    return by_key
