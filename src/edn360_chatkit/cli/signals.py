"""Ctrl-C, SIGTERM and SIGHUP end the command, but not between sending a message and its answer."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from .console import complain, say

AGAIN = "Press Ctrl-C again to end at once."
GRACE = 5.0  # seconds that the answer to a message may take once the command is to end


class Stopped(KeyboardInterrupt):
    """A signal has ended the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal: signal.Signals = signal.Signals(number)


def report_stop(stop: KeyboardInterrupt, *more: str) -> int:
    """Print that a signal has ended the command; return the exit status, as shells report it."""
    number = stop.signal if isinstance(stop, Stopped) else signal.SIGINT
    complain("Interrupted." if number == signal.SIGINT else f"Ended by {number.name}.", *more)
    return 128 + number


class StopSignals:
    """Raises :class:`Stopped` for the signals while it is entered; an ignored one stays ignored.

    Between :meth:`hold` and :meth:`release` the first signal waits for the release, at most
    ``GRACE`` seconds: a run that is cut off while its message is sent can't always be found again.

    Attributes:
        notice: A text that the first signal prints at once, where ending takes a while.
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
            number = getattr(signal, name, None)  # Windows has neither of the last two
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
        """Let the first signal wait."""
        self._held = True
        self.notice = f"Waiting for the server to take the message. {AGAIN}"

    def release(self) -> None:
        """Raise the signal that waits."""
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
