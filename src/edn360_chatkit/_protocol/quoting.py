"""Quotes of a server's error message, without the athlete's data that it repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .._json import as_list, as_object, is_list, is_object, parse

LONGEST = 300
"""The largest number of characters that an error's text repeats."""
RUN = 8
"""The shortest part of a value, in characters, that is hidden."""
WORD = 4
"""The shortest value, in characters, that is hidden outside of quotation marks."""

_QUOTED = "(?s)['\"`«“](.{1,200}?)['\"`»”]"


def quoted(words: str, sent: str | None) -> str | None:
    """The beginning of a server's words, with ``…`` for each value of our message.

    Keys of the message stay: they name the field at fault.

    Returns:
        The words; ``None`` if all of them repeat the message.
    """
    # A value that begins within the limit may end behind it.
    words = words[: LONGEST + 200]
    if sent is None:
        return words[:LONGEST]
    hidden = _repeated(words, _values_of(sent))
    shown = "".join("\0" if hide else c for c, hide in zip(words, hidden, strict=True))[:LONGEST]
    return re.sub("\0+", "…", shown) if re.search(r"[^\W\0]", shown) else None


def _repeated(words: str, values: set[str]) -> list[bool]:
    """Which characters of the words repeat a value."""
    said = _folded(words)
    spans = [match.span(1) for match in re.finditer(_QUOTED, said) if match[1] in values]
    for value in values:
        if len(value) >= WORD and value in said:
            matches = re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", said)
            spans += [match.span() for match in matches]
    everything = "\0".join(values)
    runs = ((start, start + RUN) for start in range(len(said) - RUN + 1))
    spans += [(start, stop) for start, stop in runs if said[start:stop] in everything]
    hidden = [False] * len(words)
    for start, stop in spans:
        hidden[start:stop] = [True] * (stop - start)
    return hidden


def _values_of(sent: str) -> set[str]:
    """All values of a message's JSON, as text; the text itself if it is no JSON."""
    try:
        return set(map(_folded, _leaves(parse(sent))))
    except ValueError:
        return {_folded(sent)}


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

    OpenAI writes ``{"error": {"message"}}``, FastAPI ``{"detail"}`` (a text, or a list with the
    place and reason of each invalid field), other servers ``{"error": "..."}`` or ``{"message"}``.
    """
    fields = as_object(body)
    names = ("error", "detail", "message", "error_description", "title")
    return next(filter(None, (_words(fields.get(name)) for name in names)), None)


def _words(value: object) -> str | None:
    if is_object(value):
        fields = as_object(value)
        value = fields.get("message") or fields.get("msg") or fields.get("detail")
        if isinstance(value, str) and "loc" in fields:
            return ".".join(map(str, as_list(fields["loc"]))) + f": {value}"
    if is_list(value):
        # FastAPI: also `input`, which repeats the athlete's data, and is left out.
        return "; ".join(filter(None, map(_words, as_list(value)[:10])))
    return value.strip() if isinstance(value, str) else None
