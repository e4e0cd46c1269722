"""Wait for a run, and deliver its program."""

import argparse
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib.util import find_spec

from .. import EDN360Input, EnrichedTrainingProgram, errors, events
from ..models.run import resume_call
from .connection import open_client
from .console import complain, is_terminal, say, write_output
from .errors import FAILED, SUCCESS, error_text
from .files import Destination
from .record import RunRecord
from .signals import report_stop


def deliver_run(
    args: argparse.Namespace,
    destination: Destination,
    record: RunRecord,
    edn360_input: EDN360Input | None = None,
) -> int:
    """Take up the run of the record, or start one; write its program, return the exit status."""
    try:
        with open_client(args) as client, _progress() as show:

            def on_event(event: events.WorkflowEvent) -> None:
                record.note(event)
                show(event)

            if record.run is not None:
                response = client.poll_response(record.run, answer=args.answer, on_event=on_event)
            else:
                assert edn360_input is not None
                response = client.run_workflow(
                    edn360_input, user=args.user, answer=args.answer, on_event=on_event
                )
    except KeyboardInterrupt as stop:
        return report_stop(stop, record.how_to_resume())
    except errors.InvalidInputError:
        if record.run is None or record.is_sent():
            raise
        fault = "This server can't find a run by its session alone: look at the threads of the user"
        complain(f"{fault} {record.run.user}.")
        return FAILED
    except (errors.WorkflowError, errors.APIError) as error:
        is_final = isinstance(error, errors.WorkflowError) and args.answer == "program"
        is_over = is_final and not isinstance(error, errors.WorkflowTimeoutError)
        record.note_error(error, is_over=is_over)
        saved = _save(error.text, destination, ".answer.txt")
        complain(*_texts(error, args, record), saved)
        return FAILED
    status = _deliver(response.program, destination)
    if status == SUCCESS:
        record.remove()
    return status


def _texts(
    error: errors.ChatKitError, args: argparse.Namespace, record: RunRecord
) -> tuple[str, str]:
    """An error in the words of the command line, and how to resume the run."""
    if not isinstance(error, errors.WorkflowTimeoutError):
        return error_text(error), record.how_to_resume()
    if args.simulate:
        return "The simulated workflow did not answer in time; raise --max-attempts.", ""
    return error_text(error).replace(resume_call(error.run), record.resume_command()), ""


def _progress() -> AbstractContextManager[Callable[[events.WorkflowEvent], None]]:
    if not is_terminal() or find_spec("rich") is None:
        return nullcontext(lambda event: None)
    from .progress import show_progress

    return show_progress()


def _deliver(program: EnrichedTrainingProgram, destination: Destination) -> int:
    data = program.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    try:
        destination.write(text)
    except OSError as error:
        fault = f"{destination.label} can't be written: {error.strerror or error}."
        if destination.path is not None:
            with suppress(OSError):
                write_output(text)
                complain(fault, "The program went to standard output instead.")
                return FAILED
        complain(fault, _save(text, destination, ".program.json"))
        return FAILED
    if destination.path is not None and is_terminal():
        say(f"Written to {destination.label}.")
    return SUCCESS


def _save(text: str | None, destination: Destination, suffix: str) -> str:
    """Save a text that was paid for, and return a line that says where it is."""
    if text is None:
        return ""
    try:
        return f"The answer is in {destination.save_beside(text, suffix)}"
    except OSError:
        return f"The answer can't be saved, so here it is:\n{text}"
