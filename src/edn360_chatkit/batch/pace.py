"""The pace of a batch: the times at which the requests of its runs leave."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from .._effects import Effect, Emit, Emitting, Open, Response, Send, Sleep, now
from .._protocol.responses import parsed_retry_after
from .._protocol.retry import LONGEST_RETRY_AFTER

T = TypeVar("T")
E = TypeVar("E")

STEPS_BACK = 50
"""The number of successful requests that restore half of the speed which a 429 took away."""
SLOWEST = 0.1
"""The lowest speed after a 429, in requests per second."""
SHORTEST_FREEZE = 1.0
"""The pause of every request after a 429 without a ``retry-after``, in seconds."""


class Pace:
    """The times of a batch's requests. Threads share it; the caller reads the clock.

    Requests are evenly spaced. A 429 stops every request for its ``retry-after`` and halves the
    speed, and each success restores a part of the speed.

    Args:
        rate: The limit of requests per minute; ``None`` for no limit.
    """

    def __init__(self, rate: float | None) -> None:
        # Requests per second: the limit, now, and just after the last 429.
        self._limit = math.inf if rate is None else rate / 60
        self._speed = self._speed_after_429 = self._limit
        self._next = -math.inf
        self._frozen_until = -math.inf
        self._slowed_at = -math.inf
        self._recent: deque[float] = deque(maxlen=100)
        self._lock = threading.Lock()

    def reserve(self, moment: float) -> float:
        """Reserve the next free time for a request. Returns the seconds until then."""
        with self._lock:
            time = max(moment, self._next, self._frozen_until)
            self._next = time + 1 / self._speed
            self._recent.append(time)
            return time - moment

    def is_frozen(self, moment: float) -> bool:
        """Whether a 429 has stopped all requests."""
        return moment < self._frozen_until

    def succeeded(self) -> None:
        """Note a response without a 429."""
        if self._speed < self._limit:
            with self._lock:
                self._speed += self._speed_after_429 / STEPS_BACK
                if self._speed >= min(self._limit, 4 * self._speed_after_429):
                    self._speed = self._limit

    def refused(self, start: float, moment: float, seconds: float) -> None:
        """Note a 429 that asks for a pause. Its request left at ``start``."""
        with self._lock:
            pause = min(max(seconds, SHORTEST_FREEZE), LONGEST_RETRY_AFTER)
            self._frozen_until = max(self._frozen_until, moment + pause)
            self._next = max(self._next, self._frozen_until)
            # The 429s of requests that were in flight together count once.
            if start >= self._slowed_at:
                self._slowed_at = moment
                speed = min(self._speed, self._measured_speed(moment)) / 2
                self._speed_after_429 = self._speed = max(speed, SLOWEST)

    def _measured_speed(self, moment: float) -> float:
        """The speed of the last requests, in requests per second."""
        recent = [time for time in self._recent if time > moment - 60.0]
        return len(recent) / max(1.0, moment - min(recent, default=moment))


@dataclass(frozen=True)
class Pause:
    """A pause of an operation. The batch waits, so that it can end the pause early."""

    seconds: float


def paced(
    operation: Emitting[E, T], pace: Pace, on_event: Callable[[E], None]
) -> Emitting[Pause, T]:
    """An operation whose requests keep the pace.

    Its events go to ``on_event`` before it continues, and its sleeps become pauses.
    """
    reply: object = None
    error: BaseException | None = None
    with closing(operation):
        while True:
            try:
                effect = operation.send(reply) if error is None else operation.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
            try:
                reply, error = (yield from _perform(effect, pace, on_event)), None
            except GeneratorExit:
                raise
            except BaseException as raised:
                error = raised


def _perform(
    effect: Effect[E], pace: Pace, on_event: Callable[[E], None]
) -> Emitting[Pause, object]:
    if isinstance(effect, (Send, Open)):
        return (yield from _request(effect, pace))
    if isinstance(effect, Emit):
        on_event(effect.event)
    elif isinstance(effect, Sleep):
        yield Emit(Pause(effect.seconds))
    else:
        return (yield effect)
    return None


def _request(effect: Send | Open, pace: Pace) -> Emitting[Pause, object]:
    start = yield from now()
    while True:
        if (seconds := pace.reserve(start)) > 0:
            yield Emit(Pause(seconds))
            start = yield from now()
        # After a 429 during the pause, the request gets a later time.
        if not pace.is_frozen(start):
            break
    if isinstance(effect, Open):
        # A stream lasts as long as its run. The pause lets the next run start.
        yield Emit(Pause(0.0))
    reply = yield effect
    if isinstance(reply, Response) and reply.status == 429:
        seconds = parsed_retry_after(reply.headers) or 0.0
        pace.refused(start, (yield from now()), seconds)
    else:
        pace.succeeded()
    return reply
