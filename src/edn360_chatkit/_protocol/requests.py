"""Checks of the ids and texts that go into a request."""

from __future__ import annotations

import re
from urllib.parse import quote

from ..errors import InvalidInputError


def segment(kind: str, value: object) -> str:
    """An id as one segment of a path, quoted so that it can't lead anywhere else.

    Raises:
        InvalidInputError: The value can't be an id.
    """
    if not isinstance(value, str) or value.strip() in ("", ".", "..") or len(value) > 1000:
        raise InvalidInputError(
            f"{kind} must be an id such as the server gave it: a string, not empty, '.' or "
            "'..', and no longer than 1000 characters."
        )
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{kind} can't be an id: it has a lone surrogate.") from error


def text_argument(name: str, value: object) -> str:
    """A text of the caller's that is not empty and that UTF-8 can hold.

    Raises:
        InvalidInputError: The value is not such a text.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{name} has half a character (a lone surrogate).") from error
    return value


def fits_header(value: object) -> bool:
    """Whether a secret fits into a header."""
    return isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) is not None
