"""One run in flight, and how it can be taken up when it is interrupted."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .._config import AnswerRule
from .._effects import Emitting, Operation, emit
from ..errors import ChatKitError
from ..events import ResponseEvent, WorkflowEvent, WorkflowResponse
from ..models.session import ChatSession, Message, resume_call
from .inbox import Inbox
from .inputs import Prepared
from .listing import SessionMessage
from .logs import log_info, log_warning


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait for an answer, in seconds and polls, and which message is the answer."""

    poll_interval: float
    max_attempts: int
    answer: AnswerRule
    deadline: float = math.inf

    @property
    def patience(self) -> float:
        """How long all polls take, in seconds; a stream may be silent for as long."""
        return self.poll_interval * self.max_attempts


@dataclass(slots=True)
class Run:
    """One run in flight.

    Attributes:
        started: When it began, on the driver's clock.
        sent_text: The message's text, which no error repeats; ``None`` if it is not known.
        watched: Whether the caller reads its events.
        own_session: Whether the session was made for this run, so that no other message is in it.
        sending: Whether its message may have left.
        inbox: The messages of its workflow; ``None`` before its own message is sent.
    """

    session: ChatSession
    waiting: Waiting
    started: float
    sent_text: str | None = field(default=None, repr=False)
    watched: bool = False
    own_session: bool = False
    sending: bool = False
    inbox: Inbox | None = None

    def sent(self, message: Message) -> Inbox:
        """Note that the server has the message; returns the inbox for its answers."""
        self.inbox = Inbox(self.session, message, sent=self.sent_text)
        return self.inbox

    @property
    def message(self) -> Message | None:
        """The message that started the run, once it is sent."""
        return None if self.inbox is None else self.inbox.message


class Protocol(ABC):
    """A way to run a workflow."""

    @abstractmethod
    def start(self, run: Run, prepared: Prepared) -> Operation[Message]:
        """Send the run's message once."""

    @abstractmethod
    def look(self, run: Run) -> Operation[list[SessionMessage]]:
        """Read the run's messages from the server, newest first."""

    @abstractmethod
    def follow(self, run: Run, inbox: Inbox) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """Wait for the answer."""

    def abandon(self, run: Run) -> None:  # noqa: B027 - most protocols hold nothing open
        """Give up what is open of a run that is left. It does no I/O."""


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
        error.session = error.session or run.session
        if run.inbox is not None:
            error.sent_message = error.sent_message or run.message
            error.text = error.text or run.inbox.newest_text()
        raise
    except GeneratorExit:
        raise
    except BaseException as error:
        call = resume_call(run.session, run.message)
        text = f"edn360-chatkit: the run was started, and is paid for: take it up with {call}."
        if run.inbox is None:
            text = (
                f"edn360-chatkit: the message may have been taken: look with {call} or "
                f"client.threads.list(user={run.session.user!r}) before you send it again."
            )
        if run.sending or run.inbox is not None:
            if sys.version_info >= (3, 11):
                error.add_note(text)
            else:
                log_warning(run.session.id, "%s", text)
        raise
