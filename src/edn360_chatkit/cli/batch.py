"""Run the workflow for many athletes, each once.

All inputs are checked before the first request. A journal records each run: a repeated
command continues the batch, even after a crash, and pays for no run twice. RESULTS.jsonl has a line
for each input, with its key and its program or error. A folder gets KEY.json, or KEY.error.json.
Without --poll-interval, the polls adapt to the duration of the runs.
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
# Characters that are escaped in file names, so that two keys never share a file. The dot is, too,
# where the key "x.error" would have the file of the error of "x".
_RESERVED = re.compile(r'[%/\\:*?"<>|\x00-\x1f]|\.(?=error$)')

ARGUMENTS = (
    option("inputs", "INPUTS.jsonl|FOLDER", "an EDN360Input a line, or a folder of .json files"),
    option("-o --output", "RESULTS.jsonl|FOLDER", "default: standard output", default=STANDARD),
    option("--journal", "FILE", "default: the name of the output and .journal"),
    option("--concurrency", int, "runs at the same time; default 50", dest="max_concurrency"),
    option("--rate", float, "requests per minute; default: no limit", metavar="N"),
    option("--retry-failed", bool, "run failed runs of the journal again, and pay for them again"),
    *SENDING,
    *WAITING,
)


def execute(args: argparse.Namespace) -> int:
    """Run them, and return the exit status."""
    inputs, output = _read_inputs(args.inputs), Output(args)
    journal = args.journal or _default_journal(args)
    state = State(len(inputs))
    options = options_of(args, *_OPTIONS)
    if args.simulate:
        options.setdefault("poll_interval", POLL_INTERVAL)
    command = shlex.join([NAME, *sys.argv[1:]])
    advice = "" if journal is None else f"Continue with the same command:\n  {command}"
    try:
        # The journal is opened before the output, which another process may be writing.
        with (
            open_client(args) as client,
            client.run_many(state.reading(inputs), journal=journal, **options) as batch,
            output,
            show_line(state.counts, state.share),
        ):
            notice = f"Ending after the requests in flight. {AGAIN}"
            STOP_SIGNALS.notice = f"{notice}\n{advice}".rstrip()
            for result in batch:
                error = result.error
                text = error_text(error, resume_command(args, result.run)) if error else ""
                state.add(result, text)
                output.write(result, text)
    except KeyboardInterrupt as stop:
        return report_stop(stop, state.summary())
    except OSError as error:
        complain(str(error), state.summary(), advice)
        return FAILED
    say(state.summary())
    return FAILED if state.failed else SUCCESS


def _default_journal(args: argparse.Namespace) -> str | None:
    """The journal beside the output. Simulated runs must not get into the journal of real runs."""
    if args.simulate:
        return None
    if not (os.path.isdir(args.output) or Destination(args.output).is_regular()):
        raise ConfigurationError("Name a journal with --journal, or an output with -o.")
    return f"{args.output.rstrip(os.sep)}.journal"


def _read_inputs(name: str) -> dict[str, str]:
    """The texts of the inputs by their keys, after a check of each input."""
    inputs: dict[str, str] = {}
    for label, key, text in _texts(name):
        with label_errors(label):
            try:
                user_id = read_input(text).user_profile.user_id
            except InvalidInputError as error:
                if key is not None or error.errors:
                    raise
                # An indented JSON file, perhaps: its first line is no input.
                advice = "Write each input in a line of its own."
                raise InvalidInputError(f"{error} {advice}") from None
            if (key := key or user_id) in inputs:
                raise InvalidInputError(
                    f"two inputs have the user_id {key!r}. Put them into a folder, where each "
                    "input has its file name as key."
                )
        inputs[key] = text
    if not inputs:
        raise InvalidInputError(f"{name} has no inputs.")
    return inputs


def _texts(name: str) -> Iterator[tuple[str, str | None, str]]:
    """The name, the key and the text of each input. In a folder the key is the file's name."""
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
    """The results: a folder, a file with a line for each result, or standard output."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._name: str = args.output
        self._is_folder = self._name != STANDARD and os.path.isdir(self._name)
        if self._is_folder and os.path.realpath(self._name) == os.path.realpath(args.inputs):
            raise ConfigurationError("The folder of the inputs can't be that of the results.")
        file = os.path.join(self._name, "KEY.json") if self._is_folder else self._name
        Destination(file).check(args.inputs)
        self._stream: IO[str] | None = None

    def __enter__(self) -> "Output":
        if not self._is_folder and self._name != STANDARD:
            self._stream = open(self._name, "w", 1, encoding="utf-8")  # line by line
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()

    def write(self, result: BatchResult, error_text: str) -> None:
        """Write a result."""
        value = _fields(result, error_text)
        if self._is_folder:
            self._write_file(result.key, value)
            return
        line = json.dumps({"key": result.key, **value}, ensure_ascii=False) + "\n"
        if self._stream is None:
            write_output(line)
            return
        try:
            self._stream.write(line)
        except OSError as error:
            raise unwritable(self._name, error) from None

    def _write_file(self, key: str, value: dict[str, Any]) -> None:
        name = _RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", key)
        path, error_path = (Path(self._name, f"{name}{end}") for end in (".json", ".error.json"))
        program = value.get("program")
        text = json.dumps(program or value, ensure_ascii=False, indent=2)
        Destination(str(path if program else error_path)).write(f"{text}\n")
        if program:
            error_path.unlink(missing_ok=True)


def _fields(result: BatchResult, error_text: str) -> dict[str, Any]:
    """The program of a result, or its error and its run."""
    if result.response is not None:
        program = result.response.program
        return {"program": program.model_dump(mode="json", exclude_unset=True)}
    error = {"type": type(result.error).__name__, "message": error_text}
    if result.error is not None and result.error.text is not None:
        error["text"] = result.error.text
    run = {} if result.run is None else {"run": result.run.model_dump(mode="json")}
    return {"error": error, **run}


class State:
    """The progress of the batch."""

    def __init__(self, total: int) -> None:
        self.failed: int = 0
        self._total, self._read, self._ended = total, 0, 0
        self._started = time.monotonic()
        # The times of the last results. The results of a journal arrive together at the start.
        self._times = deque([self._started], maxlen=31)

    def reading(self, inputs: dict[str, str]) -> Iterator[tuple[str, EDN360Input]]:
        """The inputs, counted as they are read."""
        for key, text in inputs.items():
            self._read += 1
            yield key, read_input(text)

    def add(self, result: BatchResult, error_text: str) -> None:
        """Count a result, and print its error."""
        self._ended += 1
        self._times.append(time.monotonic())
        if result.error is not None:
            self.failed += 1
            say(f"{result.key}: {error_text}")

    def share(self) -> float:
        """The share of the runs that have ended, from 0 to 1."""
        return self._ended / self._total

    def counts(self) -> str:
        """The text beside the progress bar."""
        now = time.monotonic()
        rate = (len(self._times) - 1) / max(now - self._times[0], 1.0)
        rest = f", {clock((self._total - self._ended) / rate)} left" if rate else ""
        return (
            f"{self._ended - self.failed} done, {self.failed} failed, "
            f"{self._read - self._ended} in flight, {60 * rate:.0f} a minute{rest}"
        )

    def summary(self) -> str:
        """The line at the end."""
        seconds = time.monotonic() - self._started
        return (
            f"{self._ended - self.failed} of {self._total} programs, {self.failed} failed, "
            f"{self._total - self._ended} not finished, in {seconds:.0f} s."
        )
