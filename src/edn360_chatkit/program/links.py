"""Which URL of a video may be a link: the renderings and the checks agree on it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def web_link(url: str | None) -> str | None:
    r"""A URL that may be a link: one of http or https with a host, and nothing else.

    Browsers drop tabs and line breaks within a URL and read ``\`` as ``/``. A URL with one of
    these, a blank or a character that does not print may mislead and is no link.
    """
    url = (url or "").strip()
    if not re.match("https?://", url, re.IGNORECASE) or re.search(r"[\s\\]", url):
        return None
    try:
        has_host = bool(urlsplit(url).hostname)
    except ValueError:
        return None
    return url if has_host and url.isprintable() else None
