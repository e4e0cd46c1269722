"""Adaptive polling: few polls while an answer is unlikely, close ones where it is likely.

h(t) is the chance that an answer arrives at the second t if it has not arrived before. A number of
polls finds answers earliest if they are as dense as the square root of h(t): see decision 18.
Each poll of a client says for its piece of time whether an answer arrived in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import accumulate, pairwise

USUAL_SECONDS = 111.0
"""The middle of real runs: they took 60 to 205 s."""
USUAL_SPREAD = 0.4
"""The standard deviation of their logarithm: between 60 and 205 s lie six of seven."""
USUAL_WEIGHT = 8.0
"""As many runs as the two numbers above count for, beside those that were seen."""
OTHERS = 0.1
"""The part of these runs that take any other time; half of them answer at once."""
ENOUGH = 5
"""How many runs with a step must be seen before the time of the step predicts the answer."""
STEP = 0.425
"""The distance of two polls, as the integral of √h. A poll is worth STEP² / 2 seconds of delay."""
AT_ONCE = 0.02
"""The first poll comes at once if the chance that the answer is there is as high as this."""
ADAPTIVE_ATTEMPTS = 400
"""How many polls a run gets by default: enough for twice as long as other runs took, or longer."""
USUAL_INTERVAL = 3.0
"""The pause between two polls that stands for all of them, in seconds."""
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
PART_OF_PAUSE = 1 / 3
"""After this part of a pause it is computed again: other runs may have answered."""
SHORTEST_PART = 1.0
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
MOST_STEPS = 20
"""How many steps of a run are used."""
MOST_SEEN = 500
"""After so many runs, those that were seen count for half as much."""

# The starts of pieces of time, in seconds, and the end of the last one, after an hour. Each is
# 2.5 % later than the one before.
_STARTS = [0.0, *(0.25 * 1.025**number for number in range(390))]
_WIDTHS = [end - start for start, end in pairwise(_STARTS)]


class Clock:
    """The rate of answers in each piece of time, counted from the start of a run or from a step.

    Threads share it without a lock: a count that is lost does no harm.

    Args:
        weight: As many runs are assumed to begin with.
        others: The part of them that takes any time, and not the usual one.
    """

    def __init__(self, weight: float, others: float) -> None:
        remaining = [
            weight * _part_that_remains(piece, others) for piece in range(len(_WIDTHS) + 1)
        ]
        pairs = list(pairwise(remaining))
        # How many answers came, and how many seconds runs were without one.
        self._assumed = [first - last for first, last in pairs]
        self._assumed_seconds = [
            (first + last) / 2 * width for (first, last), width in zip(pairs, _WIDTHS, strict=True)
        ]
        self._answers, self._seconds = list(self._assumed), list(self._assumed_seconds)
        self.count = self._notes = 0
        # The integral of the rate's root at each of the starts, and what it is made of.
        self._integral: list[float] = []
        self._known = 0, 0

    def wait(self, start: float, end: float) -> None:
        """Note a run that had no answer from one moment to another."""
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
        for piece in range(bisect_right(_STARTS, start) - 1, last):
            seconds = min(end, _STARTS[piece + 1]) - max(start, _STARTS[piece])
            # An answer is awaited for half of the time in which it came.
            self._seconds[piece] += seconds * (1 - answers / 2)
            self._answers[piece] += answers * seconds / (end - start)

    def chance_at_once(self) -> float:
        """The part of the runs that answer at once."""
        return self._answers[0] / self._seconds[0] * _WIDTHS[0]

    def next(self, moment: float, step: float) -> float:
        """When the integral of the rate's root has grown by a step since a moment."""
        count, notes = self._known
        if not self._integral or self.count > count * 1.02 or self._notes > notes * 1.02:
            self._known = self.count, self._notes
            counts = zip(self._answers, self._seconds, _WIDTHS, strict=True)
            growth = (math.sqrt(answers / seconds) * width for answers, seconds, width in counts)
            self._integral = list(accumulate(growth, initial=0.0))
        target = _between(_STARTS, self._integral, moment) + step
        # After an hour nothing is known.
        return (
            math.inf if target >= self._integral[-1] else _between(self._integral, _STARTS, target)
        )


