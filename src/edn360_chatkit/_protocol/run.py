"""One run in flight, and how it can be taken up when it is interrupted."""

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
        age: How long ago the run was started by an earlier call.
        durations: How long earlier runs took.
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
        """How long all polls take, in seconds; a stream may be silent for as long."""
        return self.interval * self.max_attempts


@dataclass(slots=True)
class Run:
    """One run in flight.

    Attributes:
        inbox: The messages of its workflow, and what finds the run.
        started: When it began, on the driver's clock.
        is_sent: Whether the server has its message.
        watched: Whether the caller reads its events.
        own_session: Whether the session was made for this run, so that no other message is in it.
        held: Whether its stream is held open for a later call.
        sent_before: What finds the run if an earlier process may have sent its message.
        doubt: How to look for the message while the server may have taken it; else ``None``.
        live: Its open stream, if this run has started it.
    """

    inbox: Inbox
    waiting: Waiting
    started: float
    is_sent: bool = False
    watched: bool = False
    own_session: bool = False
    held: bool = False
    sent_before: RunReference | None = None
    doubt: str | None = None
    live: LiveRun | None = None

    @property
    def session(self) -> ChatSession:
        """The session of the run."""
        return self.inbox.session

    @property
    def reference(self) -> RunReference | None:
        """What finds the run again, once its message may have been taken."""
        return self.inbox.run if self.is_sent or self.doubt is not None else None

    def take_over(self, live: LiveRun) -> None:
        """Go on with a run whose stream another call has opened."""
        self.live, self.inbox.run, self.inbox.sent = live, live.run, live.sent

    def resume_call(self) -> str:
        """The Python call that takes the run up, from any process."""
        return resume_call(self.inbox.run, awaited=self.waiting.awaited)

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
    def look(self, run: Run) -> Operation[list[SessionMessage]]:
        """Read the run's messages from the server, newest first."""

    @abstractmethod
    def follow(self, run: Run) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """Wait for the answer."""

    def check(self, run: Run) -> Emitting[WorkflowEvent, WorkflowResponse | None]:
        """The response, if the server has it now; ``None`` while the run goes on.

        It waits for nothing. A run that has failed raises its error.
        """
        run.inbox.take((yield from self.look(run)))
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
    """Add to every exception that leaves the run how to take the run up.

    A ``ChatKitError`` gets it as attributes, a foreign exception as a note.
    """
    try:
        yield
    except ChatKitError as error:
        error.run, error.session = run.reference, error.session or run.session
        if run.is_sent:
            error.sent_message = run.inbox.run.message
            error.text = error.text or run.inbox.newest_text()
        raise
    except GeneratorExit:
        raise
    except BaseException as error:
        text = f"the run was started, and is paid for: take it up with {run.resume_call()}"
        if not run.is_sent:
            if run.doubt is None:
                raise
            text = f"the message may have been taken. Before you send it again, {run.doubt}"
        add_note(error, f"edn360-chatkit: {text}", run.session.id)
        raise
