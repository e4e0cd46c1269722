"""``edn360-chatkit batch``: run the workflow for many athletes."""

import argparse
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from .. import BatchResult, EDN360Input, InvalidInputError
from ..errors import ConfigurationError
from ..reading import read_input
from .connection import add_server_arguments, add_waiting_arguments, open_client
from .console import NAME, complain, is_terminal, say, write_output
from .errors import FAILED, SUCCESS, error_text
from .files import STANDARD, Destination, read_file
from .signals import report_stop
from .simulate import POLL_INTERVAL

KeyedInput = tuple[str, EDN360Input]

# Escaped in the names of files, so that two keys never have one file: "x.error" is no error of "x".
_RESERVED = re.compile(r'[%/\\:*?"<>|\x00-\x1f]|\.(?=error$)')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Run the workflow for many athletes, each once. All inputs are checked before anything is "
        "sent. A journal records each run: the same command goes on where it ended, however it "
        "ended, and pays for no run twice. RESULTS.jsonl has a line for each input, with its key "
        "and its program or error; a folder has KEY.json, or KEY.error.json."
    )
    add = parser.add_argument
    inputs = "a file with an EDN360Input a line (- is standard input), or a folder of .json files"
    add("inputs", metavar="INPUTS.jsonl|FOLDER", help=inputs)
    output = "a file, or an existing folder; default: standard output"
    add("-o", "--output", metavar="RESULTS.jsonl|FOLDER", default=STANDARD, help=output)
    add("--journal", metavar="FILE", help="default: the name of the output and .journal")
    concurrency = "the largest number of runs under way; default 50"
    add("--concurrency", metavar="N", type=int, default=50, help=concurrency)
    rate = "the largest number of requests a minute; default: no limit, but that of the server"
    add("--rate", metavar="N", type=float, help=rate)
    retry = "run failed runs of the journal again, which costs money again"
    add("--retry-failed", action="store_true", help=retry)
    add_server_arguments(parser, simulate=True)
    add("--workflow-id", metavar="WF", help="the workflow; else $EDN360_TRAINING_WORKFLOW_ID")
    add_waiting_arguments(parser)
    parser.epilog = "Without --poll-interval, the polls adapt to how long the runs take."


def execute(args: argparse.Namespace) -> int:
    """Do it, and return the exit status."""
    source = Inputs(args.inputs)
    journal = _journal(args)
    output = Output(args.output, args.inputs)
    state = State(source.count())
    names = ("rate", "answer", "retry_failed", "poll_interval", "max_attempts", "deadline")
    values = {name: getattr(args, name) for name in names}
    options = {name: value for name, value in values.items() if value is not None}
    options.update(max_concurrency=args.concurrency, journal=journal)
    if args.simulate:
        options.setdefault("poll_interval", POLL_INTERVAL)
    try:
        # The journal is opened first: another process may be at work on it, and on the output.
        with (
            open_client(args) as client,
            client.run_many(state.reading(source), **options) as batch,
            output,
            show_progress(state) as show,
        ):
            for result in batch:
                state.add(result)
                output.write(result)
                show()
    except KeyboardInterrupt as stop:
        status = report_stop(stop, state.summary())
    except OSError as error:
        complain(str(error), state.summary())
        status = FAILED
    else:
        say(state.summary())
        return FAILED if state.failed else SUCCESS
    if journal is not None:
        say(f"The journal {journal} has the runs under way. Go on with the same command:")
        say(f"  {shlex.join([NAME, *sys.argv[1:]])}")
    return status


def _journal(args: argparse.Namespace) -> str | None:
    """The name of the journal. Simulated programs must not get into that of real runs."""
    if args.journal is not None or args.simulate:
        name: str | None = args.journal
        return name
    if args.output == STANDARD:
        raise ConfigurationError("Name a journal with --journal, or an output with -o.")
    return f"{args.output.rstrip(os.sep)}.journal"


