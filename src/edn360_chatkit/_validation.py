"""Validation: pydantic's errors in the terms of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from .errors import FieldError, InvalidInputError

# pydantic names the branch of a union in an error's path. No model has a field of these names.
_UNION_BRANCHES = frozenset(
    {"int", "float", "str", "datetime", "date", "list[any]", "dict[str,any]", "Subscription"}
)


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """The invalid fields, each once."""
    errors: dict[tuple[int | str, ...], FieldError] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        loc = tuple(part for part in detail["loc"] if part not in _UNION_BRANCHES)
        if loc in errors:
            errors[loc]["msg"] += " or " + detail["msg"].removeprefix("Input should be ")
        else:
            errors[loc] = field_error(loc, detail["msg"], detail["type"])
    return tuple(errors.values())


def field_error(loc: tuple[int | str, ...], msg: str, type: str) -> FieldError:
    """An invalid field."""
    return FieldError(path=".".join(map(str, loc)), loc=loc, msg=msg, type=type)


def describe(errors: Sequence[FieldError]) -> str:
    """The invalid fields as text, each on a line."""
    return "\n".join(f"  {e['path'] or '(the whole)'}: {e['msg']}" for e in errors)


Model = TypeVar("Model", bound=BaseModel)


def validate(kind: type[Model], value: object) -> Model | InvalidInputError:
    """Validate a model or a mapping; return the model, or the error.

    The error is not raised: the caller first deletes the raw value, so that no traceback holds it.
    """
    if isinstance(value, (kind, InvalidInputError)):
        return value
    if not isinstance(value, Mapping):
        return InvalidInputError(
            f"{kind.__name__} or a mapping is needed, not a {type(value).__name__}."
        )
    try:
        return kind.model_validate(dict(cast("Mapping[str, Any]", value)))
    except ValidationError as error:
        return invalid(kind, field_errors(error))


def invalid(kind: type[BaseModel], errors: Sequence[FieldError]) -> InvalidInputError:
    """The error that lists every invalid field."""
    text = f"This is not a valid {kind.__name__}. Correct these fields:\n{describe(errors)}"
    return InvalidInputError(text, errors=errors)


Error = TypeVar("Error", bound=BaseException)


def without_frames(error: Error, handled: BaseException | None) -> Error:
    """Drop the tracebacks of an error and its causes: their frames hold keys or an input.

    The exception that the caller is handling (``handled``) does not change.
    """
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link is not handled and link not in seen:
        link.__traceback__ = None
        seen.append(link)
        link = link.__cause__ or link.__context__
    return error
