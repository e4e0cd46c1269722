"""The progress of a run on a terminal, with rich (extra ``cli``)."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .. import events
from ..program.rendering.printable import one_line


@contextmanager
def show_progress() -> Generator[Callable[[events.WorkflowEvent], None], None, None]:
    """Show a spinner with the elapsed time; the function it gives shows an event.

    Errors of the terminal are ignored: the run is paid for, and goes on without it.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("Creating a session")

    def on_event(event: events.WorkflowEvent) -> None:
        state, line = _texts(event)
        with suppress(OSError):
            if state:
                progress.update(task, description=state)
            if line:
                console.print(f"  {line}", markup=False, overflow="ellipsis", no_wrap=True)

    with suppress(OSError):
        progress.start()
    try:
        yield on_event
    finally:
        with suppress(OSError):
            progress.stop()


def _texts(event: events.WorkflowEvent) -> tuple[str, str]:
    """The state beside the spinner, and a line above it; empty for no change."""
    match event:
        case events.SessionCreatedEvent():
            return "Sending the athlete's data", ""
        case events.MessageSentEvent():
            return "Waiting for the program", ""
        case events.WaitingEvent(attempt=attempt, max_attempts=most, error=error):
            failure = "; the last poll failed, still waiting" if error else ""
            return f"Waiting for the program, poll {attempt} of {most}{failure}", ""
        case events.ProgressEvent(text=text):
            return one_line(text), ""
        case events.StepEvent(keys=keys):
            return "", f"step: {one_line(', '.join(keys)) or 'text'}"
        case events.NoticeEvent(level=level, message=message):
            return "", one_line(f"{level}: {message}")
        case events.ResponseEvent(response=response):
            return "", f"program received after {response.elapsed:.0f} s"
        case _:
            return "", ""
