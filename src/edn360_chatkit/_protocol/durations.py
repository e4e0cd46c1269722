"""Adaptive polling: few polls while an answer is unlikely, many polls while it is likely.

h(t) is the rate of answers at the second t, among runs without an answer so far. A given number of
polls finds answers earliest if their density follows the square root of h(t): see decision 18.
Each poll shows for an interval of time whether an answer arrived in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import accumulate, pairwise

USUAL_SECONDS = 111.0
"""The median of real runs: they took 60 to 205 s."""
USUAL_SPREAD = 0.4
"""The standard deviation of their logarithm: six of seven runs take 60 to 205 s."""
USUAL_WEIGHT = 8.0
"""The weight of the two numbers above, as a number of measured runs."""
OTHERS = 0.1
"""The share of these runs with any other time; half of them answer at once."""
ENOUGH = 5
"""After so many runs with a step, the time of the step predicts the answer."""
STEP = 0.425
"""The distance of two polls, as the integral of √h. A poll is worth STEP² / 2 s of delay."""
AT_ONCE = 0.02
"""The first poll comes at once if the chance of an answer then is higher than this."""
ADAPTIVE_ATTEMPTS = 400
"""The default number of polls: enough for twice as long as other runs took, or longer."""
USUAL_INTERVAL = 3.0
"""The typical pause between two polls, in seconds."""
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
PART_OF_PAUSE = 1 / 3
"""After this part of a pause, the rest is computed again: other runs may have answered."""
SHORTEST_PART = 1.0
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
MOST_STEPS = 20
"""The number of a run's steps that predict its answer."""
MOST_SEEN = 500
"""After so many runs, the weight of earlier runs is halved."""

# The limits of intervals of time, in seconds, up to an hour. Each is 2.5 % longer than the last.
_STARTS = [0.0, *(0.25 * 1.025**number for number in range(390))]
_WIDTHS = [end - start for start, end in pairwise(_STARTS)]


class AnswerRate:
    """The rate of answers in each interval of time since the start of a run, or since a step.

    Threads share it without a lock: a lost count does no harm.

    Args:
        weight: The number of assumed runs at the beginning.
        others: The share of them that take any time, and not the usual time.
    """

    def __init__(self, weight: float, others: float) -> None:
        remaining = [
            weight * _part_that_remains(interval, others) for interval in range(len(_WIDTHS) + 1)
        ]
        pairs = list(pairwise(remaining))
        # The number of answers, and the seconds that runs had no answer.
        self._assumed = [first - last for first, last in pairs]
        self._assumed_seconds = [
            (first + last) / 2 * width for (first, last), width in zip(pairs, _WIDTHS, strict=True)
        ]
        self._answers, self._seconds = list(self._assumed), list(self._assumed_seconds)
        self.count = self._notes = 0
        # The integral of the rate's root at each limit, and the counts when it was computed.
        self._integral: list[float] = []
        self._counts = 0, 0

    def wait(self, start: float, end: float) -> None:
        """Note that a run had no answer between two moments."""
        if end > start:
            self._learn(start, end, answers=0.0)

    def answer(self, start: float, end: float) -> None:
        """Note an answer that came between two moments."""
        self._learn(start, max(end, start + 0.001), answers=1.0)
        self.count += 1
        if self.count % MOST_SEEN == 0:
            self._answers = _fade(self._answers, self._assumed)
            self._seconds = _fade(self._seconds, self._assumed_seconds)

    def _learn(self, start: float, end: float, answers: float) -> None:
        self._notes += 1
        last = min(bisect_left(_STARTS, end), len(_WIDTHS))
        for interval in range(bisect_right(_STARTS, start) - 1, last):
            seconds = min(end, _STARTS[interval + 1]) - max(start, _STARTS[interval])
            # On average, an answer arrives in the middle of its interval.
            self._seconds[interval] += seconds * (1 - answers / 2)
            self._answers[interval] += answers * seconds / (end - start)

    def chance_at_once(self) -> float:
        """The share of the runs that answer at once."""
        return self._answers[0] / self._seconds[0] * _WIDTHS[0]

    def next(self, moment: float, step: float) -> float:
        """The moment when the integral of the rate's root has grown by a step."""
        count, notes = self._counts
        if not self._integral or self.count > count * 1.02 or self._notes > notes * 1.02:
            self._counts = self.count, self._notes
            counts = zip(self._answers, self._seconds, _WIDTHS, strict=True)
            growth = (math.sqrt(answers / seconds) * width for answers, seconds, width in counts)
            self._integral = list(accumulate(growth, initial=0.0))
        target = _between(_STARTS, self._integral, moment) + step
        if target >= self._integral[-1]:
            return math.inf  # the counts end after an hour
        return _between(self._integral, _STARTS, target)


