"""JSON as models and servers write it, which is not always JSON."""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from pydantic_core import from_json

_HALF_CHARACTER = "[\ud800-\udfff]"


def parse(text: str | bytes) -> Any:
    """The value that a text is.

    Models write line breaks and half characters (lone surrogates) into strings. The first stay;
    the second, which no UTF-8 text can hold, become U+FFFD, so that what is around them is saved.

    Raises:
        ValueError: It is no JSON, or it is nested deeper than anything sensible.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError):
        # A TypeError is what a str with a half character in it raises here.
        pass
    try:
        lenient = json.dumps(json.loads(text, strict=False), ensure_ascii=False)
        return from_json(whole_characters(lenient))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def whole_characters(text: str) -> str:
    """The text with U+FFFD for each half character."""
    return re.sub(_HALF_CHARACTER, "\ufffd", text)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value of parsed JSON is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value of parsed JSON is a list."""
    return isinstance(value, list)


def as_object(value: object) -> dict[str, Any]:
    """The value, if it is a JSON object; else an empty one."""
    return value if is_object(value) else {}


def as_list(value: object) -> list[Any]:
    """The value, if it is a JSON list; else an empty one."""
    return value if is_list(value) else []


def as_text(value: object) -> str | None:
    """The value, if it is a text that is not empty."""
    return value if isinstance(value, str) and value else None
