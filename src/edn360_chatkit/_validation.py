"""What pydantic says of an invalid value, in our own terms."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from .errors import FieldError, InvalidInputError
from .models.base import OpenModel

# What pydantic puts into a path for the branch of a union that it tried. None of them is a key
# that the models know, so leaving them out leaves the path as the reader would write it.
_UNION_BRANCHES = frozenset(
    {"int", "float", "str", "datetime", "date", "list[any]", "dict[str,any]", "Subscription"}
)


def field_errors(error: ValidationError, root: str | None = None) -> tuple[FieldError, ...]:
    """Every field at fault, one entry a field, whatever branches of a union were tried.

    Args:
        error: What pydantic raised.
        root: A key that every path begins with and that is left out.
    """
    faults: dict[tuple[int | str, ...], FieldError] = {}
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        loc = tuple(part for part in fault["loc"] if part not in _UNION_BRANCHES)
        if root is not None and loc[:1] == (root,):
            loc = loc[1:]
        known = faults.get(loc)
        if known is None:
            path = ".".join(map(str, loc))
            faults[loc] = FieldError(path=path, loc=loc, msg=fault["msg"], type=fault["type"])
        else:
            known["msg"] += " or " + fault["msg"].removeprefix("Input should be ")
    return tuple(faults.values())


def describe(errors: Sequence[FieldError]) -> str:
    """The fields at fault, for people to read: a line each."""
    return "\n".join(f"  {e['path'] or '(the whole)'}: {e['msg']}" for e in errors)


Model = TypeVar("Model", bound=OpenModel)


def as_model(kind: type[Model], value: Model | Mapping[str, Any]) -> Model:
    """A model, or a mapping that is validated as one: what callers have at hand.

    Raises:
        InvalidInputError: It is none; ``.errors`` has every field at fault.
    """
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise InvalidInputError(
            f"{kind.__name__} or a mapping is needed, not a {type(value).__name__}."
        )
    try:
        return kind.model_validate(dict(value))
    except ValidationError as error:
        faults = field_errors(error)
        raise InvalidInputError(
            f"This is no {kind.__name__}. Correct these fields:\n{describe(faults)}",
            errors=faults,
        ) from error
