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
        InvalidInputError: The value is something else.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{name} has half a character (a lone surrogate).") from error
    return value


def header_secret(value: object) -> str:
    """A client secret that fits into a header. The error does not quote it.

    Raises:
        InvalidInputError: The value does not fit.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise InvalidInputError(
            "The session's client secret has a blank, a line break or another character that no "
            "secret has; nothing was sent with it. Make a new session with create_session(...)."
        )
    return value
