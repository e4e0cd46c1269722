"""How many columns a text takes where every character has a fixed width, and where it breaks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache


def width(text: str) -> int:
    """The columns that a text takes: none for combining marks, two for wide characters."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, columns: int) -> list[str]:
    """Break a text into lines at its blanks, and within a word only where it is too long.

    Args:
        text: Blanks of any kind and number count as one.
        columns: How wide a line may be; at least 2.
    """
    lines: list[str] = []
    room = 0
    for word in text.split():
        for part in _parts(word, columns):
            size = width(part)
            if lines and size < room:
                lines[-1] += " " + part
                room -= size + 1
            else:
                lines.append(part)
                room = columns - size
    return lines


def _parts(word: str, columns: int) -> Iterator[str]:
    if width(word) <= columns:
        yield word
        return
    start, room = 0, columns
    for index, character in enumerate(word):
        room -= (size := _columns(character))
        if room < 0:
            yield word[start:index]
            start, room = index, columns - size
    yield word[start:]
