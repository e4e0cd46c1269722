"""The command ``edn360-chatkit``: ``run``, ``show``, ``validate``, ``diff`` and ``simulate``.

Results go to standard output, everything else to standard error. The exit status is 0, 1 (the run
failed), 2 (bad usage or bad input), or 130 (Ctrl-C).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from ..clients import ChatKitClient
from ..errors import (
    APIError,
    ConfigurationError,
    InvalidInputError,
    ProgramValidationError,
    TruncatedResponseError,
    WorkflowError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from ..events import (
    MessageSentEvent,
    SessionCreatedEvent,
    WorkflowEvent,
    WorkflowResponse,
    resume_call,
)
from ..inputs import EDN360Input
from ..models.session import ChatSession, Message
from ..program.model import EnrichedTrainingProgram, Language
from ..program.rendering.printable import printable
from .arguments import (
    FAILED,
    INTERRUPTED,
    NAME,
    SIMULATED_DELAY,
    SIMULATED_POLL_INTERVAL,
    SIMULATED_WORKFLOW,
    SUCCESS,
    UNUSABLE,
    parser,
)
from .files import (
    STANDARD,
    Destination,
    read_input,
    read_input_or_program,
    read_program,
    write_output,
)
from .findings import findings_text

if TYPE_CHECKING:
    from ..testing import ChatKitSimulator


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: The arguments without the command's name; those of the process if left out.

    Returns:
        The exit status.
    """
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said it all
        return UNUSABLE if stop.code else _print("")
    try:
        with _log_on_standard_error("verbose" in args):
            return _COMMANDS[args.command](args)
    except (ConfigurationError, InvalidInputError) as error:
        _complain(error)
        return UNUSABLE
    except KeyboardInterrupt:
        _complain("Interrupted.")
        return INTERRUPTED


# --- run ------------------------------------------------------------------------------------


def _run(args: argparse.Namespace) -> int:
    edn360_input = read_input(args.input)
    destination = Destination(args.output)
    destination.check(args.input)
    watch = _Watch(args)
    try:
        response = _run_workflow(args, edn360_input, watch)
    except KeyboardInterrupt:
        _complain("Interrupted.", watch.how_to_go_on(maybe=True))
        return INTERRUPTED
    except WorkflowError as error:
        kept = _kept(error.text, destination, ".answer.txt", "What came")
        _complain(error, kept, "" if _is_settled(error) else watch.how_to_go_on())
        return FAILED
    except APIError as error:
        _complain(error, watch.how_to_go_on())
        return FAILED
    except ConfigurationError as error:
        hint = "" if args.simulate else "With --simulate the command needs no key and no network."
        _complain(error, hint)
        return UNUSABLE
    return _deliver(response.program, destination)


def _run_workflow(
    args: argparse.Namespace, edn360_input: EDN360Input, watch: _Watch
) -> WorkflowResponse:
    poll_interval: float | None = args.poll_interval
    with ExitStack() as stack:
        settings = {"base_url": args.base_url, "workflow_id": args.workflow_id}
        if args.simulate:
            # Without steps where the first message is to be the answer.
            simulator = stack.enter_context(
                _simulator(delay=SIMULATED_DELAY, steps=args.answer != "first")
            )
            settings["api_key"] = simulator.api_key
            settings["base_url"] = simulator.base_url
            settings["workflow_id"] = args.workflow_id or SIMULATED_WORKFLOW
            if poll_interval is None:
                poll_interval = SIMULATED_POLL_INTERVAL
        client = stack.enter_context(ChatKitClient(**settings))
        show = stack.enter_context(_progress())

        def on_event(event: WorkflowEvent) -> None:
            watch.see(event)
            show(event)

        return client.run_workflow(
            edn360_input,
            user=args.user,
            poll_interval=poll_interval,
            max_attempts=args.max_attempts,
            answer=args.answer,
            on_event=on_event,
        )


