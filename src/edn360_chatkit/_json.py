"""JSON as models and servers write it, which is not always JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic_core import from_json

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


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
    return _HALF_CHARACTER.sub("\ufffd", text)
