"""CPU time of two calls, measured in turn: a busy machine slows both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple


class Pair(NamedTuple):
    """Median CPU seconds of two calls, and the median of their ratios."""

    first: float
    second: float
    ratio: float


def cpu_seconds(call: Callable[[], Any], calls: int) -> float:
    """The CPU time of one call, in seconds."""
    started = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - started) / calls


async def cpu_seconds_async(call: Callable[[], Awaitable[Any]], calls: int) -> float:
    """The CPU time of one awaited call, in seconds."""
    started = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - started) / calls


def compare(
    first: Callable[[], Any], second: Callable[[], Any], *, rounds: int, calls: int
) -> Pair:
    """Measure ``first`` and ``second`` in turn; the ratio is second / first."""
    return pair_of([(cpu_seconds(first, calls), cpu_seconds(second, calls)) for _ in range(rounds)])


async def compare_async(
    first: Callable[[], Awaitable[Any]],
    second: Callable[[], Awaitable[Any]],
    *,
    rounds: int,
    calls: int,
) -> Pair:
    """:func:`compare` for functions that are awaited."""
    return pair_of(
        [
            (await cpu_seconds_async(first, calls), await cpu_seconds_async(second, calls))
            for _ in range(rounds)
        ]
    )


def pair_of(pairs: list[tuple[float, float]]) -> Pair:
    """The medians."""
    ones, twos = zip(*pairs, strict=True)
    ratio = statistics.median(two / one for one, two in pairs)
    return Pair(statistics.median(ones), statistics.median(twos), ratio)
