"""Ctrl-C, SIGTERM and SIGHUP end the command, but not while it sends a message."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from .console import complain, say

AGAIN = "Press Ctrl-C again to end at once."
GRACE = 5.0  # seconds that a signal waits for the response to a message


class Stopped(KeyboardInterrupt):
    """A signal that ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal: signal.Signals = signal.Signals(number)


def report_stop(stop: KeyboardInterrupt, *more: str) -> int:
    """Print the signal that has ended the command, and return the exit status of shells for it."""
    number = stop.signal if isinstance(stop, Stopped) else signal.SIGINT
    complain("Interrupted." if number == signal.SIGINT else f"Ended by {number.name}.", *more)
    return 128 + number


class StopSignals:
    """A context in which each signal raises :class:`Stopped`. Ignored signals stay ignored.

    Between :meth:`hold` and :meth:`release` the first signal waits for the release, up to ``GRACE``
    seconds: if a command ends while it sends a message, the run can't always be found again.

    Attributes:
        notice: A text that the first signal prints at once, for an end that takes some time.
    """

    def __init__(self) -> None:
        self.notice: str = ""
        self._before: dict[int, Any] = {}
        self._held = False
        self._pending: int | None = None

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP and no SIGALRM
            default = (signal.SIG_DFL, signal.default_int_handler)
            if number is not None and signal.getsignal(number) in default:
                self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *exc_info: object) -> None:
        self._reset()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        notice, self.notice = self.notice, ""
        say(notice)
        if not self._held or self._pending is not None or not hasattr(signal, "setitimer"):
            raise Stopped(self._pending or number)
        self._pending = number
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    def hold(self) -> None:
        """Make the first signal wait."""
        self._held = True
        self.notice = f"Waiting for the server to take the message. {AGAIN}"

    def release(self) -> None:
        """Raise the waiting signal."""
        pending = self._pending
        self._reset()
        if pending is not None:
            raise Stopped(pending)

    def _reset(self) -> None:
        if self._pending is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.notice, self._held, self._pending = "", False, None


STOP_SIGNALS = StopSignals()
"""The signals of this process."""
