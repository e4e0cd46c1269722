"""Run the workflow for many athletes, each once.

All inputs are checked before anything is sent. A journal records each run: the same command goes on
where it ended, however it ended, and pays for no run twice. RESULTS.jsonl has a line for each
input, with its key and its program or error; a folder has KEY.json, or KEY.error.json. Without
--poll-interval, the polls adapt to how long the runs take.
"""

import argparse
import json
import os
import re
import shlex
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from .. import BatchResult, EDN360Input, InvalidInputError
from .._progress import clock
from ..errors import ConfigurationError
from ..reading import read_input
from .arguments import SENDING, WAITING, option
from .connection import POLL_INTERVAL, open_client, options_of, resume_command
from .console import NAME, complain, say, unwritable, write_output
from .errors import FAILED, SUCCESS, error_text
from .files import STANDARD, Destination, label_errors, read_file
from .progress import show_line
from .signals import AGAIN, STOP_SIGNALS, report_stop

_OPTIONS = (
    *("max_concurrency", "rate", "retry_failed"),
    *("answer", "poll_interval", "max_attempts", "deadline"),
)
# Escaped in the names of files, so that two keys never have one file: "x.error" is no error of "x".
_RESERVED = re.compile(r'[%/\\:*?"<>|\x00-\x1f]|\.(?=error$)')

ARGUMENTS = (
    option("inputs", "INPUTS.jsonl|FOLDER", "an EDN360Input a line, or a folder of .json files"),
    option("-o --output", "RESULTS.jsonl|FOLDER", "default: standard output", default=STANDARD),
    option("--journal", "FILE", "default: the name of the output and .journal"),
    option("--concurrency", int, "runs under way; default 50", dest="max_concurrency"),
    option("--rate", float, "requests a minute; default: no limit of ours", metavar="N"),
    option("--retry-failed", bool, "run failed runs of the journal again, which costs money again"),
    *SENDING,
    *WAITING,
)


def execute(args: argparse.Namespace) -> int:
    """Run them, and return the exit status."""
    inputs, journal, output = read_inputs(args.inputs), _journal(args), Output(args)
    state = State(len(inputs))
    options = options_of(args, *_OPTIONS)
    if args.simulate:
        options.setdefault("poll_interval", POLL_INTERVAL)
    command = shlex.join([NAME, *sys.argv[1:]])
    how_to_go_on = "" if journal is None else f"Go on with the same command:\n  {command}"
    try:
        # The journal is opened first: another process may be at work on it, and on the output.
        with (
            open_client(args) as client,
            client.run_many(state.reading(inputs), journal=journal, **options) as batch,
            output,
            show_line(state.counts, state.share),
        ):
            ending = f"Ending after the requests in flight. {AGAIN}"
            STOP_SIGNALS.notice = f"{ending}\n{how_to_go_on}".rstrip()
            for result in batch:
                error = result.error
                text = error_text(error, resume_command(args, result.run)) if error else ""
                state.add(result, text)
                output.write(result, text)
    except KeyboardInterrupt as stop:
        return report_stop(stop, state.summary())
    except OSError as error:
        complain(str(error), state.summary(), how_to_go_on)
        return FAILED
    say(state.summary())
    return FAILED if state.failed else SUCCESS


def _journal(args: argparse.Namespace) -> str | None:
    """The name of the journal. Simulated programs must not get into that of real runs."""
    if args.journal is not None or args.simulate:
        name: str | None = args.journal
        return name
    if not (os.path.isdir(args.output) or Destination(args.output).is_regular()):
        raise ConfigurationError("Name a journal with --journal, or an output with -o.")
    return f"{args.output.rstrip(os.sep)}.journal"


def read_inputs(name: str) -> dict[str, str]:
    """The texts of the inputs, which are all valid, by their keys."""
    inputs: dict[str, str] = {}
    for label, key, text in _texts(name):
        with label_errors(label):
            user_id = read_input(text).user_profile.user_id
            if (key := key or user_id) in inputs:
                raise InvalidInputError(
                    f"two inputs have the user_id {key!r}. Put them into a folder, where the names "
                    "of the files tell them apart."
                )
        inputs[key] = text
    if not inputs:
        raise InvalidInputError(f"{name} has no inputs.")
    return inputs