def _between(xs: list[float], ys: list[float], x: float) -> float:
    """The value at ``x`` of the line through these points; beyond an end, the value there."""
    place = bisect_left(xs, x)
    if place == 0 or place == len(xs):
        return ys[min(place, len(ys) - 1)]
    part = (x - xs[place - 1]) / (xs[place] - xs[place - 1])
    return ys[place - 1] + part * (ys[place] - ys[place - 1])


def _part_that_remains(interval: int, others: float) -> float:
    """The share of the assumed runs without an answer at the start of an interval of time."""
    if interval == 0:
        return 1.0
    deviation = math.log(_STARTS[interval] / USUAL_SECONDS) / USUAL_SPREAD
    usual = math.erfc(deviation / math.sqrt(2)) / 2
    return (1 - others) * usual + others * (1 - interval / len(_STARTS)) / 2


def _fade(counts: list[float], assumed: list[float]) -> list[float]:
    return [(count + least) / 2 for count, least in zip(counts, assumed, strict=True)]


class Durations:
    """The durations of a client's runs, as rates of answers that its runs share.

    Rate 0 counts seconds since a run's start, and assumes real runs. Rate ``n`` counts in
    multiples of the time of the run's step ``n``.
    """

    def __init__(self) -> None:
        self.rates: defaultdict[int, AnswerRate] = defaultdict(lambda: AnswerRate(1.0, others=1.0))
        self.rates[0] = AnswerRate(USUAL_WEIGHT, OTHERS)
        self._runs = 0

    def learn(self, seconds: float) -> None:
        """Note the duration of a run of another process.

        The first interval is left out, so that a first poll of this process comes at once. This
        poll shows whether the server lists user messages, and so if a message in doubt may be sent.
        """
        self.rates[0].wait(_STARTS[1], seconds)
        self.rates[0].answer(seconds, seconds)

    def first_step(self) -> float:
        """The first step of a new run: runs that start together are polled at different times."""
        self._runs += 1
        return STEP * (self._runs * GOLDEN_RATIO % 1)


class RunTiming:
    """The times of a run's polls and steps, and the pauses that follow from them.

    Args:
        durations: The durations of other runs.
        start: The start of the run, on the monotonic clock.
        is_new: Whether the run is polled from its start. If not, the rates learn nothing from it.
    """

    def __init__(self, durations: Durations, start: float, *, is_new: bool = True) -> None:
        self._rates = durations.rates
        self._start = start
        self._is_new = is_new
        self._step = durations.first_step()
        self._has_polled = self._has_paused = False
        # The times of the last two polls, and of each step; rate 0 counts in seconds.
        self._before = self._begin = self._end = 0.0
        self._units = [1.0]

    def note_poll(self, begin: float, end: float, new_steps: int) -> None:
        """Note a poll and its number of new steps; its request took from ``begin`` to ``end``."""
        self._before, self._begin, self._end = self._begin, begin - self._start, end - self._start
        self._has_polled = True
        if self._has_paused:
            self._step = STEP
        if self._is_new:
            # A new step was posted between two polls.
            middle = max((self._before + self._begin) / 2, _STARTS[1])
            self._units += [middle] * min(new_steps, MOST_STEPS + 1 - len(self._units))

    def pause(self, moment: float, since: float) -> float:
        """The seconds to the next poll, which change with the answers of other runs.

        The pause began at ``since``, after a poll that found no answer.
        """
        if self._is_new:
            for number, unit in enumerate(self._units):
                self._rates[number].wait(self._before / unit, self._begin / unit)
            self._before = self._begin
            if not self._has_polled and self._rates[0].chance_at_once() > AT_ONCE:
                return 0.0
        self._has_paused = True
        numbers = range(1, len(self._units))
        number = max((n for n in numbers if self._rates[n].count >= ENOUGH), default=0)
        unit, begin = self._units[number], since - self._start
        # The rate is per unit of time, so the step is scaled by the unit's root.
        end = self._rates[number].next(begin / unit, self._step / math.sqrt(unit)) * unit
        return since + min(max(end - begin, SHORTEST_PAUSE), LONGEST_PAUSE) - moment

    def learn(self) -> None:
        """Note that the last poll found the answer."""
        if self._is_new:
            for number, unit in enumerate(self._units):
                self._rates[number].answer(self._before / unit, self._end / unit)
