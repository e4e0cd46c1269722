"""The workflow: a session, the message and the answer, in the server's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeVar

from .._config import Config
from .._effects import Emitting, Operation, emit, now
from ..errors import EndpointNotFoundError, WorkflowError
from ..events import (
    MessageSentEvent,
    RunStatus,
    WorkflowEvent,
    WorkflowResponse,
)
from ..models.base import build_models
from ..models.run import RunReference
from ..models.session import ChatSession
from .api import Api, make_api
from .inbox import Inbox
from .inputs import Prepared
from .logs import log_info
from .mending import json_repair
from .quoting import server_words
from .retry import pauses
from .run import Protocol, Run, Waiting, noted
from .session_messages import SessionMessages
from .threads import Threads

E = TypeVar("E")
T = TypeVar("T")


class Workflow:
    """The steps of a run as operations.

    Threads share it. It learns the server's protocol with the first run, in one attribute.
    """

    def __init__(self, config: Config) -> None:
        self.api: Api = make_api(config)
        self._messages = SessionMessages(self.api)
        self._threads = Threads(self.api)
        self._protocol: Literal["auto", "messages", "threads"] = config.protocol
        # Here and not within a run: a Ctrl-C leaves a broken-off import half loaded.
        pauses()
        json_repair()
        build_models()

    def create_session(self, user: str, options: Mapping[str, object]) -> Operation[ChatSession]:
        """The first step: a session of the API, or a local one for a self-hosted server."""
        return self.api.create_session(user, options)

    def send_message(
        self, session: ChatSession, prepared: Prepared, waiting: Waiting
    ) -> Emitting[WorkflowEvent, RunReference]:
        """The second step: send a message in a session."""
        run = Run(session, waiting, (yield from now()), held=True)
        prepared.log(session.id)
        with noted(run):
            _, reference = yield from self._start(run, prepared)
            return reference

    def poll_response(
        self, session: ChatSession, reference: RunReference, waiting: Waiting, *, watched: bool
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """The third step: wait for the answer."""
        run = Run(session, waiting, (yield from now()), watched=watched)
        with noted(run):
            return (yield from self._take_up(run, reference, lambda protocol: protocol.follow))

    def retrieve_run(
        self, session: ChatSession, reference: RunReference, waiting: Waiting
    ) -> Operation[RunStatus]:
        """Read the state of a run once."""
        run = Run(session, waiting, (yield from now()))
        try:
            with noted(run):
                response = yield from self._take_up(run, reference, lambda protocol: protocol.check)
        except WorkflowError as error:
            # Its frames hold the answer.
            error.__traceback__ = None
            return RunStatus(run=reference, state="failed", steps=run.steps, error=error)
        return RunStatus(
            run=run.reference or reference,
            state="running" if response is None else "done",
            steps=run.steps,
            response=response,
        )

    def start(
        self, prepared: Prepared, user: str, waiting: Waiting
    ) -> Emitting[WorkflowEvent, RunReference]:
        """A session and the message, for another call to follow."""
        run = yield from self._begin(prepared, user, waiting)
        run.held = True
        with noted(run):
            _, reference = yield from self._start(run, prepared)
            yield from emit(MessageSentEvent(run=reference))
            return reference

    def run(
        self, prepared: Prepared, user: str, waiting: Waiting, *, watched: bool
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """The three steps: a session, the message, the answer."""
        run = yield from self._begin(prepared, user, waiting)
        run.watched = watched
        return (yield from self._send_and_follow(run, prepared))

    def run_in_doubt(
        self, prepared: Prepared, reference: RunReference, waiting: Waiting
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """As :meth:`run`, in the session where an earlier process may have sent the message."""
        started = yield from now()
        run = Run(reference.session, waiting, started, own_session=True, sent_before=reference)
        return (yield from self._send_and_follow(run, prepared))

    def _send_and_follow(
        self, run: Run, prepared: Prepared
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        with noted(run):
            protocol, reference = yield from self._start(run, prepared)
            yield from emit(MessageSentEvent(run=reference))
            return (yield from protocol.follow(run, run.sent(reference)))

    def _begin(self, prepared: Prepared, user: str, waiting: Waiting) -> Operation[Run]:
        started = yield from now()
        session = yield from self.create_session(user, {})
        prepared.log(session.id)
        return Run(session, waiting, started, own_session=True)

    def _take_up(
        self,
        run: Run,
        reference: RunReference,
        method: Callable[[Protocol], Callable[[Run, Inbox], Emitting[E, T]]],
    ) -> Emitting[E, T]:
        """Call a method of the protocol of an earlier run."""
        inbox = run.sent(reference)
        _, thread_id = self._threads.thread_of(run.session)
        in_thread = reference.thread_id is not None or thread_id is not None
        protocol = self._threads if in_thread else self._current()
        undecided = protocol is self._messages and self._protocol == "auto"
        try:
            return (yield from method(protocol)(run, inbox))
        except EndpointNotFoundError as error:
            # The protocol stays undecided: the reference may be at fault.
            if not undecided or not _is_refused(error):
                raise
        return (yield from method(self._threads)(run, inbox))

    def _current(self) -> Protocol:
        return self._threads if self._protocol == "threads" else self._messages

    def _start(
        self, run: Run, prepared: Prepared
    ) -> Emitting[WorkflowEvent, tuple[Protocol, RunReference]]:
        """Send the message; the protocol that has taken it follows the run."""
        run.sent_text = prepared.text
        # Several runs may start before one of them has learned the protocol.
        undecided = self._protocol == "auto"
        protocol = self._current()
        try:
            reference = yield from protocol.start(run, prepared)
        except EndpointNotFoundError as error:
            if not undecided or self._protocol == "messages":
                raise
            if not _is_refused(error, in_doubt=run.sent_before is not None):
                raise
            refusal = error
        else:
            # Without an id, the response may be a proxy's page and not the API's.
            if self._protocol == "auto" and reference.message_id is not None:
                self._protocol = "messages"
            return protocol, reference
        if run.sent_before is not None:
            # Nothing was sent here, so nothing is learned.
            return self._threads, (yield from self._threads.start(run, prepared))
        self._protocol = "threads"
        if run.session.client_secret is None:
            refusal.message += (
                " This session has no client secret, which the thread protocol needs: sessions "
                "lose it when they are stored. Make a new one with create_session(...)."
            )
            raise refusal
        log_info(run.session.id, "no session messages here: using the thread protocol")
        return self._threads, (yield from self._threads.start(run, prepared))


def _is_refused(error: EndpointNotFoundError, *, in_doubt: bool = False) -> bool:
    """Whether the API itself says that it has no such endpoint.

    Unless it was in doubt before, no message may be in doubt.
    """
    words = server_words(error.body) or ""
    return words.startswith("Invalid URL") and (in_doubt or not error.may_have_been_taken)
