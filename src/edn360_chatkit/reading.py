"""Read an athlete's data or a training program from text: a file's, or an answer that was stored.

``error.text`` of a :class:`~edn360_chatkit.WorkflowError` is such an answer.
"""

from __future__ import annotations

import json
from typing import Any, cast

from ._protocol.answers import InvalidProgram, Program, read_answer
from ._validation import as_model, describe
from .errors import InvalidInputError
from .inputs import EDN360Input
from .program.model import ROOT_KEY, EnrichedTrainingProgram


def read_input(text: str) -> EDN360Input:
    """Read an athlete's data.

    Args:
        text: A JSON object with the fields of an ``EDN360Input``.

    Returns:
        The input, which can be sent.

    Raises:
        InvalidInputError: The text is not JSON, or no ``EDN360Input``; ``.errors`` names each
            field at fault.
    """
    return _input(_json_object(text))


def read_program(text: str) -> EnrichedTrainingProgram:
    """Read a training program.

    Args:
        text: The program as JSON, or the workflow's answer with the program in it.

    Returns:
        The program.

    Raises:
        InvalidInputError: The text holds no program; ``.errors`` names each field at fault.
    """
    answer = read_answer(text)
    if isinstance(answer, Program):
        return answer.program
    if isinstance(answer, InvalidProgram):
        raise InvalidInputError(
            "This is no valid training program. Correct these fields:\n" + describe(answer.errors),
            errors=answer.errors,
        )
    return as_model(EnrichedTrainingProgram, _json_object(text))


def read_input_or_program(text: str) -> EDN360Input | EnrichedTrainingProgram:
    """Read a JSON object that is either an ``EDN360Input`` or a training program.

    Args:
        text: The JSON object. A program may stand under its root key.

    Returns:
        The input or the program.

    Raises:
        InvalidInputError: It is neither, or not valid; ``.errors`` names each field at fault.
    """
    fields = _json_object(text)
    if ROOT_KEY in fields:
        return read_program(text)
    if fields.keys() & {"user_profile", "questionnaires"}:
        return _input(fields)
    if fields.keys() & {"title", "sessions"}:
        return as_model(EnrichedTrainingProgram, fields)
    raise InvalidInputError(
        "This is neither an EDN360Input (with user_profile and questionnaires) nor a training "
        "program (with title and sessions)."
    )


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        # Without its cause, which carries the whole text.
        raise InvalidInputError(f"This is not JSON: {error.msg} at {place}.") from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or brackets nested as deep.
        raise InvalidInputError("This is JSON beyond the limits of the parser.") from None
    if not isinstance(value, dict):
        raise InvalidInputError("This must be one JSON object, in { }.")
    return cast("dict[str, Any]", value)


def _input(fields: dict[str, Any]) -> EDN360Input:
    edn360_input = as_model(EDN360Input, fields)
    try:
        edn360_input.to_json_text()
    except ValueError as error:
        raise InvalidInputError(f"This can't be sent as JSON: {error}.") from None
    return edn360_input
