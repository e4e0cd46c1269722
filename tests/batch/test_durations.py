"""Adaptive polling on simulated runs, without a clock."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from functools import cache
from statistics import mean

import pytest

from edn360_chatkit._protocol.durations import Durations, RunTiming


def poll(
    seconds: float, durations: Durations | None, steps: Sequence[float] = ()
) -> tuple[int, float]:
    """The number of polls of a run, and the delay of the last; by default with a 2 s loop."""
    moment, polls, known_steps = 0.0, 1, 0
    timing = None if durations is None else RunTiming(durations, 0.0)
    while moment < seconds:
        if timing is not None:
            posted = sum(step <= moment for step in steps)
            timing.look(moment, posted - known_steps)
            known_steps = posted
        moment += 2.0 if timing is None else timing.pause(moment)
        polls += 1
    if timing is not None:
        timing.look(moment, len(steps) - known_steps)
        timing.learn(polls)
    return polls, moment - seconds


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
    assert polls * delay < 36


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


def test_short_first_runs_are_not_late() -> None:
    _, delay = poll(1.5, Durations())
    assert delay < 5.0


def test_pauses_have_lower_and_upper_bounds() -> None:
    durations = Durations()
    for moment in (0.0, 0.1, 50.0, 120.0, 1_000.0, 5_000.0, 1e9):
        assert 0.5 <= durations.pause(moment) <= 60.0
