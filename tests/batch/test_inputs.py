"""The inputs of a batch: an invalid input becomes a result, and ends no other run."""

from __future__ import annotations

import pytest

from edn360_chatkit import InvalidInputError
from edn360_chatkit.batch.core import read_item

from .samples import athlete


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("text", "A text has no key. Pass a (key, input) pair"),
        ((1, 2, 3), "too many values to unpack"),
        (("", athlete(0)), "key must be a string that is not empty. Pass"),
        ((7, athlete(0)), "key must be a string that is not empty. Pass"),
    ],
)
def test_input_without_key_is_refused(value: object, reason: str) -> None:
    item = read_item(value, 4)
    assert item.key == "input-4"
    with pytest.raises(InvalidInputError) as caught:
        item.prepared.check()
    assert str(caught.value).startswith(reason)


def test_pair_has_its_own_key() -> None:
    item = read_item(("my key", athlete(0)), 4)
    assert (item.key, item.prepared.user_id) == ("my key", "athlete-0")
    assert read_item(athlete(0), 4).key == "athlete-0"
