"""Read an athlete's data or a training program from the text of a file or a stored answer.

The ``text`` of a :class:`~edn360_chatkit.WorkflowError` is an answer, too. No error and no frame of
a traceback holds the text: private functions return errors, and public functions raise them.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar, cast

from ._protocol.answers import InvalidProgram, Program, read_answer
from ._validation import invalid, validate
from .errors import InvalidInputError
from .inputs import EDN360Input
from .program.model import ROOT_KEY, EnrichedTrainingProgram

T = TypeVar("T", bound=EDN360Input | EnrichedTrainingProgram)


def read_input(text: str) -> EDN360Input:
    """Read an athlete's data from a JSON object.

    Raises:
        InvalidInputError: It is not an ``EDN360Input``; ``.errors`` has each invalid field.
    """
    result = _input(_json_object(text))
    del text
    return _checked(result)


def read_program(text: str) -> EnrichedTrainingProgram:
    """Read a training program from its JSON, or from the workflow's answer that contains it.

    Raises:
        InvalidInputError: The text has no program; ``.errors`` has each invalid field.
    """
    result = _program(text)
    del text
    return _checked(result)


def read_input_or_program(text: str) -> EDN360Input | EnrichedTrainingProgram:
    """Read a JSON object that is an ``EDN360Input`` or a program, with or without its root key.

    Raises:
        InvalidInputError: It is neither, or invalid; ``.errors`` has each invalid field.
    """
    result = _input_or_program(text)
    del text
    return _checked(result)


def _checked(result: T | InvalidInputError) -> T:
    if isinstance(result, InvalidInputError):
        raise result
    return result


def _input(fields: dict[str, Any] | InvalidInputError) -> EDN360Input | InvalidInputError:
    edn360_input = validate(EDN360Input, fields)
    try:
        if isinstance(edn360_input, EDN360Input):
            edn360_input.to_json_text()
    except InvalidInputError as error:
        return error.with_traceback(None)
    return edn360_input


def _program(text: str) -> EnrichedTrainingProgram | InvalidInputError:
    answer = read_answer(text)
    if isinstance(answer, Program):
        return answer.program
    if isinstance(answer, InvalidProgram):
        return invalid(EnrichedTrainingProgram, answer.errors)
    fields = _json_object(text)
    if isinstance(fields, dict) and fields.keys() >= {"user_profile", "questionnaires"}:
        return InvalidInputError("This is an EDN360Input, the athlete's data, and not a program.")
    return validate(EnrichedTrainingProgram, fields)


def _input_or_program(text: str) -> EDN360Input | EnrichedTrainingProgram | InvalidInputError:
    fields = _json_object(text)
    if isinstance(fields, InvalidInputError):
        return fields
    if ROOT_KEY in fields:
        return validate(EnrichedTrainingProgram, fields[ROOT_KEY])
    if fields.keys() & {"user_profile", "questionnaires"}:
        return _input(fields)
    if fields.keys() & {"title", "sessions"}:
        return validate(EnrichedTrainingProgram, fields)
    return InvalidInputError(
        "This is neither an EDN360Input (with user_profile and questionnaires) nor a training "
        "program (with title and sessions)."
    )


def _json_object(text: str) -> dict[str, Any] | InvalidInputError:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return InvalidInputError(
            f"This is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        )
    except (ValueError, RecursionError):
        # A number with thousands of digits, or thousands of nested brackets.
        return InvalidInputError("This is JSON beyond the limits of the parser.")
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    return InvalidInputError("This must be one JSON object, in { }.")