class _Watch:
    """Remembers which run is under way, so that it can be taken up when the command stops."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._session: ChatSession | None = None
        self._message: Message | None = None

    def see(self, event: WorkflowEvent) -> None:
        if isinstance(event, SessionCreatedEvent):
            self._session = event.session
        elif isinstance(event, MessageSentEvent):
            self._message = event.message

    def how_to_go_on(self, *, maybe: bool = False) -> str:
        """The call that takes the run up; nothing if there is none at the server.

        Args:
            maybe: Also where it is not known whether the athlete's data arrived.
        """
        if self._session is None or self._args.simulate or not (self._message or maybe):
            return ""
        goes_on = "The run goes on at the server, and is paid for"
        if self._message is None:
            goes_on = "If the athlete's data arrived, the run goes on at the server"
        base_url = f"base_url={self._args.base_url!r}" if self._args.base_url else ""
        return (
            f"{goes_on}. Take it up from Python:\n"
            f"  ChatKitClient({base_url}).{resume_call(self._session, self._message)}"
        )


def _is_settled(error: WorkflowError) -> bool:
    """Whether there is nothing to wait for, or the error says itself how to go on."""
    settled = (WorkflowFailedError, TruncatedResponseError, ProgramValidationError)
    return isinstance(error, (*settled, WorkflowTimeoutError))


def _deliver(program: EnrichedTrainingProgram, destination: Destination) -> int:
    data = program.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    try:
        destination.write(text)
    except OSError as error:
        reason = error.strerror or error
        if destination.is_file:
            with suppress(OSError):
                write_output(text)
                _complain(
                    f"{destination.name} can't be written: {reason}.",
                    "The program went to standard output instead.",
                )
                return FAILED
        _complain(
            f"The program can't be delivered: {reason}.",
            _kept(text, destination, ".program.json", "It"),
        )
        return FAILED
    if destination.is_file and _is_terminal():
        _say(f"Written to {destination.name}.")
    return SUCCESS


def _kept(text: str | None, destination: Destination, suffix: str, what: str) -> str:
    """Save what was paid for and can't be delivered, and say where it is."""
    if text is None:
        return ""
    try:
        return f"{what} is in {destination.keep(text, suffix)}"
    except OSError:
        return f"{what} could not be saved anywhere, so here it is:\n{text}"


def _ignore(event: WorkflowEvent) -> None:
    """Without a terminal nobody watches."""


def _progress() -> AbstractContextManager[Callable[[WorkflowEvent], None]]:
    if not _is_terminal():
        return nullcontext(_ignore)
    try:
        from .progress import RunProgress
    except ModuleNotFoundError:
        return nullcontext(_ignore)
    return RunProgress()


# --- show, validate, diff, simulate -----------------------------------------------------------


def _show(args: argparse.Namespace) -> int:
    program = read_program(args.program)
    asked = (
        (args.html, partial(program.to_html, full_page=True)),
        (args.markdown, program.to_markdown),
        (args.csv, partial(_csv, program)),
    )
    outputs = [(Destination(name), render) for name, render in asked if name is not None]
    if not outputs:
        return _show_on_terminal(program, args.lang)
    for index, (destination, _) in enumerate(outputs):
        if any(destination.is_same(other) for other, _ in outputs[:index]):
            name = destination.name if destination.is_file else "Standard output"
            raise ConfigurationError(
                f"{name} can take one of the files only. Name another one; nothing was done."
            )
        destination.check(args.program)
    for destination, render in outputs:
        try:
            destination.write(render(lang=args.lang))
        except OSError as error:
            _complain(f"{destination.name} can't be written: {error.strerror or error}.")
            return FAILED
    return SUCCESS


def _show_on_terminal(program: EnrichedTrainingProgram, lang: Language) -> int:
    try:
        from ..program.rendering.terminal import terminal_text
    except ModuleNotFoundError as error:
        _needs(error, "rich", 'show needs rich: pip install "edn360-chatkit[cli]"')
    return _print(terminal_text(program, lang), getattr(sys.stdout, "encoding", None) or "utf-8")


def _csv(program: EnrichedTrainingProgram, *, lang: Language) -> str:
    """Its columns are the same in every language."""
    from ..program.rendering.table import program_csv

    return program_csv(program)


