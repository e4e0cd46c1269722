"""Adaptive polling on simulated runs, without a clock."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from statistics import mean

import pytest

from edn360_chatkit._protocol.durations import (
    PART_OF_PAUSE,
    SHORTEST_PART,
    Durations,
    RunTiming,
)


def poll(
    seconds: float, durations: Durations | None, steps: Sequence[float] = ()
) -> tuple[int, float]:
    """How many polls a run takes, and how late the last one is; a 2 s loop by default."""
    if durations is None:
        polls = math.ceil(seconds / 2.0)
        return polls + 1, 2.0 * polls - seconds
    timing, polls, seen = RunTiming(durations, 0.0), 1, 0
    moment = timing.pause(0.0, 0.0)
    while moment < seconds:
        posted = sum(step <= moment for step in steps)
        timing.look(moment, moment, posted - seen)
        moment, polls, seen = moment + timing.pause(moment, moment), polls + 1, posted
    timing.look(moment, moment, len(steps) - seen)
    timing.learn()
    return polls, moment - seconds


def poll_batch(
    runs: int, seconds: float, starts: float, durations: Durations
) -> tuple[float, float]:
    """The mean polls and delay of runs that start so many a second, and follow each other."""
    polls, delays = 0, list[float]()
    # When to wake, and since when the run pauses.
    wakes = [(number / starts, number / starts, number) for number in range(runs)]
    timings = [RunTiming(durations, start) for start, _, _ in wakes]
    while wakes:
        moment, since, number = heapq.heappop(wakes)
        pause = timings[number].pause(moment, since)
        if pause > 1e-6:
            part = min(pause, max(pause * PART_OF_PAUSE, SHORTEST_PART))
            heapq.heappush(wakes, (moment + part, since, number))
            continue
        polls += 1
        timings[number].look(moment, moment, 0)
        delay = moment - number / starts - seconds
        if delay < 0:
            heapq.heappush(wakes, (moment, moment, number))
        else:
            timings[number].learn()
            delays.append(delay)
    return polls / runs, mean(delays)


def real_duration(chance: random.Random) -> float:
    """A log-normal duration: 95 % of the runs take between 60 and 205 s."""
    return chance.lognormvariate(math.log(111), 0.307)


def figures(
    draw: Callable[[random.Random], float],
    durations: Durations | None,
    runs: int = 1500,
    steps: Sequence[float] = (),
) -> tuple[float, float]:
    """The mean number of polls and the mean delay; ``steps`` are parts of a run's duration."""
    chance, results = random.Random(11), list[tuple[int, float]]()
    for _ in range(runs):
        seconds = draw(chance)
        results.append(poll(seconds, durations, [seconds * part for part in steps]))
    return mean(polls for polls, _ in results), mean(delay for _, delay in results)


@cache
def loop_figures() -> tuple[float, float]:
    return figures(real_duration, None)


def test_adaptive_polling_needs_third_of_polls() -> None:
    loop_polls, loop_delay = loop_figures()
    polls, delay = figures(real_duration, Durations())
    assert polls < loop_polls / 2.95
    # So few polls allow no shorter delay: decision 18 has the bound, a product of 30.
    assert delay < 1.8 * loop_delay
    assert polls * delay < 34


def test_steps_reduce_delay_to_that_of_loop() -> None:
    loop_polls, loop_delay = loop_figures()
    polls, delay = figures(real_duration, Durations(), steps=(0.25, 0.5, 0.75))
    assert polls < loop_polls / 3
    assert delay < loop_delay


@pytest.mark.parametrize(("seconds", "most_polls"), [(1.0, 4), (20.0, 8), (600.0, 110)])
def test_other_durations_are_learned(seconds: float, most_polls: int) -> None:
    def draw(chance: random.Random) -> float:
        return seconds * chance.uniform(0.9, 1.1)

    durations = Durations()
    figures(draw, durations, runs=30)
    polls, delay = figures(draw, durations, runs=200)
    assert polls <= most_polls
    assert delay <= max(2.0, 0.1 * seconds)


@pytest.mark.parametrize(("runs", "seconds", "most"), [(1000, 60.0, 6.0), (200, 20.0, 3.0)])
def test_runs_of_batch_share_their_durations(runs: int, seconds: float, most: float) -> None:
    """Those that start together are polled at different times, and none again and again."""
    polls, delay = poll_batch(runs, seconds, 200.0, Durations())
    assert polls < most
    assert delay < seconds / 8


def test_first_runs_of_seconds_are_not_late() -> None:
    _, delay = poll(1.5, Durations())
    assert delay < 5.0


def test_first_poll_of_first_runs_is_immediate() -> None:
    durations = Durations()
    assert RunTiming(durations, 0.0).pause(0.0, 0.0) == 0.0
    figures(real_duration, durations, runs=30)
    assert RunTiming(durations, 0.0).pause(0.0, 0.0) > 2.0


def test_pauses_have_bounds() -> None:
    timing = RunTiming(Durations(), 0.0)
    for moment in (0.0, 0.1, 50.0, 120.0, 1_000.0, 5_000.0, 1e9):
        timing.look(moment, moment, 0)
        assert 0.5 <= timing.pause(moment, moment) <= 60.0
    assert timing.pause(1e9, 1e9) == 60.0  # a run that was begun long ago is not asked for often
