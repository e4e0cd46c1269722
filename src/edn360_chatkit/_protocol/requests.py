"""Checks of the ids and texts that go into a request."""

from __future__ import annotations

from urllib.parse import quote

from .._json import whole_characters
from ..errors import InvalidInputError


def segment(kind: str, value: object) -> str:
    """An id as one segment of a path, quoted so that it can't lead anywhere else."""
    if not isinstance(value, str) or value.strip() in ("", ".", "..") or len(value) > 1000:
        raise InvalidInputError(
            f"{kind} must be an id such as the server gave it: a string, not empty, '.' or "
            "'..', and no longer than 1000 characters."
        )
    return quote(text_argument(kind, value), safe="")


def text_argument(name: str, value: object) -> str:
    """A text of the caller's that is not empty and that UTF-8 can hold."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty.")
    # Not by encode(): its exception carries the whole text.
    if not value.isascii() and whole_characters(value) != value:
        raise InvalidInputError(f"{name} has a lone surrogate (half a character).")
    return value
