"""Real signals for the command in this process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.patience import PATIENCE


@contextmanager
def ctrl_c_raises() -> Iterator[None]:
    """Let Ctrl-C interrupt, also if the tests run in the background, where shells ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def signal_when(is_time: Callable[[], bool], number: int) -> Iterator[None]:
    """Send this process a signal as soon as a condition holds."""

    def send() -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not stop.is_set():
            if is_time():
                os.kill(os.getpid(), number)
                return
            time.sleep(0.005)

    stop = threading.Event()
    sender = threading.Thread(target=send)
    with ctrl_c_raises():
        sender.start()
        try:
            yield
        finally:
            stop.set()
            sender.join()
