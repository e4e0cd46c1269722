"""A run of the command: its reference in a file, the wait, and the delivery of its program."""

import argparse
import json
from contextlib import suppress
from pathlib import Path

from .. import EDN360Input, EnrichedTrainingProgram, InvalidInputError, RunReference, events
from ..errors import APIError, ConfigurationError, WorkflowError
from .connection import open_client, resume_command
from .console import complain, is_terminal, say, write_output
from .errors import FAILED, SUCCESS, error_text
from .files import STANDARD, Destination
from .progress import show_run
from .reference import ReferenceFile, is_sent
from .signals import STOP_SIGNALS, report_stop


class Delivery:
    """A run, from before its message is sent until its program is written.

    Args:
        args: The options of the command.
        file: The file of the run's reference. Without it, errors show the reference.
        run: The run, if an earlier command has started it.
    """

    def __init__(
        self, args: argparse.Namespace, file: ReferenceFile | None, run: RunReference | None
    ) -> None:
        self._args, self._file, self._run = args, file, run
        self._is_saved = run is not None  # the file has the run
        self._output = Destination(args.output)

    def complete(self, edn360_input: EDN360Input | None = None) -> int:
        """Resume the run, or start one; write its program, and return the exit status."""
        try:
            return self._write(self._wait(edn360_input))
        except KeyboardInterrupt as stop:
            return report_stop(stop, self._advice())
        except InvalidInputError:
            if self._run is None or is_sent(self._run):
                raise
            fault = "This server can't find a run by its session alone: look at the threads of the"
            complain(f"{fault} user {self._run.user}.", self._advice(is_named=True))
        except (WorkflowError, APIError) as error:
            self._fail(error)
        return FAILED

    def _wait(self, edn360_input: EDN360Input | None) -> EnrichedTrainingProgram:
        with open_client(self._args) as client, show_run() as show:

            def on_event(event: events.WorkflowEvent) -> None:
                self._note(event)
                show(event)

            answer = self._args.answer
            if self._run is not None:
                return client.poll_response(self._run, answer=answer, on_event=on_event).program
            assert edn360_input is not None
            user = self._args.user
            return client.run_workflow(
                edn360_input, user=user, answer=answer, on_event=on_event
            ).program

    def _note(self, event: events.WorkflowEvent) -> None:
        """Write the reference before the message is sent, and again when the server has it."""
        if isinstance(event, events.SessionCreatedEvent):
            STOP_SIGNALS.hold()
            self._save(event.run, is_new=self._run is None)
            if self._args.skip_existing and Path(self._args.output).exists():
                self._forget()
                raise _written_by_another(self._args.output)
        elif isinstance(event, events.MessageSentEvent):
            self._save(event.run)
            if self._file is not None and self._is_saved:
                say(f"The run is in {self._file.name} until its program is delivered.")
            STOP_SIGNALS.release()

    def _save(self, run: RunReference, *, is_new: bool = False) -> None:
        try:
            if self._file is not None:
                self._file.write(run, is_new=is_new)
                self._is_saved = True
        except FileExistsError:
            assert self._file is not None
            raise _written_by_another(self._file.name) from None
        except OSError as error:
            # The run is worth more than its file.
            say(f"{error} The run: {run}")
        self._run = run

    def _forget(self) -> None:
        """Forget the run, which has ended or was not started."""
        run, self._run = self._run, None
        if run is not None and self._file is not None:
            self._file.remove(run)

    def _fail(self, error: WorkflowError | APIError) -> None:
        is_timeout = isinstance(error, TimeoutError)
        # After a cut answer, the cause says if only the wait has ended.
        has_only_wait_ended = is_timeout or isinstance(error.__cause__, TimeoutError)
        is_first = self._args.answer == "first"
        may_continue = isinstance(error, APIError) or has_only_wait_ended or is_first
        if error.run is not None and may_continue:
            self._save(error.run)
        elif not (isinstance(error, APIError) and error.may_have_been_taken):
            self._forget()
        command = self._resume_command(error.run)
        text = error_text(error, command)
        if self._args.simulate and is_timeout:
            text = "The simulated workflow did not answer in time; raise --max-attempts."
        advice = self._advice(is_named=is_timeout or command in text)
        complain(text, advice, self._save_text(error.text, ".answer.txt"))

    def _resume_command(self, run: RunReference | None) -> str:
        output = [] if self._args.output == STANDARD else ["-o", self._args.output]
        is_kept = self._run is not None and self._is_saved
        file = self._file.name if is_kept and self._file is not None else None
        return resume_command(self._args, file or run, *output)

    def _advice(self, *, is_named: bool = False) -> str:
        """How to resume the run, unless the error names the command, and how to start a new run."""
        if self._run is None or self._args.simulate:
            return ""
        run = "The run" if is_sent(self._run) else "If the athlete's data arrived, the run"
        text = f"{run} may continue at the server, and is paid for. Resume it with:\n"
        lines = [] if is_named else [f"{text}  {self._resume_command(self._run)}"]
        if self._file is not None and self._is_saved and not is_sent(self._run):
            lines.append(f"To start a new run instead, remove {self._file.name}.")
        return "\n".join(lines)

    def _write(self, program: EnrichedTrainingProgram) -> int:
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
        """Save a text that was paid for, and return a line with its place."""
        if text is None:
            return ""
        try:
            return f"The answer is in {self._output.save_beside(text, suffix)}"
        except OSError:
            return f"The answer can't be saved, so here it is:\n{text}"


def _written_by_another(name: str) -> ConfigurationError:
    return ConfigurationError(f"Another command has written {name}; nothing was sent.")
