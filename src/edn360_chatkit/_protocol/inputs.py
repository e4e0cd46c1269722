"""The caller's arguments: the input as the text that is sent, and checked ids and texts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote

from .._json import whole_characters
from .._validation import validate, without_frames
from ..errors import InvalidInputError
from ..inputs import EDN360Input

WorkflowInput: TypeAlias = EDN360Input | Mapping[str, Any] | str
"""The input, a mapping that is validated as one, or a text that is sent unchanged."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An input that is ready to be sent, or the error of an invalid input.

    The repr hides the text, which is the athlete's data. A text has no ``user_id``.
    """

    text: str = field(repr=False)
    user_id: str | None = None
    questionnaires: int = 0
    error: Exception | None = field(default=None, repr=False)

    def check(self) -> Prepared:
        """Return this input, or raise its error."""
        if self.error is not None:
            raise self.error
        return self

    def owner(self, user: str | None) -> str:
        """The end user of a run with this input: ``user``, or the input's ``user_id``."""
        self.check()
        if user is None and self.user_id is None:
            raise InvalidInputError("A text has no user: pass user=... with it.")
        return text_argument("user", self.user_id if user is None else user)


def prepare(value: object) -> Prepared:
    """Validate an input and write it as the text that is sent.

    It does not raise. The caller deletes the raw input and then calls :meth:`Prepared.check`, so
    that no traceback holds the athlete's data. Foreign exceptions, such as a signal handler's, are
    raised there, too.
    """
    handled = sys.exc_info()[1]
    failure: Exception
    try:
        if isinstance(value, str):
            return Prepared(text_argument("The message", value))
        if isinstance(value, EDN360Input):
            # model_copy(update=...) does not validate.
            value = value.model_dump(exclude_unset=True, serialize_as_any=True, warnings=False)
        edn360_input = validate(EDN360Input, value)
        if isinstance(edn360_input, EDN360Input):
            user_id = edn360_input.user_profile.user_id
            return Prepared(edn360_input.to_json_text(), user_id, len(edn360_input.questionnaires))
        failure = edn360_input
    except InvalidInputError as error:
        failure = error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        failure = InvalidInputError(
            f"The input can't be used: reading it raised {type(error).__name__}. Nothing was sent."
        )
        failure.__cause__ = error
    except Exception as error:
        failure = error
    return Prepared("", error=without_frames(failure, handled))


def segment(kind: str, value: object) -> str:
    """An id as a segment of a path, quoted so that it can't change the path."""
    if not isinstance(value, str) or value.strip() in ("", ".", "..") or len(value) > 1000:
        raise InvalidInputError(
            f"{kind} must be an id from the server: a string of at most 1000 characters that is "
            "not empty, '.' or '..'."
        )
    return quote(text_argument(kind, value), safe="")


def text_argument(name: str, value: object) -> str:
    """Check a text of the caller: it is not empty, and UTF-8 can hold it."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty.")
    # Not with encode(): its exception holds the whole text.
    if not value.isascii() and whole_characters(value) != value:
        raise InvalidInputError(f"{name} has a lone surrogate (half a character).")
    return value
