"""One run of the command: its reference in a file, the wait, and the delivery of its program."""

import argparse
import json
from contextlib import suppress
from pathlib import Path

from .. import EDN360Input, EnrichedTrainingProgram, InvalidInputError, RunReference, events
from ..errors import APIError, ConfigurationError, WorkflowError
from .connection import open_client, resume_command
from .console import complain, is_terminal, say, write_output
from .errors import FAILED, SUCCESS, error_text
from .files import STANDARD, Destination, read_file
from .progress import show_run
from .signals import STOP_SIGNALS, report_stop

DIGEST = "input_sha256"  # a field of the file: the input of the run


def read_reference(text: str) -> RunReference:
    """Read a reference from JSON, or raise ``InvalidInputError``."""
    try:
        return RunReference.model_validate_json(text)
    except ValueError:
        fault = "This is not the reference of a run, such as run writes to OUT.json.run."
        raise InvalidInputError(fault) from None


class Delivery:
    """A run from before its message is sent until its program is written.

    Args:
        args: The options of the command.
        file: The file that keeps the run's reference; without one, errors name the run.
        run: The run, if another command has started it.
        digest: The digest of the input, for the file.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        file: str | None,
        run: RunReference | None = None,
        digest: str | None = None,
    ) -> None:
        self._args, self._file, self._run = args, file, run
        self._more_fields = {} if digest is None else {DIGEST: digest}
        self._output = Destination(args.output)

    def complete(self, edn360_input: EDN360Input | None = None) -> int:
        """Take up the run, or start one; write its program, and return the exit status."""
        try:
            with open_client(self._args) as client, show_run() as show:

                def on_event(event: events.WorkflowEvent) -> None:
                    self._note(event)
                    show(event)

                answer = self._args.answer
                if self._run is not None:
                    response = client.poll_response(self._run, answer=answer, on_event=on_event)
                else:
                    assert edn360_input is not None
                    response = client.run_workflow(
                        edn360_input, user=self._args.user, answer=answer, on_event=on_event
                    )
            return self._deliver(response.program)
        except KeyboardInterrupt as stop:
            return report_stop(stop, self._advice())
        except InvalidInputError:
            if self._run is None or self._is_sent():
                raise
            fault = "This server can't find a run by its session alone: look at the threads of the"
            complain(f"{fault} user {self._run.user}.", self._advice(is_named=True))
            return FAILED
        except (WorkflowError, APIError) as error:
            self._fail(error)
            return FAILED

    def _note(self, event: events.WorkflowEvent) -> None:
        if isinstance(event, events.SessionCreatedEvent):
            # Before the message is sent: a killed command leaves a trace of it.
            STOP_SIGNALS.hold()
            self._save(event.run, is_new=self._run is None)
            if self._is_done_by_another():
                self._forget()
                text = f"Another command has written {self._args.output}; nothing was sent."
                raise ConfigurationError(text)
        elif isinstance(event, events.MessageSentEvent):
            self._save(event.run)
            if self._file is not None:
                say(f"The run is in {self._file} until its program is delivered.")
            STOP_SIGNALS.release()

    def _is_done_by_another(self) -> bool:
        """Whether the output that must not exist was written since this command began."""
        path = self._output.path
        return self._args.skip_existing and path is not None and path.exists()

    def _save(self, run: RunReference, *, is_new: bool = False) -> None:
        if self._file is None:
            self._run = run
            return
        fields = run.model_dump(mode="json", exclude_none=True)
        text = f"{json.dumps({**fields, **self._more_fields})}\n"
        try:
            Destination(self._file).write(text, is_new=is_new)
            self._run = run
        except FileExistsError:
            text = f"Another command has written {self._file}; nothing was sent."
            raise ConfigurationError(text) from None
        except OSError as error:
            self._run = run
            # The run is worth more than its file.
            say(f"{error} The run: {run}")

    def _forget(self) -> None:
        """Forget the run: it is over, or was not started. The file may have another one by now."""
        run, self._run = self._run, None
        if run is None or self._file is None:
            return
        with suppress(OSError, InvalidInputError):
            if read_file(self._file, read_reference).session_id == run.session_id:
                Path(self._file).unlink()

    def _fail(self, error: WorkflowError | APIError) -> None:
        may_go_on = isinstance(error, (APIError, TimeoutError)) or self._args.answer == "first"
        if error.run is not None and may_go_on:
            self._save(error.run)
        elif not (isinstance(error, APIError) and error.may_have_been_taken):
            self._forget()
        command, is_timeout = self._resume_command(error.run), isinstance(error, TimeoutError)
        text = error_text(error, command)
        if self._args.simulate and is_timeout:
            text = "The simulated workflow did not answer in time; raise --max-attempts."
        advice = self._advice(is_named=is_timeout or command in text)
        complain(text, advice, self._save_text(error.text, ".answer.txt"))

    def _is_sent(self) -> bool:
        """Whether the server is known to have the message."""
        return self._run is not None and bool(self._run.message_id or self._run.thread_id)

    def _resume_command(self, run: RunReference | None) -> str:
        output = [] if self._args.output == STANDARD else ["-o", self._args.output]
        file = None if self._run is None else self._file
        return resume_command(self._args, file or run, *output)

    def _advice(self, *, is_named: bool = False) -> str:
        """How to take the run up, unless the error has named it, and how to start a new one."""
        if self._run is None or self._args.simulate:
            return ""
        run_state = "The run" if self._is_sent() else "If the athlete's data arrived, the run"
        text = f"{run_state} may go on at the server, and is paid for. Take it up with:\n"
        lines = [] if is_named else [f"{text}  {self._resume_command(self._run)}"]
        if self._file is not None and not self._is_sent():
            lines.append(f"To start a new run instead, remove {self._file}.")
        return "\n".join(lines)

    def _deliver(self, program: EnrichedTrainingProgram) -> int:
        data, output = program.model_dump(mode="json", exclude_unset=True), self._output
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        try:
            output.write(text)
        except OSError as error:
            if output.path is not None:
                with suppress(OSError):
                    write_output(text)
                    complain(str(error), "The program went to standard output instead.")
                    return FAILED
            complain(str(error), self._save_text(text, ".program.json"))
            return FAILED
        self._forget()
        if output.path is not None and is_terminal():
            say(f"Written to {output.label}.")
        return SUCCESS

    def _save_text(self, text: str | None, suffix: str) -> str:
        """Save a text that was paid for, and return a line that says where it is."""
        if text is None:
            return ""
        try:
            return f"The answer is in {self._output.save_beside(text, suffix)}"
        except OSError:
            return f"The answer can't be saved, so here it is:\n{text}"