class Inputs:
    """The inputs of a batch, with their keys. They are parsed twice: to check and to send them.

    The key is the ``user_id``; in a folder, the name of the file.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        is_folder = name != STANDARD and Path(name).is_dir()
        self._paths = sorted(Path(name).glob("*.json")) if is_folder else []
        self._lines = [] if is_folder else read_file(name, _lines)

    def __iter__(self) -> Iterator[KeyedInput]:
        for path in self._paths:
            yield path.stem, read_file(str(path), read_input)
        for number, line in enumerate(self._lines, start=1):
            if line.strip():
                try:
                    edn360_input = read_input(line)
                except InvalidInputError as error:
                    label = "Standard input" if self._name == STANDARD else self._name
                    text = f"{label}, line {number}: {error}"
                    raise InvalidInputError(text, errors=error.errors) from None
                yield edn360_input.user_profile.user_id, edn360_input

    def count(self) -> int:
        """Check all inputs and count them."""
        keys: set[str] = set()
        for key, _ in self:
            if key in keys:
                raise InvalidInputError(
                    f"{self._name}: two inputs have the user_id {key!r}. Put them into a folder, "
                    "where the names of the files tell them apart."
                )
            keys.add(key)
        if not keys:
            raise InvalidInputError(f"{self._name} has no inputs.")
        return len(keys)


class Output:
    """The file or the folder of the results."""

    def __init__(self, name: str, inputs: str) -> None:
        self._name = name
        self._folder = Path(name) if name != STANDARD and Path(name).is_dir() else None
        self._stream: IO[str] | None = None
        if self._folder is None:
            Destination(name).check(inputs)
        elif Path(inputs).resolve() == self._folder.resolve():
            raise ConfigurationError("The folder of the inputs can't be that of the results.")

    def __enter__(self) -> "Output":
        if self._folder is None and self._name != STANDARD:
            self._stream = open(self._name, "w", encoding="utf-8")
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def write(self, result: BatchResult) -> None:
        """Write one result."""
        program, value = None, _error(result)
        if result.response is not None:
            program = result.response.program.model_dump(mode="json", exclude_unset=True)
            value = {"program": program}
        if self._folder is not None:
            self._write_file(self._folder, result.key, program, value)
            return
        line = json.dumps({"key": result.key, **value}, ensure_ascii=False) + "\n"
        if self._stream is None:
            write_output(line)
        else:
            self._stream.write(line)
            self._stream.flush()

    def _write_file(self, folder: Path, key: str, program: Any, error: dict[str, Any]) -> None:
        stem = _RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", key)
        failure = folder / f"{stem}.error.json"
        place = failure if program is None else folder / f"{stem}.json"
        text = json.dumps(program or error, ensure_ascii=False, indent=2)
        Destination(str(place)).write(f"{text}\n")
        if program is not None:
            failure.unlink(missing_ok=True)


def _lines(text: str) -> list[str]:
    # Not splitlines(): JSON texts may hold the other line separators of Unicode.
    return text.split("\n")


def _error(result: BatchResult) -> dict[str, Any]:
    error, run = result.error, result.run
    if error is None:
        return {}
    value: dict[str, Any] = {"error": {"type": type(error).__name__, "message": error_text(error)}}
    return value if run is None else {**value, "run": run.model_dump(mode="json")}


class State:
    """How far the batch is."""

    def __init__(self, total: int) -> None:
        self.total: int = total
        self.read: int = 0
        self.done: int = 0
        self.failed: int = 0
        self._started = time.monotonic()

    def reading(self, inputs: Inputs) -> Iterator[KeyedInput]:
        """The inputs, counted as they are read."""
        for item in inputs:
            self.read += 1
            yield item

    def add(self, result: BatchResult) -> None:
        """Count a result, and print its error."""
        self.done += 1
        if result.error is not None:
            self.failed += 1
            say(f"{result.key}: {error_text(result.error)}")

    def counts(self) -> str:
        """The figures for the progress bar."""
        minutes = max(time.monotonic() - self._started, 1.0) / 60
        return (
            f"{self.done - self.failed} done, {self.failed} failed, {self.read - self.done} under "
            f"way, {self.done / minutes:.0f} a minute"
        )

    def summary(self) -> str:
        """The line at the end."""
        seconds = time.monotonic() - self._started
        programs = self.done - self.failed
        return (
            f"{programs} of {self.total} programs, {self.failed} failed, "
            f"{self.total - self.done} not finished, in {seconds:.0f} s."
        )


@contextmanager
def show_progress(state: State) -> Generator[Callable[[], None], None, None]:
    """Show a progress bar on a terminal; the function it gives redraws it."""
    if not is_terminal() or find_spec("rich") is None:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True, highlight=False), transient=True)
    task = progress.add_task("", total=state.total)

    def show() -> None:
        with suppress(OSError):
            progress.update(task, completed=state.done, description=state.counts())

    with suppress(OSError):
        progress.start()
    show()
    try:
        yield show
    finally:
        with suppress(OSError):
            progress.stop()
