"""Read an athlete's data or a training program from text: a file's, or a stored answer.

The ``text`` of a :class:`~edn360_chatkit.WorkflowError` is such an answer. No frame of a traceback
and no error holds the text: faults are returned inside this module, and raised at its doors.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias, TypeVar, cast

from pydantic import BaseModel, ValidationError

from ._protocol.answers import InvalidProgram, Program, read_answer
from ._validation import describe, field_errors
from .errors import FieldError, InvalidInputError
from .inputs import EDN360Input
from .program.model import ROOT_KEY, EnrichedTrainingProgram

Model = TypeVar("Model", bound=BaseModel)
InputOrProgram: TypeAlias = EDN360Input | EnrichedTrainingProgram


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
    result = _input(_json_object(text))
    del text
    if isinstance(result, InvalidInputError):
        raise result
    return result


def read_program(text: str) -> EnrichedTrainingProgram:
    """Read a training program.

    Args:
        text: The program as JSON, or the workflow's answer with the program in it.

    Returns:
        The program.

    Raises:
        InvalidInputError: The text holds no program; ``.errors`` names each field at fault.
    """
    result = _program(text)
    del text
    if isinstance(result, InvalidInputError):
        raise result
    return result


def read_input_or_program(text: str) -> EDN360Input | EnrichedTrainingProgram:
    """Read a JSON object that is either an ``EDN360Input`` or a training program.

    Args:
        text: The JSON object. A program may stand under its root key.

    Returns:
        The input or the program.

    Raises:
        InvalidInputError: It is neither, or not valid; ``.errors`` names each field at fault.
    """
    result = _input_or_program(text)
    del text
    if isinstance(result, InvalidInputError):
        raise result
    return result


def _input(fields: dict[str, Any] | InvalidInputError) -> EDN360Input | InvalidInputError:
    edn360_input = _validate(EDN360Input, fields)
    if isinstance(edn360_input, InvalidInputError):
        return edn360_input
    try:
        edn360_input.to_json_text()
    except ValueError as error:
        fault = str(error)
    else:
        return edn360_input
    return InvalidInputError(f"This can't be sent as JSON: {fault}.")


def _program(text: str) -> EnrichedTrainingProgram | InvalidInputError:
    answer = read_answer(text)
    if isinstance(answer, Program):
        return answer.program
    if isinstance(answer, InvalidProgram):
        return _invalid("EnrichedTrainingProgram", answer.errors)
    return _validate(EnrichedTrainingProgram, _json_object(text))


def _input_or_program(text: str) -> InputOrProgram | InvalidInputError:
    fields = _json_object(text)
    if isinstance(fields, InvalidInputError):
        return fields
    if ROOT_KEY in fields:
        return _validate(EnrichedTrainingProgram, fields[ROOT_KEY])
    if fields.keys() & {"user_profile", "questionnaires"}:
        return _input(fields)
    if fields.keys() & {"title", "sessions"}:
        return _validate(EnrichedTrainingProgram, fields)
    return InvalidInputError(
        "This is neither an EDN360Input (with user_profile and questionnaires) nor a training "
        "program (with title and sessions)."
    )


def _validate(kind: type[Model], value: object) -> Model | InvalidInputError:
    if isinstance(value, InvalidInputError):
        return value
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        errors = field_errors(error)
    return _invalid(kind.__name__, errors)


def _invalid(kind: str, errors: tuple[FieldError, ...]) -> InvalidInputError:
    text = f"This is no valid {kind}. Correct these fields:\n{describe(errors)}"
    return InvalidInputError(text, errors=errors)


def _json_object(text: str) -> dict[str, Any] | InvalidInputError:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        fault = f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    except (ValueError, RecursionError):
        # A number of thousands of digits, or brackets nested as deep.
        fault = "This is JSON beyond the limits of the parser."
    else:
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        fault = "This must be one JSON object, in { }."
    return InvalidInputError(fault)