def _texts(name: str) -> Iterator[tuple[str, str | None, str]]:
    """The name and the text of each input, and in a folder its key: the name of the file."""
    if name != STANDARD and Path(name).is_dir():
        for path in sorted(Path(name).glob("*.json")):
            yield str(path), path.stem, read_file(str(path), str)
        return
    label = "Standard input" if name == STANDARD else name
    # Not splitlines(): JSON texts may hold the other line separators of Unicode.
    for number, line in enumerate(read_file(name, str).split("\n"), start=1):
        if line.strip():
            yield f"{label}, line {number}", None, line


class Output:
    """The file or the folder of the results."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._name: str = args.output
        self._is_folder = self._name != STANDARD and os.path.isdir(self._name)
        if self._is_folder and os.path.realpath(self._name) == os.path.realpath(args.inputs):
            raise ConfigurationError("The folder of the inputs can't be that of the results.")
        place = os.path.join(self._name, "KEY.json") if self._is_folder else self._name
        Destination(place).check(args.inputs)
        self._stream: IO[str] | None = None

    def __enter__(self) -> "Output":
        if not self._is_folder and self._name != STANDARD:
            self._stream = open(self._name, "w", encoding="utf-8")
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()

    def write(self, result: BatchResult, error_text: str) -> None:
        """Write one result."""
        program, value, suffix = None, _failure(result, error_text), ".error.json"
        if result.response is not None:
            program = result.response.program.model_dump(mode="json", exclude_unset=True)
            value, suffix = {"program": program}, ".json"
        if self._is_folder:
            stem = _RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", result.key)
            text = json.dumps(program or value, ensure_ascii=False, indent=2)
            Destination(os.path.join(self._name, stem + suffix)).write(f"{text}\n")
            if program is not None:
                Path(self._name, f"{stem}.error.json").unlink(missing_ok=True)
            return
        line = json.dumps({"key": result.key, **value}, ensure_ascii=False) + "\n"
        if self._stream is None:
            write_output(line)
        else:
            try:
                self._stream.write(line)
                self._stream.flush()
            except OSError as error:
                raise unwritable(self._name, error) from None


def _failure(result: BatchResult, error_text: str) -> dict[str, Any]:
    error, run = result.error, result.run
    value: dict[str, Any] = {"error": {"type": type(error).__name__, "message": error_text}}
    if error is not None and error.text is not None:
        value["error"]["text"] = error.text
    return value if run is None else {**value, "run": run.model_dump(mode="json")}


class State:
    """How far the batch is."""

    def __init__(self, total: int) -> None:
        self.total: int = total
        self.read: int = 0
        self.done: int = 0
        self.failed: int = 0
        self._started = time.monotonic()
        # The times of the last results: those of a journal came all at once.
        self._times = deque([self._started], maxlen=31)

    def reading(self, inputs: dict[str, str]) -> Iterator[tuple[str, EDN360Input]]:
        """The inputs, counted as they are read."""
        for key, text in inputs.items():
            self.read += 1
            yield key, read_input(text)

    def add(self, result: BatchResult, error_text: str) -> None:
        """Count a result, and print its error."""
        self.done += 1
        self._times.append(time.monotonic())
        if result.error is not None:
            self.failed += 1
            say(f"{result.key}: {error_text}")

    def share(self) -> float:
        """The part that is done, from 0 to 1."""
        return self.done / self.total

    def counts(self) -> str:
        """The figures beside the progress bar."""
        now = time.monotonic()
        rate = (len(self._times) - 1) / max(now - self._times[0], 1.0)
        left = f", {clock((self.total - self.done) / rate)} left" if rate else ""
        return (
            f"{self.done - self.failed} done, {self.failed} failed, {self.read - self.done} under "
            f"way, {60 * rate:.0f} a minute{left}"
        )

    def summary(self) -> str:
        """The line at the end."""
        seconds = time.monotonic() - self._started
        programs = self.done - self.failed
        return (
            f"{programs} of {self.total} programs, {self.failed} failed, "
            f"{self.total - self.done} not finished, in {seconds:.0f} s."
        )
