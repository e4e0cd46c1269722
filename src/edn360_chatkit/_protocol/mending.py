"""Repair of malformed JSON, as models write it. Cut JSON is recognised, and never completed.

``json-repair`` completes whatever it gets, so the brackets are counted here first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from .._json import is_object, parse

DEEPEST = 64
"""How many brackets may be open at once. A program has about ten levels."""
LONGEST, WORK = 400_000, 20_000_000
"""The most characters, and characters times stray quotes: json-repair then takes 3 s at most."""

_CLOSERS = {"}": "{", "]": "["}
_TOKEN = re.compile(
    r"""\\.|["“”„']|[{}\[\]:,]|//[^\n]*|/\*.*?(?:\*/|\Z)|```|[^\s{}\[\]:,"“”„'\\/`]+""", re.DOTALL
)
# A quote ends a string if a comma and the next value or key, a colon or a bracket comes after it.
_AFTER_STRING = re.compile(
    r"""[\s\u200b\ufeff]*(?:[:}\]]|,[\s\u200b\ufeff]*(?:["“”„'{\[}\]]|//|/\*|\w+\s*:)|\Z)"""
)
# `10 por lado`: json-repair keeps only the number.
_WORDS_AFTER_NUMBER = re.compile(r"\d[\d.,/-]*[^\S\n]+[^\W\d][^\"“”',:{}\[\]\n/#]*(?=[,}\]\n])")
_NO_ESCAPE = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))|\\')


@cache
def json_repair() -> Callable[..., object]:
    """The library's parser. It is imported with the first client and not with the package."""
    from json_repair import loads

    return loads


def mend(text: str) -> tuple[dict[str, Any] | None, bool]:
    """Repair the object at the beginning of a text; what follows the object is ignored.

    Returns:
        The object, and whether the text stops before it ends. ``None`` if it can't be repaired, or
        only in too much time. A cut object has a value only if nothing but the last brace is
        missing.
    """
    scan = _Scan(text)
    cut = scan.end is None and len(scan.stack) < DEEPEST
    only_brace_missing = scan.stack == ["{"] and scan.complete
    too_much_work = len(text) > LONGEST or (1 + scan.stray) * len(text) > WORK
    if too_much_work or (scan.end is None and not only_brace_missing):
        return None, cut
    pieces: list[str] = []
    position = 0
    for start, stop, replacement in scan.changes:
        pieces += [text[position:start], replacement]
        position = stop
    pieces.append(text[position : scan.end or scan.stop])
    object_text = _NO_ESCAPE.sub(r"\1", "".join(pieces)) + ("" if scan.end else "}")
    try:
        value: object = parse(object_text)
    except ValueError:
        try:
            value = json_repair()(object_text, skip_json_loads=True)
        except (ValueError, RecursionError):
            value = None
    return value if is_object(value) else None, cut


class _Scan:
    """One pass over malformed JSON that follows its strings and brackets.

    Attributes:
        end: Where the object ends; ``None`` if it does not.
        stop: Where the JSON stops if the object does not end: a fence, or the end of the text.
        stack: The brackets that are open.
        complete: Whether the last token closes an object or list. A string may be cut.
        stray: How many quotes neither begin nor end a string.
        changes: What to replace before the repair: start, end, replacement.
    """

    def __init__(self, text: str) -> None:
        self.end: int | None = None
        self.stop = len(text)
        self.stack: list[str] = []
        self.complete = False
        self.stray = 0
        self.changes: list[tuple[int, int, str]] = []
        position, before = 0, "{"
        while self.end is None and (match := _TOKEN.search(text, position)):
            symbol = match.group()
            position = match.end()
            if symbol == "```":
                self.stop = match.start()
                break
            if symbol in "{[":
                self.stack.append(symbol)
                if len(self.stack) >= DEEPEST:
                    break
            elif symbol in "}]":
                self._close(symbol, position)
            elif symbol in '"“„' or (symbol in "”'" and before in "{[,:"):
                if before not in "{[,:":
                    self.stray += 1
                    continue
                position = self._string(text, symbol, match.start(), position)
                if position < 0:
                    return
                symbol = '"'
            elif symbol[:2] in ("//", "/*") or symbol[0] == "\\":
                continue
            elif before == ":" and (words := _WORDS_AFTER_NUMBER.match(text, match.start())):
                self.changes.append((words.start(), words.end(), f'"{words.group().rstrip()}"'))
                position = words.end()
            before = symbol
            self.complete = symbol in "}]"

    def _close(self, closer: str, position: int) -> None:
        if _CLOSERS[closer] not in self.stack:
            return
        # Brackets between the two were forgotten.
        while self.stack.pop() != _CLOSERS[closer]:
            pass
        if not self.stack:
            self.end = position

    def _string(self, text: str, opener: str, start: int, position: int) -> int:
        """Find the end of a string; a negative number if there is none."""
        quotes = "'" if opener == "'" else '"”“'
        token = re.compile(rf"\\.|[{quotes}]", re.DOTALL)
        while match := token.search(text, position):
            position = match.end()
            if match.group()[0] == "\\":
                continue
            if _AFTER_STRING.match(text, position):
                if opener in '"“”„' and (opener, match.group()) != ('"', '"'):
                    if opener != '"':
                        self.changes.append((start, start + 1, '"'))
                    self.changes.append((match.start(), match.end(), '"'))
                return position
            self.stray += 1
        return -1
