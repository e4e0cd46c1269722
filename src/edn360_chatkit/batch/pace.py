"""The pace of a batch: how many requests leave in a minute, over all of its runs."""

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
"""How many successful requests bring back one half of the speed that a 429 took away."""
SLOWEST = 0.1
"""The speed that a 429 does not reduce any more, in requests a second."""
SHORTEST_FREEZE = 1.0
"""How long all requests wait after a 429 without a ``retry-after``, in seconds."""


class Pace:
    """Gives each request of a batch its time. Threads share it; the caller reads the clock.

    Requests are evenly spaced. A 429 stops all of them for its ``retry-after`` and halves the
    speed; each success brings a part of the speed back.

    Args:
        rate: The largest number of requests in a minute; ``None`` for no limit.
    """

    def __init__(self, rate: float | None) -> None:
        self._fastest = math.inf if rate is None else rate / 60
        # Requests in a second, now and just after the last 429.
        self._speed = self._slowest = self._fastest
        self._next = -math.inf
        self._frozen_until = -math.inf
        self._slowed_at = -math.inf
        self._recent: deque[float] = deque(maxlen=100)
        self._lock = threading.Lock()

    def reserve(self, moment: float) -> float:
        """Take the next free time for a request; returns how far off it is, in seconds."""
        with self._lock:
            time = max(moment, self._next, self._frozen_until)
            self._next = time + 1 / self._speed
            self._recent.append(time)
            return time - moment

    def is_frozen(self, moment: float) -> bool:
        """Whether a 429 has stopped all requests."""
        return moment < self._frozen_until

    def succeeded(self) -> None:
        """Note a response that is no 429."""
        if self._speed < self._fastest:
            with self._lock:
                self._speed += self._slowest / STEPS_BACK
                if self._speed >= min(self._fastest, 4 * self._slowest):
                    self._speed = self._fastest

    def refused(self, sent: float, moment: float, seconds: float) -> None:
        """Note a 429 that asks for a pause; ``sent`` is when its request left."""
        with self._lock:
            pause = min(max(seconds, SHORTEST_FREEZE), LONGEST_RETRY_AFTER)
            self._frozen_until = max(self._frozen_until, moment + pause)
            self._next = max(self._next, self._frozen_until)
            # Requests that were in flight together are refused together, and count once.
            if sent >= self._slowed_at:
                self._slowed_at = moment
                speed = min(self._speed, self._measured(moment)) / 2
                self._slowest = self._speed = max(speed, SLOWEST)

    def _measured(self, moment: float) -> float:
        """The speed of the last requests, in requests a second."""
        recent = [time for time in self._recent if time > moment - 60.0]
        return len(recent) / max(1.0, moment - min(recent, default=moment))


@dataclass(frozen=True)
class Pause:
    """The operation waits for so many seconds. The batch does the waiting, so it can end it."""

    seconds: float


def paced(
    operation: Emitting[E, T], pace: Pace, on_event: Callable[[E], None]
) -> Emitting[Pause, T]:
    """An operation whose requests keep the pace.

    Its events go to ``on_event`` before it goes on, and each of its sleeps becomes a ``Pause``.
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
            reply = error = None
            try:
                if isinstance(effect, Emit):
                    on_event(effect.event)
                elif isinstance(effect, Sleep):
                    yield Emit(Pause(effect.seconds))
                elif isinstance(effect, (Send, Open)):
                    reply = yield from _request(effect, pace)
                else:
                    reply = yield effect
            except GeneratorExit:
                raise
            except BaseException as raised:
                error = raised


def _request(effect: Send | Open, pace: Pace) -> Emitting[Pause, object]:
    moment = yield from now()
    while True:
        if (seconds := pace.reserve(moment)) > 0:
            yield Emit(Pause(seconds))
            moment = yield from now()
        # The request gets another time if a 429 came during the pause.
        if not pace.is_frozen(moment):
            break
    if isinstance(effect, Open):
        # A stream ends with the run: the next run starts before.
        yield Emit(Pause(0.0))
    request: Effect[Pause] = effect
    reply = yield request
    if isinstance(reply, Response) and reply.status == 429:
        seconds = parsed_retry_after(reply.headers) or 0.0
        pace.refused(moment, (yield from now()), seconds)
    else:
        pace.succeeded()
    return reply
