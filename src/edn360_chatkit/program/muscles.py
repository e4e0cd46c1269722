"""Muscles and their names: one muscle may have several names, in two languages."""

from __future__ import annotations

import re

from .numbers import fold

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

_KEYS = {
    _PLURAL.sub("", name): key for key, names in SYNONYMS.items() for name in names.split(", ")
}


def muscle_key(name: str) -> str:
    """The same text for all names of one muscle, regardless of case, accents and plural."""
    key = _PLURAL.sub("", fold(name))
    return _KEYS.get(key, key)
