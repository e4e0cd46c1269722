"""A progress line on the terminal, with rich (extra ``cli``)."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib.util import find_spec

from .. import events
from .._progress import RunProgress
from .console import is_terminal, say


@contextmanager
def show_line(
    text: Callable[[], str], share: Callable[[], float] | None = None
) -> Generator[bool, None, None]:
    """Show a changing text on the terminal. Yields whether it is visible.

    With ``share``, from 0 to 1, there is a progress bar, and without it a spinner. Errors of the
    terminal are ignored: the runs are paid for, and continue.
    """
    if not is_terminal() or find_spec("rich") is None:
        yield False
        return
    from rich.console import Console
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    spinner = Spinner("dots")

    def draw() -> Table:
        row = Table.grid(padding=(0, 1))
        sign = spinner if share is None else ProgressBar(total=1, completed=share(), width=16)
        row.add_row(sign, Text(text(), no_wrap=True, overflow="ellipsis"))
        return row

    console = Console(stderr=True, highlight=False)
    live = Live(get_renderable=draw, console=console, transient=True, refresh_per_second=8)
    with suppress(OSError):
        live.start()
    try:
        yield True
    finally:
        with suppress(OSError):
            live.stop()


@contextmanager
def show_run() -> Generator[Callable[[events.WorkflowEvent], None], None, None]:
    """Show the state of a run, with its steps above. Yields the function for its events."""
    run = RunProgress()

    def on_event(event: events.WorkflowEvent) -> None:
        if (line := run.on_event(event)) and is_shown:
            say(f"  {line}")

    with show_line(lambda: run.text(steps=False)) as is_shown:
        yield on_event
