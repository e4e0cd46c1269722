"""Lenient JSON, as models and servers write it."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit._json import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\ud83d"}', {"a": "\ufffd"}),
        ('{"\ud83d": 1}', {"\ufffd": 1}),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
        (b'{"a": "\xed\xa0\xbd"}', {"a": "\ufffd"}),
        ('["\ud83d\n"]', ["\ufffd\n"]),
    ],
    ids=["in a value", "in a key", "escaped", "in bytes", "beside a line break"],
)
def test_half_character_is_replaced(text: str | bytes, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    "text", ["\ud83d", '{"a": \ud83d}', b"\xff", "", "[" * 100_000, "9" * 5000]
)
def test_invalid_json_raises_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text)
