"""The inputs of a batch: an invalid input becomes a result, and ends no other run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edn360_chatkit import InvalidInputError
from edn360_chatkit.batch.core import read_item
from edn360_chatkit.testing import ChatKitSimulator

from .samples import athlete, athletes, keys, run_in_asyncio


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


class BothKinds(Iterator[Any]):
    """An iterator for both loops. In an event loop, its sync side must not be used."""

    def __init__(self) -> None:
        self._values = athletes(2)

    def __next__(self) -> Any:
        raise AssertionError

    def __aiter__(self) -> BothKinds:
        return self

    async def __anext__(self) -> Any:
        for value in self._values:
            return value
        raise StopAsyncIteration


def test_async_batch_reads_async_side_of_inputs(sim: ChatKitSimulator) -> None:
    assert sorted(keys(run_in_asyncio(sim, BothKinds()))) == ["athlete-0", "athlete-1"]
