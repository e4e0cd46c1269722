"""The types of a program's fields: what a field may be, and how it is read.

A language model wrote the program, so a value may have any type. Each type here reads a value
of any kind and never fails: the result is the typed value, or ``None`` where the value says
something else. ``"4 semanas"`` are 4 weeks; ``4.5``, ``"3-4"`` and ``"1 mes"`` are ``None``, since
a wrong number is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, cast

from pydantic import BeforeValidator, StrictFloat, StrictInt, StrictStr

_DIGITS = r"\s*([0-9]{1,9})(?:[.,]0{1,2})?\s*"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(unit: str) -> Callable[[Any], int | None]:
    """A reader of whole numbers; a text may have one of these units behind the number."""
    pattern = re.compile(rf"{_DIGITS}(?:{unit})?\s*\.?\s*", re.IGNORECASE)

    def read(value: Any) -> int | None:
        if isinstance(value, str) and len(value) < 60 and (match := pattern.fullmatch(value)):
            return int(match[1])
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return read


def _text(value: Any) -> str | None:
    """A text; a number as text, since ids and names are numbers sometimes."""
    if isinstance(value, str):
        return value
    try:
        text = f"{value:.12g}" if isinstance(value, float) else str(value)
    except ValueError:
        return None  # a number of thousands of digits, which Python does not write out
    return text if _is_number(value) else None


def _texts(value: Any) -> list[str] | None:
    """A list of texts; a text is a list of one."""
    if isinstance(value, list):
        texts = map(_text, cast("list[object]", value))
        return [text for text in texts if text is not None]
    text = _text(value)
    return None if text is None else [text]


def _number_or_text(value: Any) -> float | str | None:
    return value if isinstance(value, str) or _is_number(value) else None


def _notes(value: Any) -> Any:
    return None if value is None or isinstance(value, (bool, int, float)) else value


def _key(value: Any) -> str | int | None:
    return value if isinstance(value, str) else _whole("")(value)


def _objects(value: Any) -> Any:
    return [] if value is None else value


Order: TypeAlias = Annotated[StrictInt | None, BeforeValidator(_whole(""))]
Weeks: TypeAlias = Annotated[StrictInt | None, BeforeValidator(_whole("semanas?|sem|weeks?"))]
Minutes: TypeAlias = Annotated[
    StrictInt | None, BeforeValidator(_whole("min|mins|minutos?|minutes?|'"))
]
DaysPerWeek: TypeAlias = Annotated[
    StrictInt | None,
    BeforeValidator(
        _whole(
            r"(?:d[ií]as?|days?|veces|times|sesiones|sessions)"
            r"(?:\s+(?:por|a la|per|a|each)\s+(?:semana|week))?"
        )
    ),
]
Text: TypeAlias = Annotated[StrictStr | None, BeforeValidator(_text)]
Texts: TypeAlias = Annotated[list[StrictStr] | None, BeforeValidator(_texts)]
Key: TypeAlias = Annotated[StrictStr | StrictInt | None, BeforeValidator(_key)]
NumberOrText: TypeAlias = Annotated[
    StrictInt | StrictFloat | StrictStr | None, BeforeValidator(_number_or_text)
]
Notes: TypeAlias = Annotated[StrictStr | list[Any] | dict[str, Any] | None, BeforeValidator(_notes)]
"""Free notes: workflows write a text, a list or an object; the form is not documented."""

IfPresent: BeforeValidator = BeforeValidator(_objects)
"""For a list of objects that may be missing or null. Anything else than a list is invalid."""
