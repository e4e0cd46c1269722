"""SIGTERM and SIGHUP end the command as Ctrl-C does."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Stopped(KeyboardInterrupt):
    """A signal that ends the command; the only argument is its number."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


@contextmanager
def raise_stop_signals() -> Generator[None, None, None]:
    """Raise :class:`Stopped` for SIGTERM and SIGHUP, unless they are ignored, as by ``nohup``."""
    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    in_main_thread = threading.current_thread() is threading.main_thread()
    ours = [n for n in numbers if in_main_thread and signal.getsignal(n) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def stop_text(stop: KeyboardInterrupt) -> str:
    """The first line of what is printed."""
    return f"Ended by {_signal(stop).name}." if isinstance(stop, Stopped) else "Interrupted."


def stop_status(stop: KeyboardInterrupt) -> int:
    """The exit status, as shells report it: 128 and the number of the signal."""
    return 128 + _signal(stop)


def _signal(stop: KeyboardInterrupt) -> signal.Signals:
    return signal.Signals(stop.args[0]) if isinstance(stop, Stopped) else signal.SIGINT
