"""Adaptive polling: few polls while an answer is unlikely, close ones where it is likely.

Polls cost most where no answer can be. With the rate of answers at a moment, h(t), the delay of the
answer is least for a number of polls if their rate follows the square root of h(t). Decision 18
derives it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

USUAL_SECONDS = 111.0
"""The middle of real runs: they took 60 to 205 s."""
USUAL_SPREAD = 0.4
"""The standard deviation of their logarithm: between 60 and 205 s lie six of seven."""
USUAL_WEIGHT = 4
"""As many runs as the two numbers above count for, beside those that were seen."""
SECONDS_PER_POLL = 6.6
"""An average run gets one poll for so many seconds: a third of those of a fixed 2 s loop."""
FIRST_SECONDS_PER_POLL = 5.2
"""The same before any run was seen."""
ADAPTIVE_ATTEMPTS = 200
"""How many polls a run gets by default: enough for some 20 minutes."""
USUAL_INTERVAL = 3.0
"""The pause between two polls of a run that takes longer than most, in seconds."""
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
MOST_SEEN = 500
"""How many runs are remembered: the newest ones."""

# The moments at which the rate is computed, in seconds; each is 2.5 % after the one before.
_MOMENTS = tuple(0.25 * 1.025**step for step in range(400))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the polls lie: one at each whole number of a measure that grows with the time.

    ``measure`` has its values at ``_MOMENTS``; ``seen`` is the number of runs behind it.
    """

    measure: tuple[float, ...]
    seen: int

    def pause(self, spent: float) -> float:
        position = _between(_MOMENTS, self.measure, spent) + 1.0
        moment = _between(self.measure, _MOMENTS, position)
        return min(max(moment - spent, SHORTEST_PAUSE), LONGEST_PAUSE)


def _between(xs: tuple[float, ...], ys: tuple[float, ...], x: float) -> float:
    """The value at ``x`` of the line through these points; past its end, the last value."""
    place = bisect_left(xs, x)
    if place == 0 or place == len(xs):
        return ys[min(place, len(ys) - 1)]
    part = (x - xs[place - 1]) / (xs[place] - xs[place - 1])
    return ys[place - 1] + part * (ys[place] - ys[place - 1])


class Durations:
    """How long runs took, and when to poll for that reason. Threads share it without a lock.

    It starts with the durations of real runs, and learns those that it sees.
    """

    def __init__(self) -> None:
        self._logarithms: deque[float] = deque(maxlen=MOST_SEEN)
        self._count = 0
        self._plan: _Plan | None = None

    def learn(self, seconds: float) -> None:
        """Note how long a run took."""
        self._logarithms.append(math.log(max(seconds, _MOMENTS[0])))
        self._count += 1

    def pause(self, spent: float) -> float:
        """The seconds to the next poll, so many seconds after the start of the run."""
        plan = self._plan
        if plan is None or self._count > plan.seen * 1.1:
            plan = self._plan = _make_plan(tuple(self._logarithms), self._count)
        return plan.pause(spent)


def _make_plan(logarithms: tuple[float, ...], count: int) -> _Plan:
    weight = USUAL_WEIGHT + len(logarithms)
    usual = math.log(USUAL_SECONDS)
    middle = (USUAL_WEIGHT * usual + sum(logarithms)) / weight
    squares = USUAL_WEIGHT * (USUAL_SPREAD**2 + (usual - middle) ** 2)
    squares += sum((logarithm - middle) ** 2 for logarithm in logarithms)
    spread = math.sqrt(squares / weight)
    # The part of what is not known yet, which shrinks with the number of runs.
    unknown = 10 / (len(logarithms) + 10)
    # Any other duration is possible, too.
    others = unknown / 10
    width = math.log(_MOMENTS[-1] / _MOMENTS[0])

    def remaining(moment: float) -> float:
        """The part of the runs that take longer."""
        logarithm = math.log(moment)
        fitted = math.erfc((logarithm - middle) / spread / math.sqrt(2)) / 2
        return (1 - others) * fitted + others * (math.log(_MOMENTS[-1]) - logarithm) / width

    remains = [remaining(moment) for moment in _MOMENTS]
    measure, rooted, average = [0.0], 0.0, 0.0
    for place in range(1, len(_MOMENTS)):
        seconds = _MOMENTS[place] - _MOMENTS[place - 1]
        ended = remains[place - 1] - remains[place]
        root = math.sqrt(ended / seconds / ((remains[place - 1] + remains[place]) / 2))
        measure.append(measure[-1] + root * seconds)
        rooted += ended / root
        average += ended * _MOMENTS[place]
    interval = unknown * FIRST_SECONDS_PER_POLL + (1 - unknown) * SECONDS_PER_POLL
    unit = interval * rooted / average
    return _Plan(tuple(value / unit for value in measure), count)
