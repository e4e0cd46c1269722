"""What a caller hands over, turned into the text that is sent; nothing bad gets past here."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from pydantic import ValidationError

from .._validation import describe, field_errors
from ..errors import InvalidInputError
from ..inputs import EDN360Input

logger = logging.getLogger("edn360_chatkit")

WorkflowInput: TypeAlias = EDN360Input | Mapping[str, Any] | str
"""What can be sent: the input, a mapping that is validated as one, or a text sent as it is."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An input that is ready to be sent.

    Attributes:
        text: The text of the message.
        user_id: The athlete's id; ``None`` where the caller gave a text.
        questionnaires: How many there are; 0 where the caller gave a text.
    """

    text: str = field(repr=False)
    user_id: str | None = None
    questionnaires: int = 0

    def log(self) -> None:
        """Tell how much will be sent; never what."""
        size = len(self.text.encode())
        logger.info("input prepared: %d bytes, %d questionnaires", size, self.questionnaires)


def prepare(value: WorkflowInput) -> Prepared:
    """Validate an input and write it as the text that is sent.

    Raises:
        InvalidInputError: It is no ``EDN360Input``; every field at fault is named.
    """
    if isinstance(value, str):
        return Prepared(_checked_text(value))
    edn360_input = validate_input(value)
    try:
        text = edn360_input.to_json_text()
    except ValueError as error:
        raise InvalidInputError(
            f"The input can't be written as JSON: {error}. Nothing was sent."
        ) from error
    user_id = edn360_input.user_profile.user_id
    return Prepared(text, user_id, len(edn360_input.questionnaires))


def validate_input(value: object) -> EDN360Input:
    """A mapping as an ``EDN360Input``.

    Raises:
        InvalidInputError: It is none; ``.errors`` has every field at fault.
    """
    if isinstance(value, EDN360Input):
        # model_copy(update=...) does not validate; nothing bad gets past here all the same.
        try:
            value = value.model_dump(exclude_unset=True, serialize_as_any=True, warnings=False)
        except (ValueError, AttributeError, RecursionError) as error:
            raise InvalidInputError(
                f"The EDN360Input can't be read ({type(error).__name__}); nothing was sent."
            ) from error
    if not isinstance(value, Mapping):
        raise InvalidInputError(
            f"An EDN360Input, a mapping or a string is needed, not a {type(value).__name__}. "
            "Nothing was sent."
        )
    try:
        return EDN360Input.model_validate(dict(cast("Mapping[str, Any]", value)))
    except ValidationError as error:
        faults = field_errors(error)
        raise InvalidInputError(
            f"The input is no EDN360Input; nothing was sent. Correct these fields:\n"
            f"{describe(faults)}",
            errors=faults,
        ) from error


def _checked_text(text: str) -> str:
    if not text.strip():
        raise InvalidInputError("The message is empty; nothing was sent.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Without its cause, which carries the whole text.
        raise InvalidInputError(
            "The message has half a character in it (a lone surrogate); nothing was sent."
        ) from None
    return text
