"""One run in flight, and how to resume it after an interruption."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .._config import AnswerRule
from .._effects import Emitting, Operation, emit, now
from ..errors import ChatKitError
from ..events import ResponseEvent, SessionCreatedEvent, WorkflowEvent, WorkflowResponse
from ..models.run import RunReference, resume_call
from ..models.session import ChatSession
from .durations import USUAL_INTERVAL, Durations
from .inbox import Inbox
from .inputs import Prepared
from .listing import SessionMessage
from .logs import add_note, log_info
from .thread_events import LiveRun


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait for an answer, in seconds and polls, and which message is the answer.

    Attributes:
        poll_interval: The pause between two polls; ``None`` leaves it to ``durations``.
        age: The age of the run, if an earlier call has started it.
        durations: The durations of earlier runs.
        awaited: Whether the client is async.
    """

    poll_interval: float | None
    max_attempts: int
    answer: AnswerRule
    deadline: float = math.inf
    age: float = 0.0
    durations: Durations = field(default_factory=Durations)
    awaited: bool = False

    @property
    def interval(self) -> float:
        """The usual pause between two polls, in seconds."""
        return USUAL_INTERVAL if self.poll_interval is None else self.poll_interval

    @property
    def patience(self) -> float:
        """The time of all polls, in seconds; a stream may be silent for as long."""
        return self.interval * self.max_attempts


@dataclass(slots=True)
class Run:
    """One run in flight.

    Attributes:
        inbox: The messages of its workflow, and its reference.
        started: The start of the call, on the driver's clock.
        is_sent: Whether the server has its message.
        watched: Whether the caller reads its events.
        own_session: Whether the session was made for this run and has no other user message.
        keep_open: Whether its stream stays open for a later call.
        earlier_attempt: The run's reference, if an earlier process may have sent its message.
        how_to_check: How the caller finds out whether the server has the message, while it may.
        live: Its stream, if one is open.
    """

    inbox: Inbox
    waiting: Waiting
    started: float
    is_sent: bool = False
    watched: bool = False
    own_session: bool = False
    keep_open: bool = False
    earlier_attempt: RunReference | None = None
    how_to_check: str | None = None
    live: LiveRun | None = None

    @property
    def session(self) -> ChatSession:
        """The session of the run."""
        return self.inbox.session

    def continue_with(self, live: LiveRun) -> None:
        """Continue with the stream that another call has opened."""
        self.live = live
        self.inbox.reference = live.reference
        self.inbox.message_text = live.message_text

    def resume_call(self) -> str:
        """The Python call that resumes the run, from any process."""
        return resume_call(self.inbox.reference, awaited=self.waiting.awaited)

    def response(self) -> Operation[WorkflowResponse | None]:
        """The response, if the messages so far have it; a failed run raises its error."""
        elapsed = (yield from now()) - self.started
        return self.inbox.response(self.waiting.answer, 1, elapsed)


class Protocol(ABC):
    """A way to run a workflow."""

    @abstractmethod
    def start(self, run: Run, prepared: Prepared) -> Emitting[SessionCreatedEvent, None]:
        """Send the run's message once."""

    @abstractmethod
    def read_messages(self, run: Run) -> Operation[list[SessionMessage]]:
        """Read the run's messages from the server, newest first."""

    @abstractmethod
    def follow(self, run: Run) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """Wait for the answer."""

    def check(self, run: Run) -> Emitting[WorkflowEvent, WorkflowResponse | None]:
        """The response, if the server has it now; ``None`` while the run continues.

        It does not wait. A failed run raises its error.
        """
        run.inbox.take((yield from self.read_messages(run)))
        return (yield from run.response())


def deliver(run: Run, response: WorkflowResponse) -> Emitting[WorkflowEvent, WorkflowResponse]:
    """Log and emit the response, and return it."""
    size, sessions = len(response.text.encode("utf-8", "replace")), response.program.sessions
    log_info(run.session.id, "response received: %d bytes at attempt %d", size, response.attempts)
    log_info(run.session.id, "training sessions: %d", len(sessions))
    yield from emit(ResponseEvent(response=response))
    return response


@contextmanager
def noted(run: Run) -> Generator[None, None, None]:
    """Add to every exception that leaves the run how to resume the run.

    A ``ChatKitError`` has it as attributes, a foreign exception as a note.
    """
    try:
        yield
    except ChatKitError as error:
        may_be_stored = run.is_sent or run.how_to_check is not None
        error.run = run.inbox.reference if may_be_stored else None
        error.session = error.session or run.session
        if run.is_sent:
            error.sent_message = run.inbox.reference.message
            error.text = error.text or run.inbox.newest_text()
        raise
    except GeneratorExit:
        raise
    except BaseException as error:
        text = f"the run was started, and is paid for: resume it with {run.resume_call()}"
        if not run.is_sent:
            if run.how_to_check is None:
                raise
            text = f"the message may have been stored. Before you send it again, {run.how_to_check}"
        add_note(error, f"edn360-chatkit: {text}", run.session.id)
        raise
