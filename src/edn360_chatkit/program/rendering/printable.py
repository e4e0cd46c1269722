"""Text of a model, a server or a file, made safe to print."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_LINE_BREAK = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Control characters begin escape sequences, bidi overrides reorder the text on the screen, and
# a lone surrogate can't be encoded.
_HARMFUL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """A text without control characters.

    Line breaks become line feeds. Each harmful character becomes U+FFFD, which is visible.
    """
    if text.isprintable():
        return text
    return _HARMFUL.sub("\ufffd", _LINE_BREAK.sub("\n", text))


def one_line(text: str) -> str:
    """A printable text as a single line, for titles and names."""
    return " ".join(printable(text).split())


def web_link(url: str | None) -> str | None:
    r"""The URL if it may be a link: http or https, with a host. ``None`` for any other text.

    Browsers drop tabs and line breaks within a URL and read ``\`` as ``/``. So a URL that contains
    these, blanks or invisible characters may mislead.
    """
    url = (url or "").strip()
    if not re.match("https?://", url, re.IGNORECASE) or re.search(r"[\s\\]", url):
        return None
    try:
        has_host = bool(urlsplit(url).hostname)
    except ValueError:
        return None
    return url if has_host and url.isprintable() else None
