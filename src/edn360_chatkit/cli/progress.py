"""What a run looks like on a terminal while it goes on, with rich (extra ``cli``)."""

from __future__ import annotations

from contextlib import suppress

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..events import (
    MessageSentEvent,
    NoticeEvent,
    ProgressEvent,
    ResponseEvent,
    SessionCreatedEvent,
    StepEvent,
    WaitingEvent,
    WorkflowEvent,
)
from ..program.rendering.printable import one_line


class RunProgress:
    """A spinner with the time that has passed, and a line for every step of the workflow.

    Call it with every event of the run. A terminal that goes away takes nothing with it: the run
    is paid for, and goes on.
    """

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            transient=True,
        )
        self._task = self._progress.add_task("Making a session")

    def __enter__(self) -> RunProgress:
        with suppress(OSError):
            self._progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._progress.stop()

    def __call__(self, event: WorkflowEvent) -> None:
        with suppress(OSError):
            self._show(event)

    def _show(self, event: WorkflowEvent) -> None:
        if isinstance(event, SessionCreatedEvent):
            self._describe("Sending the athlete's data")
        elif isinstance(event, MessageSentEvent):
            self._describe("Waiting for the program")
        elif isinstance(event, WaitingEvent):
            failed = "; the last poll failed, still waiting" if event.error else ""
            self._describe(
                f"Waiting for the program, poll {event.attempt} of {event.max_attempts}{failed}"
            )
        elif isinstance(event, StepEvent):
            self._print(f"  step: {one_line(', '.join(event.keys)) or 'text'}")
        elif isinstance(event, ProgressEvent):
            self._describe(one_line(event.text))
        elif isinstance(event, NoticeEvent):
            self._print(f"  {one_line(event.level)}: {one_line(event.message)}")
        elif isinstance(event, ResponseEvent):
            self._print(f"  program received after {event.response.elapsed:.0f} s")

    def _describe(self, text: str) -> None:
        self._progress.update(self._task, description=text)

    def _print(self, line: str) -> None:
        self._progress.console.print(line, markup=False, overflow="ellipsis", no_wrap=True)
