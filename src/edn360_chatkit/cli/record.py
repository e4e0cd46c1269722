"""The reference of a run, in a file from before its message is sent until its program is there."""

import argparse
import hashlib
import json
import shlex
from contextlib import suppress
from pathlib import Path

from .. import APIError, ChatKitError, EDN360Input, InvalidInputError, RunReference, events
from ..errors import ConfigurationError
from .connection import server_options
from .console import NAME, say
from .files import STANDARD, Destination, read_file
from .signals import STOP_SIGNALS

_DIGEST = "input_sha256"  # a field of the file: the input of the run


def read_reference(text: str) -> RunReference:
    """Read a reference from JSON, or raise ``InvalidInputError``."""
    try:
        return RunReference.model_validate_json(text)
    except ValueError:
        fault = "This is not the reference of a run, such as run writes to OUT.json.run."
        raise InvalidInputError(fault) from None


class RunRecord:
    """The run of this command, and the file that keeps it.

    Args:
        args: The options of the command; they become a part of the command that resumes the run.
        file: The file; without one, the run is only in the texts of errors.
        run: The run, if it was started by another command.
    """

    def __init__(
        self, args: argparse.Namespace, file: Destination | None, run: RunReference | None = None
    ) -> None:
        self._args, self._file, self.run = args, file, run
        self._fields: dict[str, str] = {}

    @classmethod
    def for_input(cls, args: argparse.Namespace, edn360_input: EDN360Input) -> "RunRecord":
        """The record of ``run``: an earlier run of the same input and output, or an empty one."""
        output = Destination(args.output)
        name = args.reference or f"{args.output}.run"
        if args.reference == STANDARD:
            raise ConfigurationError("--reference must name a file.")
        if args.simulate or not (args.reference or output.is_regular()):
            return cls(args, None)
        record = cls(args, Destination(name))
        digest = hashlib.sha256(edn360_input.to_json_text().encode()).hexdigest()
        record._fields = {_DIGEST: digest}
        if not Path(name).exists():
            Destination(name).check(args.input)
        elif getattr(run := read_file(name, read_reference), _DIGEST, None) == digest:
            record.run = run
            started = "" if record.is_sent() else ", which may have started"
            say(f"Taking up the run in {name}{started}. To start a new one, remove that file.")
        else:
            raise ConfigurationError(
                f"{name} has a run of another input. Name another output, or remove that file to "
                "give up that run; nothing was sent."
            )
        return record

    def note(self, event: events.WorkflowEvent) -> None:
        """Keep the run of an event."""
        if isinstance(event, events.SessionCreatedEvent):
            # Before the message is sent: a killed command leaves a trace of it.
            path = None if self._file is None or self.run is not None else self._file.path
            if self._file is not None and path is not None and path.exists():
                text = f"Another command has written {self._file.label}; nothing was sent."
                raise ConfigurationError(text)
            STOP_SIGNALS.hold()
            self._save(event.run)
        elif isinstance(event, events.MessageSentEvent):
            self._save(event.run)
            if self._file is not None:
                say(f"The run is in {self._file.label} until its program is delivered.")
            STOP_SIGNALS.release()

    def note_error(self, error: ChatKitError, *, is_over: bool) -> None:
        """Keep the run of an error, unless it is over or its message was not taken."""
        if error.run is not None and not is_over:
            self._save(error.run)
        elif is_over or not (isinstance(error, APIError) and error.may_have_been_taken):
            self.remove()

    def remove(self) -> None:
        """Forget the run: it is over, or was not started."""
        self.run = None
        if self._file is not None and self._file.path is not None:
            with suppress(OSError):
                self._file.path.unlink(missing_ok=True)

    def how_to_resume(self) -> str:
        """The command that takes the run up; empty without a run."""
        if self.run is None or self._args.simulate:
            return ""
        run_state = "The run" if self.is_sent() else "If the athlete's data arrived, the run"
        restart = self.how_to_restart()
        return (
            f"{run_state} may go on at the server, and is paid for. Take it up with:\n"
            f"  {self.resume_command()}" + (f"\n{restart}" if restart else "")
        )

    def how_to_restart(self) -> str:
        """How to start a new run where the message may not have arrived; else empty."""
        if self._file is None or self.run is None or self.is_sent():
            return ""
        return f"To start a new run instead, remove {self._file.label}."

    def is_sent(self) -> bool:
        """Whether the server is known to have the message."""
        return self.run is not None and bool(self.run.message_id or self.run.thread_id)

    def resume_command(self) -> str:
        """The command line that takes the run up."""
        run = str(self.run) if self._file is None else self._file.label
        output = [] if self._args.output == STANDARD else ["-o", self._args.output]
        return shlex.join([NAME, "resume", run, *output, *server_options(self._args)])

    def _save(self, run: RunReference) -> None:
        self.run = run
        if self._file is None:
            return
        text = json.dumps({**run.model_dump(mode="json", exclude_none=True), **self._fields})
        try:
            self._file.write(f"{text}\n")
        except OSError as error:
            # The run is worth more than its file.
            say(f"{self._file.label} can't be written: {error.strerror or error}. The run: {run}")
