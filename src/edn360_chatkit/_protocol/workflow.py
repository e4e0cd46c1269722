"""The workflow: a session, the message and the answer, in the server's protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .._config import Config, ProtocolName
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
    """The steps of a run as operations. Threads share it.

    With ``protocol="auto"`` the first run finds the server's protocol.
    """

    def __init__(self, config: Config) -> None:
        self.api: Api = make_api(config)
        self._messages = SessionMessages(self.api)
        self._threads = Threads(self.api)
        self._protocol: ProtocolName = config.protocol
        # Import now and not during a run: after a Ctrl-C, a module stays half loaded.
        pauses()
        json_repair()
        build_models()

    def send_message(
        self, session: ChatSession, prepared: Prepared, waiting: Waiting
    ) -> Emitting[WorkflowEvent, RunReference]:
        """The second step: send a message in a session."""
        run = yield from _new_run(session, prepared, waiting)
        run.keep_open = True
        yield from self._send(run, prepared)
        return run.inbox.reference

    def poll_response(
        self, session: ChatSession, reference: RunReference, waiting: Waiting, *, watched: bool
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """The third step: wait for the answer."""
        inbox, started = Inbox(session, reference), (yield from now())
        run = Run(inbox, waiting, started, is_sent=True, watched=watched)
        return (yield from self._resume(run, lambda protocol: protocol.follow(run)))

    def retrieve_run(
        self, session: ChatSession, reference: RunReference, waiting: Waiting
    ) -> Emitting[WorkflowEvent, RunStatus]:
        """Read the state of a run once."""
        inbox, started = Inbox(session, reference), (yield from now())
        run = Run(inbox, waiting, started, is_sent=True)
        try:
            response = yield from self._resume(run, lambda protocol: protocol.check(run))
        except WorkflowError as error:
            # Its frames hold the answer.
            error.__traceback__ = None
            return RunStatus(run=reference, state="failed", steps=inbox.steps(), error=error)
        return RunStatus(
            run=inbox.reference,
            state="running" if response is None else "done",
            steps=inbox.steps(),
            response=response,
        )

    def start(
        self, prepared: Prepared, user: str, waiting: Waiting
    ) -> Emitting[WorkflowEvent, RunReference]:
        """A session and the message, for another call to follow."""
        run = yield from self._begin(prepared, user, waiting)
        run.keep_open = True
        yield from self._send(run, prepared)
        return run.inbox.reference

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
        run = yield from _new_run(reference.session, prepared, waiting)
        run.own_session, run.earlier_attempt = True, reference
        return (yield from self._send_and_follow(run, prepared))

    def _begin(self, prepared: Prepared, user: str, waiting: Waiting) -> Operation[Run]:
        started = yield from now()
        session = yield from self.api.create_session(user, {})
        run = yield from _new_run(session, prepared, waiting)
        run.started, run.own_session = started, True
        return run

    def _send_and_follow(
        self, run: Run, prepared: Prepared
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        protocol = yield from self._send(run, prepared)
        with noted(run):
            return (yield from protocol.follow(run))

    def _resume(self, run: Run, method: Callable[[Protocol], Emitting[E, T]]) -> Emitting[E, T]:
        """Call a method of an earlier run's protocol."""
        in_thread = run.inbox.reference.thread_id or self._threads.state_of(run.session).thread_id
        protocol = self._threads if in_thread else self._current()
        undecided = protocol is self._messages and self._protocol == "auto"
        with noted(run):
            try:
                return (yield from method(protocol))
            except EndpointNotFoundError as error:
                # The protocol stays undecided: the reference may be wrong.
                if not undecided or not _is_refused(error):
                    raise
            return (yield from method(self._threads))

    def _current(self) -> Protocol:
        return self._threads if self._protocol == "threads" else self._messages

    def _send(self, run: Run, prepared: Prepared) -> Emitting[WorkflowEvent, Protocol]:
        """Send the message; returns the protocol that has sent it."""
        with noted(run):
            protocol = yield from self._start(run, prepared)
            yield from emit(MessageSentEvent(run=run.inbox.reference))
            return protocol

    def _start(self, run: Run, prepared: Prepared) -> Emitting[WorkflowEvent, Protocol]:
        # Other runs may start before this run has found the protocol.
        undecided = self._protocol == "auto"
        protocol = self._current()
        try:
            yield from protocol.start(run, prepared)
        except EndpointNotFoundError as error:
            decided = not undecided or self._protocol == "messages"
            if decided or not _is_refused(error, in_doubt=run.earlier_attempt is not None):
                raise
            refusal = error
        else:
            # Without an id, the response may be a proxy's page and not the API's.
            if self._protocol == "auto" and run.inbox.reference.message_id is not None:
                self._protocol = "messages"
            return protocol
        if run.earlier_attempt is None:
            # This call has sent the message, so the refusal is proof: the endpoint is missing.
            self._protocol = "threads"
            if run.session.client_secret is None:
                refusal.message += (
                    " This session has no client secret, which the thread protocol needs: sessions "
                    "lose it when they are stored. Make a new one with create_session(...)."
                )
                raise refusal
            log_info(run.session.id, "no session messages here: using the thread protocol")
        yield from self._threads.start(run, prepared)
        return self._threads


def _new_run(session: ChatSession, prepared: Prepared, waiting: Waiting) -> Operation[Run]:
    """A run whose message is not sent yet."""
    size, count = len(prepared.text.encode()), prepared.questionnaires
    log_info(session.id, "input prepared: %d bytes, questionnaires: %d", size, count)
    reference = RunReference(session_id=session.id, user=session.user)
    return Run(Inbox(session, reference, message_text=prepared.text), waiting, (yield from now()))


def _is_refused(error: EndpointNotFoundError, *, in_doubt: bool = False) -> bool:
    """Whether the API itself reports that the endpoint does not exist.

    The message must not be in doubt, unless it was before this request (``in_doubt``).
    """
    words = server_words(error.body) or ""
    return words.startswith("Invalid URL") and (in_doubt or not error.may_have_been_taken)