def _between(xs: list[float], ys: list[float], x: float) -> float:
    """The value at ``x`` of the line through these points; past its end, the last value."""
    place = bisect_left(xs, x)
    if place == 0 or place == len(xs):
        return ys[min(place, len(ys) - 1)]
    part = (x - xs[place - 1]) / (xs[place] - xs[place - 1])
    return ys[place - 1] + part * (ys[place] - ys[place - 1])


def _part_that_remains(piece: int, others: float) -> float:
    """The part of the runs that is assumed to have no answer at the start of a piece of time."""
    if piece == 0:
        return 1.0
    deviation = math.log(_STARTS[piece] / USUAL_SECONDS) / USUAL_SPREAD
    usual = math.erfc(deviation / math.sqrt(2)) / 2
    return (1 - others) * usual + others * (1 - piece / len(_STARTS)) / 2


def _fade(counts: list[float], assumed: list[float]) -> list[float]:
    return [(count + least) / 2 for count, least in zip(counts, assumed, strict=True)]


class Durations:
    """How long the runs of a client take, by clocks that all of its runs share.

    The first clock counts from a run's start and knows real runs; the others count in multiples of
    the time of the run's first, second, … step.
    """

    def __init__(self) -> None:
        self.clocks: defaultdict[int, Clock] = defaultdict(lambda: Clock(1.0, others=1.0))
        self.clocks[0] = Clock(USUAL_WEIGHT, OTHERS)
        self._runs = 0

    def learn(self, seconds: float) -> None:
        """Note how long a run of another process took.

        It teaches nothing of the first poll: those of this process show, too, whether the server
        lists the users' messages, and so whether a message in doubt may be sent.
        """
        self.clocks[0].wait(_STARTS[1], seconds)
        self.clocks[0].answer(seconds, seconds)

    def first_step(self) -> float:
        """The first step of a new run: runs that start together are polled at different times."""
        self._runs += 1
        return STEP * (self._runs * GOLDEN_RATIO % 1)


class RunTiming:
    """When a run was looked at, and when its steps were posted.

    Args:
        durations: What is known of other runs.
        start: When the run was started, on the monotonic clock.
        is_new: Whether it is followed from its start. Another run teaches nothing.
    """

    def __init__(self, durations: Durations, start: float, *, is_new: bool = True) -> None:
        self._clocks = durations.clocks
        self._start = start
        self._is_new = is_new
        self._step = durations.first_step()
        self._has_looked = self._has_paused = False
        # The times of the last two looks, and of each step; the first clock counts in seconds.
        self._before = self._looked = self._end = 0.0
        self._units = [1.0]

    def look(self, begin: float, end: float, new_steps: int) -> None:
        """Note a look that found so many new steps; its request took from ``begin`` to ``end``."""
        self._before, self._looked, self._end = self._looked, begin - self._start, end - self._start
        self._has_looked = True
        if self._has_paused:
            self._step = STEP
        # Something new was posted between two looks.
        middle = max((self._before + self._looked) / 2, _STARTS[1])
        self._units += [middle] * min(new_steps, MOST_STEPS + 1 - len(self._units))

    def pause(self, moment: float, since: float) -> float:
        """The seconds to the next poll, which change with the answers of other runs.

        The last look, after which the pause began at ``since``, has found no answer.
        """
        if self._is_new:
            for number, unit in enumerate(self._units):
                self._clocks[number].wait(self._before / unit, self._looked / unit)
            self._before = self._looked
            if not self._has_looked and self._clocks[0].chance_at_once() > AT_ONCE:
                return 0.0
        self._has_paused = True
        numbers = range(1, len(self._units))
        number = max((n for n in numbers if self._clocks[n].count >= ENOUGH), default=0)
        unit, begin = self._units[number], since - self._start
        # The rate of answers is one for each unit of time.
        end = self._clocks[number].next(begin / unit, self._step / math.sqrt(unit)) * unit
        return since + min(max(end - begin, SHORTEST_PAUSE), LONGEST_PAUSE) - moment

    def learn(self) -> None:
        """Note that the last look found the answer."""
        if self._is_new:
            for number, unit in enumerate(self._units):
                self._clocks[number].answer(self._before / unit, self._end / unit)
