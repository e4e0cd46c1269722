"""The progress of a run on a terminal, with rich (extra ``cli``)."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from .. import events
from .._progress import describe


@contextmanager
def show_progress() -> Generator[Callable[[events.WorkflowEvent], None], None, None]:
    """Show a spinner with the elapsed time; the function it gives shows an event.

    Errors of the terminal are ignored: the run is paid for, and goes on without it.
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task("Connecting to the server")

    def on_event(event: events.WorkflowEvent) -> None:
        state, line = describe(event)
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
