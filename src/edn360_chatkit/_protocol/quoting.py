"""What of somebody else's words goes into an error's text: servers quote what they were sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from .._json import parse

LONGEST = 300
"""How many characters are quoted at most."""
RUN = 8
"""From how many characters on that are the same it is a quotation, and not a common word."""
WORD = 4
"""From how many characters on a whole value that is a word of the text is one."""

_IN_QUOTES = re.compile("['\"`«“](.{1,200}?)['\"`»”]", re.DOTALL)


def quoted(words: str, sent: str | None) -> str | None:
    """The beginning of somebody's words, to be quoted; ``None`` if they repeat what was sent.

    Keys may be repeated, since they say what is wrong. Values may not: they are the athlete's.

    Args:
        words: What the server or the workflow says.
        sent: The text of the message that it is about, where that is known.
    """
    words = words[:LONGEST]
    if sent is not None:
        values = {value.casefold() for value in _values_of(sent)}
        said = words.casefold()
        in_quotes = set(_IN_QUOTES.findall(said))
        for value in values:
            if value in in_quotes or (len(value) >= WORD and _stands_in(said, value)):
                return None
        everything = "\0".join(values)
        runs = (said[start : start + RUN] for start in range(len(said) - RUN + 1))
        if any(run in everything for run in runs):
            return None
    return words


def _stands_in(text: str, value: str) -> bool:
    """Whether a value stands in a text by itself, and not within a longer word."""
    return value in text and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def _values_of(sent: str) -> set[str]:
    """All values in a message's text, as text; the text itself where it is no JSON."""
    try:
        return set(_leaves(parse(sent)))
    except ValueError:
        return {sent}


def _leaves(value: object) -> Iterator[str]:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            left += cast("dict[str, object]", one).values()
        elif isinstance(one, list):
            left += cast("list[object]", one)
        elif one is not None and not isinstance(one, bool):
            yield str(one)


def server_words(body: object) -> str | None:
    """The words of an error's body: OpenAI's, FastAPI's and others'."""
    if not isinstance(body, dict):
        return None
    fields = cast("dict[str, object]", body)
    error = fields.get("error")
    if isinstance(error, dict):
        error = cast("dict[str, object]", error).get("message")
    for words in (error, fields.get("detail"), fields.get("message")):
        if isinstance(words, str) and words.strip():
            return words
    return None