def _validate(args: argparse.Namespace) -> int:
    against = read_input(args.against) if args.against is not None else None
    found = read_input_or_program(args.file)
    findings = ""
    if isinstance(found, EDN360Input):
        if against is not None:
            raise InvalidInputError("--against checks a training program, and this is no program.")
        what = f"EDN360Input, {_count(len(found.questionnaires), 'questionnaire')}"
    else:
        exercises = sum(len(b.exercises) for session in found.sessions for b in session.blocks)
        sessions = _count(len(found.sessions), "session")
        what = f"training program, {sessions}, {_count(exercises, 'exercise')}"
        findings = findings_text(found, against, args.lang)
    name = "standard input" if args.file == STANDARD else printable(args.file)
    return _print(f"{name}: {what}\n{findings}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _diff(args: argparse.Namespace) -> int:
    if args.old == args.new == STANDARD:
        raise ConfigurationError("Only one of the two programs can be standard input.")
    old, new = read_program(args.old), read_program(args.new)
    text = new.diff(old).to_text(lang=args.lang)
    return _print(text, getattr(sys.stdout, "encoding", None) or "utf-8")


def _simulate(args: argparse.Namespace) -> int:
    try:
        with _simulator(port=args.port, delay=args.delay, steps=args.steps) as simulator:
            status = _print(
                f"export EDN360_CHATKIT_BASE_URL={simulator.base_url}\n"
                f"export EDN360_OPENAI_API_KEY={simulator.api_key}\n"
                f"export EDN360_TRAINING_WORKFLOW_ID={SIMULATED_WORKFLOW}\n"
            )
            if status == SUCCESS:
                if _is_terminal():
                    _say("The simulator is running; paste these lines elsewhere. Ctrl-C stops it.")
                simulator.wait()
            return status
    except KeyboardInterrupt:
        return SUCCESS  # the way to stop it


@contextmanager
def _simulator(*, port: int = 0, **settings: Any) -> Generator[ChatKitSimulator, None, None]:
    try:
        from ..testing import ChatKitSimulator
    except ModuleNotFoundError as error:
        text = 'The simulator needs Starlette and uvicorn: pip install "edn360-chatkit[simulator]"'
        _needs(error, "starlette", "uvicorn", text)
    simulator = ChatKitSimulator(port=port, **settings)
    try:
        simulator.start()
    except OSError as error:
        raise ConfigurationError(
            f"The simulator can't listen on port {port}: {error.strerror or error}. Choose "
            "another one with --port, or --port 0 for a free one."
        ) from error
    try:
        yield simulator
    finally:
        simulator.stop()


def _needs(error: ModuleNotFoundError, *modules_and_text: str) -> NoReturn:
    """Say which extra is missing; any other missing module is a fault of the installation."""
    *modules, text = modules_and_text
    if (error.name or "").partition(".")[0] not in modules:
        raise error
    raise ConfigurationError(text) from error


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "show": _show,
    "validate": _validate,
    "diff": _diff,
    "simulate": _simulate,
}


# --- standard output and standard error -------------------------------------------------------


def _print(text: str, encoding: str = "utf-8") -> int:
    """Write a result; the exit status says whether it arrived."""
    try:
        write_output(text, encoding)
    except BrokenPipeError:
        return FAILED  # whoever read it has left, as `head` does: no reason to complain
    except OSError as error:
        _complain(f"Standard output can't be written: {error.strerror or error}.")
        return FAILED
    return SUCCESS


def _say(text: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            print(printable(text), file=sys.stderr, flush=True)


def _complain(fault: object, *more: str) -> None:
    _say("\n".join([f"{NAME}: {fault}", *filter(None, more)]))


def _is_terminal() -> bool:
    """Whether somebody watches standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


class _LogHandler(logging.Handler):
    # Not a StreamHandler: the spinner puts its own stream in the place of sys.stderr.
    def emit(self, record: logging.LogRecord) -> None:
        _say(self.format(record))


@contextmanager
def _log_on_standard_error(verbose: bool) -> Generator[None, None, None]:
    if not verbose:
        yield
        return
    logger = logging.getLogger("edn360_chatkit")
    level = logger.level
    handler = _LogHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
