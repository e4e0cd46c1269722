"""Quotes of a server's error message, without the athlete's data that it repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .._json import as_list, as_object, is_list, is_object, parse_or_none

LONGEST = 300
"""The largest number of characters that an error's text repeats."""
PART = 8
"""The shortest part of a value, in characters, that is hidden."""
WORD = 4
"""The shortest value, in characters, that is hidden outside of quotation marks."""

_QUOTED = "(?s)['\"`«“](.{1,200}?)['\"`»”]"


def quoted(words: str, message_text: str | None) -> str | None:
    """The beginning of a server's words, with ``…`` for each value of our message.

    Keys of the message stay: they name the invalid field.

    Returns:
        The words; ``None`` if every word repeats the message.
    """
    # A value that begins within the limit may end beyond it.
    words = words[: LONGEST + 200]
    if message_text is None:
        return words[:LONGEST]
    hidden = _repeated(words, _values_of(message_text))
    quote = "".join("\0" if hide else c for c, hide in zip(words, hidden, strict=True))[:LONGEST]
    return re.sub("\0+", "…", quote) if re.search(r"[^\W\0]", quote) else None


def _repeated(words: str, values: set[str]) -> list[bool]:
    """For each character of the words, whether it repeats a value."""
    folded = _folded(words)
    spans = [match.span(1) for match in re.finditer(_QUOTED, folded) if match[1] in values]
    for value in values:
        if len(value) >= WORD and value in folded:
            matches = re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", folded)
            spans += [match.span() for match in matches]
    joined = "\0".join(values)
    parts = ((start, start + PART) for start in range(len(folded) - PART + 1))
    spans += [(start, stop) for start, stop in parts if folded[start:stop] in joined]
    hidden = [False] * len(words)
    for start, stop in spans:
        hidden[start:stop] = [True] * (stop - start)
    return hidden


def _values_of(message_text: str) -> set[str]:
    """The values of a message's JSON as text, or the text itself if it is not JSON."""
    value = parse_or_none(message_text)
    return {_folded(message_text)} if value is None else set(map(_folded, _leaves(value)))


def _folded(text: str) -> str:
    # Character by character: casefold may change the length of a text.
    return "".join(c.casefold() if len(c.casefold()) == 1 else c for c in text)


def _leaves(value: object) -> Iterator[str]:
    stack = [value]
    while stack:
        item = stack.pop()
        if is_object(item):
            stack += item.values()
        elif is_list(item):
            stack += item
        elif item is not None and not isinstance(item, bool):
            yield str(item)


def server_words(body: object) -> str | None:
    """The reason in the parsed body of an error response.

    OpenAI: ``error.message``. FastAPI: ``detail``, a text or a list of the invalid fields. Other
    servers: a text in ``error`` or ``message``.
    """
    fields = as_object(body)
    names = ("error", "detail", "message", "error_description", "title")
    return next(filter(None, (_words(fields.get(name)) for name in names)), None)


def _words(value: object) -> str | None:
    if is_object(value):
        fields = value
        value = fields.get("message") or fields.get("msg") or fields.get("detail")
        if isinstance(value, str) and "loc" in fields:
            return ".".join(map(str, as_list(fields["loc"]))) + f": {value}"
    if is_list(value):
        # FastAPI's ``input`` is left out: it repeats the athlete's data.
        return "; ".join(filter(None, map(_words, value[:10])))
    return value.strip() if isinstance(value, str) else None
