"""``edn360-chatkit run``: run the workflow on an athlete's data."""

import argparse
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from importlib.util import find_spec
from typing import Any

from .. import ChatKitClient, EDN360Input, EnrichedTrainingProgram, errors, events
from ..models.run import RunReference, resume_call
from ..models.session import ChatSession
from ..reading import read_input
from .console import complain, is_terminal, say, write_output
from .errors import FAILED, INTERRUPTED, SUCCESS, error_text
from .files import STANDARD, Destination, read_file
from .simulate import POLL_INTERVAL, WORKFLOW, simulator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Run the workflow on an athlete's data, and write the training program as JSON. Input and "
        "output are checked before anything is sent. The API key is read from the environment "
        "only, $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY: other users of a machine can read the "
        "arguments of its commands. An answer without a program is saved as OUT.json.answer.txt, "
        "or in the temporary directory if the output is standard output."
    )
    add, server = parser.add_argument, parser.add_mutually_exclusive_group()
    add("input", metavar="INPUT.json", help="an EDN360Input; - is standard input")
    add("-o", "--output", metavar="OUT.json", default=STANDARD, help="default: standard output")
    simulate = "use a built-in simulator: no key, no network, a simulated program"
    server.add_argument("--simulate", action="store_true", help=simulate)
    base_url = "the ChatKit API; else $EDN360_CHATKIT_BASE_URL"
    server.add_argument("--base-url", metavar="URL", help=base_url)
    server_url = "a self-hosted ChatKit server; else $EDN360_CHATKIT_SERVER_URL"
    server.add_argument("--server-url", metavar="URL", help=server_url)
    protocol = "default auto: session messages where the server has them, else ChatKit's threads"
    add("--protocol", choices=("auto", "messages", "threads"), default="auto", help=protocol)
    add("--user", help="the session's user; else user_profile.user_id")
    add("--workflow-id", metavar="WF", help="the workflow; else $EDN360_TRAINING_WORKFLOW_ID")
    interval = f"time between two polls; default 2, {POLL_INTERVAL} with --simulate"
    add("--poll-interval", metavar="SECONDS", type=float, help=interval)
    add("--max-attempts", metavar="N", type=int, help="how many polls; default 60")
    answer = "wait for the program (default), or take the first message as the answer"
    add("--answer", choices=("program", "first"), default="program", help=answer)


def execute(args: argparse.Namespace) -> int:
    """Do it, and return the exit status."""
    edn360_input = read_file(args.input, read_input)
    destination = Destination(args.output)
    destination.check(args.input)
    started = _Started()
    try:
        program = _run_workflow(args, edn360_input, started).program
    except KeyboardInterrupt:
        complain("Interrupted.", _how_to_resume(args, started, in_doubt=True))
        return INTERRUPTED
    except (errors.WorkflowError, errors.APIError) as error:
        saved = _save(error.text, destination, ".answer.txt")
        resume = "" if isinstance(error, _FINAL) else _how_to_resume(args, started)
        complain(error_text(error), saved, resume)
        return FAILED
    return _deliver(program, destination)


# After these the run is over, or their own text says how to resume it.
_OVER = (errors.WorkflowFailedError, errors.TruncatedResponseError, errors.ProgramValidationError)
_FINAL = (*_OVER, errors.WorkflowTimeoutError)


class _Started:
    """The session and the reference of the run, once the server has them."""

    session: ChatSession | None = None
    run: RunReference | None = None


def _how_to_resume(args: argparse.Namespace, started: _Started, *, in_doubt: bool = False) -> str:
    """The Python call that resumes the run, if one was started, or may have been (in_doubt)."""
    if started.session is None or args.simulate or not (started.run or in_doubt):
        return ""
    doubt = "" if started.run else "If the athlete's data arrived: "
    urls = {"base_url": args.base_url, "server_url": args.server_url}
    client = ", ".join(f"{name}={url!r}" for name, url in urls.items() if url)
    state = f"{doubt}The run goes on at the server, and is paid for. Resume it from Python:"
    run = started.run or RunReference(session_id=started.session.id, user=started.session.user)
    return f"{state}\n  ChatKitClient({client}).{resume_call(run).removeprefix('client.')}"


def _run_workflow(
    args: argparse.Namespace, edn360_input: EDN360Input, started: _Started
) -> events.WorkflowResponse:
    names = ("base_url", "server_url", "workflow_id", "protocol", "poll_interval", "max_attempts")
    options = {name: getattr(args, name) for name in names}
    settings: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    with ExitStack() as stack:
        if args.simulate:
            # No steps where the first message is the answer.
            server = stack.enter_context(simulator(steps=args.answer != "first"))
            defaults = {"workflow_id": WORKFLOW, "poll_interval": POLL_INTERVAL}
            settings = {**defaults, **settings, "api_key": server.api_key}
            settings["base_url"] = server.base_url
        client = stack.enter_context(ChatKitClient(**settings))
        show = stack.enter_context(_progress())

        def on_event(event: events.WorkflowEvent) -> None:
            if isinstance(event, events.SessionCreatedEvent):
                started.session = event.session
            elif isinstance(event, events.MessageSentEvent):
                started.run = event.run
            show(event)

        return client.run_workflow(
            edn360_input, user=args.user, answer=args.answer, on_event=on_event
        )


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
