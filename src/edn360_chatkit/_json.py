"""Lenient JSON, as models and servers write it."""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from pydantic_core import from_json

_LONE_SURROGATE = "[\ud800-\udfff]"


def parse(text: str | bytes) -> Any:
    """Parse JSON, also with line breaks and lone surrogates in its strings.

    A lone surrogate becomes U+FFFD: no UTF-8 text can hold it.

    Raises:
        ValueError: The text is not JSON, or is nested too deep.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError):  # a TypeError for a lone surrogate
        pass
    try:
        lenient = json.dumps(json.loads(text, strict=False), ensure_ascii=False)
        return from_json(whole_characters(lenient))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def parse_or_none(text: str | bytes) -> Any:
    """Parse JSON; ``None`` for a text that is not JSON.

    The parser's exception is not kept: its frames hold the text.
    """
    try:
        return parse(text)
    except ValueError:
        return None


def whole_characters(text: str) -> str:
    """The text with U+FFFD for each lone surrogate."""
    return re.sub(_LONE_SURROGATE, "\ufffd", text)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value of parsed JSON is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value of parsed JSON is a list."""
    return isinstance(value, list)


def as_object(value: object) -> dict[str, Any]:
    """The value if it is a JSON object, or an empty object."""
    return value if is_object(value) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a JSON list, or an empty list."""
    return value if is_list(value) else []


def as_text(value: object) -> str | None:
    """The value if it is a text that is not empty, or ``None``."""
    return value if isinstance(value, str) and value else None
