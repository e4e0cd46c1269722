"""The progress of a run in words, and the line that shows it below a notebook's cell."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from . import events
from .program.rendering.printable import one_line

if TYPE_CHECKING:
    import asyncio

F = TypeVar("F")
_one_at_a_time = threading.Lock()


def clock(seconds: float) -> str:
    """A time as ``0:07``, or ``1:00:07`` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class RunProgress:
    """The current activity of a run, and its steps so far."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._state, self._steps = "Connecting to the server", list[str]()

    def on_event(self, event: events.WorkflowEvent) -> str:
        """Handle an event; returns a line if the run has done a step."""
        match event:
            case events.SessionCreatedEvent():
                self._state = "Sending the athlete's data"
            case events.MessageSentEvent():
                self._state = "Waiting for the program"
            case events.WaitingEvent(attempt=attempt, max_attempts=most, error=error):
                failure = "; the last poll failed, still waiting" if error else ""
                self._state = f"Waiting for the program, poll {attempt} of {most}{failure}"
            case events.ProgressEvent(text=text):
                self._state = one_line(text) or self._state
            case events.StepEvent(keys=keys):
                self._steps.append(one_line(", ".join(keys)) or "text")
                return f"step: {self._steps[-1]}"
            case events.NoticeEvent(level=level, message=message):
                self._steps.append(one_line(f"{level}: {message}"))
                return self._steps[-1]
            case events.ResponseEvent(response=response):
                self._state = f"program received after {response.elapsed:.0f} s"
                return self._state
            case _:
                pass
        return ""

    def text(self, *, steps: bool = True) -> str:
        """The time, the state, and the steps."""
        seconds = time.monotonic() - self._started
        return " · ".join([clock(seconds), self._state, *(self._steps if steps else ())])


@contextmanager
def shown_in_notebook(
    on_event: F | None, *, progress: bool
) -> Generator[F | Callable[[events.WorkflowEvent], object] | None, None, None]:
    """Show the progress of a run in a notebook, and give the function for its events.

    A caller with an ``on_event`` shows the events itself. Runs in parallel show a single line.
    """
    # IPython is never imported: a notebook has loaded its kernel.
    kernel = sys.modules.get("ipykernel.kernelapp")
    in_notebook = kernel is not None and kernel.IPKernelApp.initialized()
    if not (progress and in_notebook and on_event is None and _one_at_a_time.acquire(False)):
        yield on_event
        return
    try:
        with _Line() as line:
            yield line.on_event
    finally:
        _one_at_a_time.release()


class _Line(RunProgress):
    """A line that is written again each second."""

    def __init__(self) -> None:
        super().__init__()
        self._width = 0
        self._label: Any = None
        if find_spec("ipywidgets"):
            self._label = import_module("ipywidgets").Label()
            sys.modules["IPython"].display.display(self._label)
        self._loop: asyncio.AbstractEventLoop | None = None
        if (loops := sys.modules.get("asyncio")) is not None:
            with suppress(RuntimeError):
                self._loop = loops.get_running_loop()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="run-progress", daemon=True)

    def __enter__(self) -> _Line:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()
        self._write("\n")

    def _tick(self) -> None:
        while not self._ended.wait(1.0):
            self._write()
            if self._loop is not None:
                # ipykernel 7 interrupts a cell that awaits only when its event loop wakes.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(int)

    def _write(self, end: str = "") -> None:
        text = self.text()
        if self._label is not None:
            self._label.value = text
            return
        # Blanks cover the rest of the previous line.
        line, self._width = f"\r{text.ljust(self._width)}{end}", len(text)
        # A closed output must not end the run.
        with suppress(OSError, ValueError):
            sys.stdout.write(line)
            sys.stdout.flush()
