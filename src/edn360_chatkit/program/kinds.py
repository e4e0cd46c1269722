"""The types of a program's fields. Each reads a value of any type and never fails.

The result is the typed value or ``None``, since a wrong number is worse than none: ``"4 semanas"``
are 4 weeks; ``4.5``, ``"3-4"`` and ``"1 mes"`` are ``None``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias, cast

from pydantic import BeforeValidator, StrictFloat, StrictInt, StrictStr


def _whole(unit: str = "") -> BeforeValidator:
    """A whole number; a text may have one of these units behind it."""
    pattern = rf"(?i)\s*([0-9]{{1,9}})(?:[.,]00?)?\s*(?:{unit})?\s*\.?\s*"

    def read(value: Any) -> int | None:
        if isinstance(value, str) and len(value) < 60 and (match := re.fullmatch(pattern, value)):
            return int(match[1])
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    return BeforeValidator(read)


def _number_or_text(value: Any) -> Any:
    return value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    """A text; a number as text, since ids and names are numbers sometimes."""
    value = _number_or_text(value)
    if value is None:
        return None
    try:
        return f"{value:.12g}" if isinstance(value, float) else str(value)
    except ValueError:
        return None  # a number of thousands of digits, which Python does not write out


def _texts(value: Any) -> list[str] | None:
    """A list of texts; a text is a list of one."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    texts = [text for item in items if (text := _text(item)) is not None]
    return texts if texts or items is value else None


def _notes(value: Any) -> Any:
    return None if isinstance(value, (bool, int, float)) else value


Order: TypeAlias = Annotated[StrictInt | None, _whole()]
Weeks: TypeAlias = Annotated[StrictInt | None, _whole("semanas?|sem|weeks?")]
Minutes: TypeAlias = Annotated[StrictInt | None, _whole("min|mins|minutos?|minutes?|'")]
DaysPerWeek: TypeAlias = Annotated[
    StrictInt | None,
    _whole(
        r"(?:d[ií]as?|days?|veces|times|sesiones|sessions)"
        r"(?:\s+(?:por|a la|per|a|each)\s+(?:semana|week))?"
    ),
]
Text: TypeAlias = Annotated[StrictStr | None, BeforeValidator(_text)]
Texts: TypeAlias = Annotated[list[StrictStr] | None, BeforeValidator(_texts)]
Key: TypeAlias = StrictStr | Order
NumberOrText: TypeAlias = Annotated[
    StrictInt | StrictFloat | StrictStr | None, BeforeValidator(_number_or_text)
]
Notes: TypeAlias = Annotated[StrictStr | list[Any] | dict[str, Any] | None, BeforeValidator(_notes)]
"""Free notes: workflows write a text, a list or an object; the form is not documented."""

IfPresent: BeforeValidator = BeforeValidator(lambda value: [] if value is None else value)
"""For a list of objects that may be missing or null. Anything else than a list is invalid."""
