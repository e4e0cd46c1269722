"""Text from elsewhere, made safe to print: a model, a server or a file wrote it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Escape sequences begin with one of the control characters; bidi overrides make a text read
# differently from what it says; a lone surrogate can't be written at all.
_HARMFUL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text that can do nothing to a terminal but show itself.

    Line breaks of all kinds become line feeds, and each harmful character U+FFFD, so that the
    reader sees that something was there.
    """
    if text.isprintable():
        return text  # as nearly all of them are
    return _HARMFUL.sub("\ufffd", _LINE_BREAK.sub("\n", text))


def one_line(text: str) -> str:
    """The same without line breaks, for titles and names."""
    return " ".join(printable(text).split())


def web_link(url: str | None) -> str | None:
    r"""A URL that may be a link: one of http or https with a host, and nothing else.

    Browsers drop tabs and line breaks within a URL and read ``\`` as ``/``: a URL with one of
    these, a blank or a character that does not print may mislead.
    """
    url = (url or "").strip()
    if not re.match("https?://", url, re.IGNORECASE) or re.search(r"[\s\\]", url):
        return None
    try:
        has_host = bool(urlsplit(url).hostname)
    except ValueError:
        return None
    return url if has_host and url.isprintable() else None
