"""Adaptive polling: few polls while an answer is unlikely, close ones where it is likely.

h(t) is the chance that an answer arrives at the second t if it has not arrived before. A number of
polls finds answers earliest if they are as dense as the square root of h(t): see decision 18.
A step of the workflow (a message before the answer) makes the time of the answer more certain.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

USUAL_SECONDS = 111.0
"""The middle of real runs: they took 60 to 205 s."""
USUAL_SPREAD = 0.4
"""The standard deviation of their logarithm: between 60 and 205 s lie six of seven."""
LEAST_SPREAD = 0.02
ENOUGH = 5
"""How many runs with a step must be seen before the time of the step predicts the answer."""
USUAL_WEIGHT = 4
"""As many runs as the two numbers above count for, beside those that were seen."""
SECONDS_PER_POLL = 6.1
"""An average run gets one poll for so many seconds: a third of those of a fixed 2 s loop."""
FIRST_SECONDS_PER_POLL = 5.2
"""The same before any run was seen."""
ADAPTIVE_ATTEMPTS = 400
"""How many polls a run gets by default: enough for twice as long as other runs took, or longer."""
USUAL_INTERVAL = 3.0
"""The pause between two polls that stands for all of them, in seconds."""
SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
MOST_STEPS = 20
"""How many steps of a run are used."""
MOST_SEEN = 500
"""How many runs are remembered: the newest ones."""

# The moments at which the rate is computed, in seconds; each is 2.5 % after the one before.
_MOMENTS = tuple(0.25 * 1.025**step for step in range(400))


class _Plan(NamedTuple):
    """Where the polls lie: one after each ``step`` of a measure that grows with the time.

    ``measure`` has its values at ``_MOMENTS``; ``seen`` is the number of runs behind it.
    """

    measure: tuple[float, ...]
    step: float
    seen: int

    def next(self, moment: float, step: float) -> float:
        """When the measure has grown by a step since a moment."""
        return _between(self.measure, _MOMENTS, _between(_MOMENTS, self.measure, moment) + step)


def _between(xs: tuple[float, ...], ys: tuple[float, ...], x: float) -> float:
    """The value at ``x`` of the line through these points; past its end, the last value."""
    place = bisect_left(xs, x)
    if place == 0 or place == len(xs):
        return ys[min(place, len(ys) - 1)]
    part = (x - xs[place - 1]) / (xs[place] - xs[place - 1])
    return ys[place - 1] + part * (ys[place] - ys[place - 1])


class _Stage:
    """How long runs took, as multiples of the time of one of their steps, or in seconds.

    ``weight`` is how many runs the usual durations count for.
    """

    def __init__(self, weight: int) -> None:
        self._weight = weight
        self._logarithms: deque[float] = deque(maxlen=MOST_SEEN)
        self.count = 0
        self._plan: _Plan | None = None

    def learn(self, value: float) -> None:
        """Note a run."""
        self._logarithms.append(math.log(max(value, _MOMENTS[0])))
        self.count += 1

    def plan(self) -> _Plan:
        """The polls for what is known now."""
        plan = self._plan
        if plan is None or self.count > plan.seen * 1.1:
            plan = self._plan = _make_plan(tuple(self._logarithms), self._weight, self.count)
        return plan


class Durations:
    """How long runs took, and when to poll for that reason. Threads share it without a lock.

    It starts with the durations of real runs, and learns those that it sees.
    """

    def __init__(self) -> None:
        # By the number of the steps that were seen.
        self._stages: defaultdict[int, _Stage] = defaultdict(lambda: _Stage(0))
        self._stages[0] = _Stage(USUAL_WEIGHT)
        self._factor = 1.0

    def learn(self, seconds: float, steps: Sequence[float] = (), polls: int | None = None) -> None:
        """Note how long a run took, when its steps were posted, and how many polls it had."""
        self._stages[0].learn(seconds)
        if polls is not None:
            # Steps save polls, which are better spent on a shorter delay.
            excess = (polls * SECONDS_PER_POLL - seconds) / USUAL_SECONDS
            self._factor = min(max(self._factor + 0.02 * excess, 0.6), 1.1)
        for number, moment in enumerate(steps, start=1):
            self._stages[number].learn(seconds / max(moment, _MOMENTS[0]))

    def pause(self, spent: float, steps: Sequence[float] = ()) -> float:
        """The seconds to the next poll.

        Args:
            spent: How long the run has taken, in seconds.
            steps: When its steps were posted, in seconds after its start.
        """
        plan = self._stages[0].plan()
        step, unit, stage = plan.step * self._factor, 1.0, self._stages[len(steps)]
        if steps and stage.count >= ENOUGH:
            unit = max(steps[-1], _MOMENTS[0])
            # The rate of answers is one for each unit of time.
            plan, step = stage.plan(), step / math.sqrt(unit)
        moment = plan.next(spent / unit, step) * unit
        return min(max(moment - spent, SHORTEST_PAUSE), LONGEST_PAUSE)


@dataclass(slots=True)
class RunTiming:
    """When a run was looked at, and when its steps were posted. ``start`` is its start."""

    durations: Durations
    start: float
    _looked: float = 0.0
    _middle: float = 0.0
    _steps: list[float] = field(default_factory=list[float])

    def look(self, moment: float, new_steps: int) -> None:
        """Note a look that found so many new steps."""
        spent = moment - self.start
        # Something new was posted between two looks.
        self._looked, self._middle = spent, (self._looked + spent) / 2
        self._steps += [self._middle] * min(new_steps, MOST_STEPS - len(self._steps))

    def pause(self, moment: float) -> float:
        """The seconds to the next poll."""
        return self.durations.pause(moment - self.start, self._steps)

    def learn(self, polls: int) -> None:
        """Note that the last look found the answer."""
        self.durations.learn(self._middle, self._steps, polls)


def _make_plan(logarithms: tuple[float, ...], usual_weight: int, count: int) -> _Plan:
    weight = usual_weight + len(logarithms)
    usual = math.log(USUAL_SECONDS)
    middle = (usual_weight * usual + sum(logarithms)) / weight
    squares = usual_weight * (USUAL_SPREAD**2 + (usual - middle) ** 2)
    squares += sum((logarithm - middle) ** 2 for logarithm in logarithms)
    spread = max(math.sqrt(squares / weight), LEAST_SPREAD)
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
    return _Plan(tuple(measure), interval * rooted / average, count)
