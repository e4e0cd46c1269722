"""Repair of malformed JSON, as models write it. Cut JSON is recognised, and never completed.

``json-repair`` completes every text, so this module counts the brackets first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from .._json import is_object, parse

DEEPEST = 64
"""The largest number of open brackets. A program has about ten levels."""
LONGEST, WORK = 400_000, 20_000_000
"""The largest text, and the largest product of its size and stray quotes: json-repair then takes at
most 3 s. Sizes are in characters."""

_CLOSERS = {"}": "{", "]": "["}
_TOKEN = re.compile(
    r"""\\.|["“”„']|[{}\[\]:,]|//[^\n]*|/\*.*?(?:\*/|\Z)|```|[^\s{}\[\]:,"“”„'\\/`]+""", re.DOTALL
)
# A quote ends a string before a colon, a bracket, or a comma with the next value or key.
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
    """Repair the object at the beginning of a text, and ignore the rest of the text.

    Returns:
        The object, and whether it is cut. The object is ``None`` if the repair is impossible or
        takes too long, or if more than the last brace is missing.
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
    """A pass over malformed JSON that follows its strings and brackets.

    Attributes:
        end: The end of the object; ``None`` if it is cut.
        stop: The end of the JSON if the object is cut: a fence, or the end of the text.
        stack: The open brackets.
        complete: Whether the last token closes an object or list. A string may be cut.
        stray: The number of quotes that neither begin nor end a string.
        changes: The replacements before the repair, as start, end and text.
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
        # The model forgot to close the brackets between the two.
        while self.stack.pop() != _CLOSERS[closer]:
            pass
        if not self.stack:
            self.end = position

    def _string(self, text: str, opener: str, start: int, position: int) -> int:
        """Find the end of a string; a negative number if the string is cut."""
        quotes = "'" if opener == "'" else '"”“'
        token = re.compile(rf"\\.|[{quotes}]", re.DOTALL)
        while match := token.search(text, position):
            position = match.end()
            if match.group()[0] == "\\":
                continue
            if not _AFTER_STRING.match(text, position):
                self.stray += 1
                continue
            if opener in "“”„":
                self.changes.append((start, start + 1, '"'))
            if opener != "'" and (opener, match.group()) != ('"', '"'):
                self.changes.append((match.start(), match.end(), '"'))
            return position
        return -1
