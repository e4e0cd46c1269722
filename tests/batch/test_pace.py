"""The pace of a batch, without a clock."""

from __future__ import annotations

import pytest

from edn360_chatkit._effects import Emit, Now, Request, Response, Send, send
from edn360_chatkit.batch.pace import Pace, Pause, paced


def times(pace: Pace, count: int, moment: float = 0.0) -> list[float]:
    """The times of a number of requests that are ready at the same moment."""
    return [moment + pace.reserve(moment) for _ in range(count)]


def test_requests_are_evenly_spaced() -> None:
    assert times(Pace(rate=120), 4) == [0.0, 0.5, 1.0, 1.5]
    assert times(Pace(rate=None), 4) == [0.0] * 4


def test_unused_time_allows_no_burst() -> None:
    pace = Pace(rate=60)
    times(pace, 1)
    assert times(pace, 3, moment=100.0) == [100.0, 101.0, 102.0]


def test_429_stops_all_requests() -> None:
    pace = Pace(rate=None)
    times(pace, 10)
    pace.refused(start=0.0, moment=1.0, seconds=30.0)
    assert pace.is_frozen(30.9)
    assert not pace.is_frozen(31.0)
    assert times(pace, 1, moment=2.0) == [31.0]


@pytest.mark.parametrize(("retry_after", "pause"), [(0.0, 1.0), (5.0, 5.0), (1e6, 120.0)])
def test_pause_after_429_has_bounds(retry_after: float, pause: float) -> None:
    pace = Pace(rate=None)
    pace.refused(start=0.0, moment=1.0, seconds=retry_after)
    assert times(pace, 1, moment=1.0) == [1.0 + pause]


def test_concurrent_429s_count_once() -> None:
    pace = Pace(rate=600)
    times(pace, 101)
    for _ in range(5):
        pace.refused(start=9.9, moment=10.0, seconds=1.0)
    first, second, *_ = times(pace, 50, moment=11.0)
    assert second - first == pytest.approx(0.2, rel=0.05)
    pace.refused(start=20.0, moment=21.0, seconds=1.0)
    first, second = times(pace, 2, moment=30.0)
    assert second - first > 0.35


def test_pace_recovers_step_by_step() -> None:
    pace = Pace(rate=600)
    times(pace, 100)
    pace.refused(start=0.0, moment=10.0, seconds=1.0)
    gaps: list[float] = []
    moment = 20.0
    for _ in range(300):
        pace.succeeded()
        first, second = times(pace, 2, moment)
        gaps.append(round(second - first, 9))
        moment = second + 1.0
    assert gaps[0] == pytest.approx(0.2, rel=0.05)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[40] > 0.1
    assert gaps[-1] == pytest.approx(0.1)


def test_pace_without_rate_recovers_completely() -> None:
    pace = Pace(rate=None)
    times(pace, 100)
    pace.refused(start=0.0, moment=10.0, seconds=1.0)
    for _ in range(200):
        pace.succeeded()
    assert times(pace, 3, moment=20.0) == [20.0] * 3


def test_429_delays_waiting_request() -> None:
    pace = Pace(rate=60)
    times(pace, 1)
    operation = paced(send(Request("GET", "https://example.com")), pace, lambda event: None)
    moment = 0.0

    def next_effect(reply: object = None) -> object:
        """The next effect that does not read the clock."""
        effect: object = operation.send(reply)
        while isinstance(effect, Now):
            effect = operation.send(moment)
        return effect

    assert seconds_of(next_effect()) == 1.0
    moment = 1.0
    pace.refused(start=0.0, moment=0.9, seconds=10.0)
    assert seconds_of(next_effect()) >= 9.9
    moment = 30.0
    assert isinstance(next_effect(), Send)
    with pytest.raises(StopIteration):
        next_effect(Response(200))


def seconds_of(effect: object) -> float:
    """The length of a pause."""
    assert isinstance(effect, Emit)
    assert isinstance(effect.event, Pause)
    return effect.event.seconds
