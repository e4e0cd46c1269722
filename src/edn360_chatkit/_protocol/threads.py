"""ChatKit's thread protocol: the server answers a message with a stream of the run's events.

Closing the stream cancels the run on a self-hosted server, so it stays open. If it breaks, the
thread's items are read until the answer is there. The message is never sent again for that.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from .._effects import Emitting, Operation, Response, emit, open_stream, sleep
from ..errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    InvalidInputError,
    NotFoundError,
    WorkflowError,
)
from ..events import SessionCreatedEvent, WorkflowEvent, WorkflowResponse
from ..models.run import RunReference, digest
from ..models.session import ChatSession
from .api import Api, Lookup
from .inputs import Prepared
from .listing import DoubtError, SessionMessage
from .logs import log_warning
from .pages import read_back_to, read_new
from .polling import poll
from .responses import unusable
from .retry import is_deadline
from .run import Protocol, Run, deliver
from .sending import Baseline, EarlierBaseline, Sender, our_message
from .thread_events import LiveRun, ThreadReader

PAGE = 50
"""The size of a page of a thread's items."""
MOST_NEW_THREADS = 10
"""The largest number of new threads that are searched for a message."""
TURN = 0.01
"""The pause before the next try to read a stream that another call reads, in seconds."""
MOST_SESSIONS = 500
"""The number of sessions without an open stream that a client remembers: the newest ones."""


@dataclass(slots=True, eq=False)
class _SessionState:
    """A session as the client knows it: its user, its newest thread, and its streams.

    A stream is here until a call follows it. The stream of a failed run is put back, since the
    thread may not show the failure.
    """

    session: ChatSession
    thread_id: str | None = None
    streams: list[LiveRun] = field(default_factory=list[LiveRun])

    def owned(self, session: ChatSession) -> ChatSession:
        """The session with its user: a session that is made from an id has none."""
        return self.session if session.user is None else session

    def find(self, run: RunReference) -> LiveRun | None:
        """The stream of a run. A reference without a message id can match several streams."""
        streams = [live for live in self.streams if _matches(live, run)]
        # With a ``previous_id`` the run is the oldest of them; without it, the newest.
        return streams[-1 if run.previous_id is None else 0] if streams else None

    def take(self, run: RunReference) -> LiveRun | None:
        """Remove the stream of a run, so that one call has it."""
        live = self.find(run)
        with suppress(ValueError):
            if live is not None:
                self.streams.remove(live)
                return live
        return None


def _matches(live: LiveRun, reference: RunReference) -> bool:
    """Whether a reference may belong to a run of its session."""
    run = live.reference
    if reference.message_id is not None:
        return reference.message_id == run.message_id
    if reference.message_digest is not None:
        return reference.message_digest == digest(live.message_text or "")
    same_thread = reference.thread_id in (None, run.thread_id)
    return same_thread and reference.previous_id in (None, run.previous_id)


class Threads(Protocol):
    """Runs over the thread protocol, and their open streams.

    OS threads share it without a lock: each change is an atomic operation on a dict or list.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._sessions: dict[str, _SessionState] = {}

    def state_of(self, session: ChatSession) -> _SessionState:
        """The state of a session; a new state if the client does not know the session."""
        return self._sessions.get(session.id, _SessionState(session))

    def start(self, run: Run, prepared: Prepared) -> Emitting[SessionCreatedEvent, None]:
        # Another OS thread may send in this session at this moment.
        state = self._sessions.setdefault(run.session.id, _SessionState(run.session))
        run.inbox.session = state.session = state.owned(run.session)
        yield from _ThreadSender(self._api, run, prepared, state.thread_id).send_once()
        state.thread_id = run.inbox.reference.thread_id or state.thread_id
        if run.keep_open and run.live is not None:
            run.live.stream.keep_open = True
            state.streams.append(run.live)
        # It may have been forgotten meanwhile.
        self._sessions[run.session.id] = state
        for oldest in list(self._sessions)[:-MOST_SESSIONS]:
            streams = self._sessions.get(oldest, state).streams
            if all(live.is_over for live in streams):
                self._sessions.pop(oldest, None)

    def read_messages(self, run: Run) -> Operation[list[SessionMessage]]:
        inbox, state = run.inbox, self.state_of(run.session)
        inbox.session = state.owned(inbox.session)
        user = inbox.session.user
        thread_id = inbox.reference.thread_id
        if inbox.reference.previous_thread_id is None:
            # With a ``previous_thread_id``, the session's thread may be that of another message.
            thread_id = thread_id or state.thread_id
        if thread_id is None:
            if inbox.reference.previous_thread_id is None:
                raise InvalidInputError(
                    f"The thread of this run is not known: the session {run.session.id!r} has no "
                    "message yet, another client sent it, or the run is on another server, with "
                    "session messages. Read it there, or find its thread among the user's newest "
                    f"threads with client.threads.list(user={user!r}), and pass a RunReference "
                    "with its thread_id."
                )
            before = EarlierBaseline(inbox.reference.previous_thread_id)
            reference = yield from _find_thread(self._api, before, inbox.reference)
            if reference is None:
                return []
            inbox.reference, thread_id = reference, reference.thread_id
        items = self._api.lookup("items.list", user, thread_id)
        try:
            return (yield from read_back_to(self._api, items, inbox.reference.message_id, PAGE))
        except NotFoundError as error:
            if run.live is None:
                raise
            # Its stream has named the thread, so it exists: the server can't read it just now.
            raise APIConnectionError(error.message) from error

    def follow(self, run: Run) -> Emitting[WorkflowEvent, WorkflowResponse]:
        state = self.state_of(run.session)
        live = run.live or state.take(run.inbox.reference)
        if live is None:
            return (yield from poll(self, run))
        call = object()
        while not live.may_read(call):
            yield from sleep(TURN)
        live.stream.keep_open = False
        run.continue_with(live)
        failure: APIError | None = None
        try:
            try:
                yield from self._read(run, live)
                response = yield from self._conclude(run, live)
            except (APIConnectionError, APIStatusError) as error:
                failure, response = error, None
            if failure is not None:
                if not is_deadline(failure):
                    name = type(failure).__name__
                    log_warning(run.session.id, "stream broke (%s); reading the thread", name)
                run.inbox.follow(live.reader.messages)
                run.inbox.check_error(live.reader.error)
                if run.inbox.has_program():
                    response = yield from run.response()
            return (yield from deliver(run, response) if response else poll(self, run, failure))
        except WorkflowError:
            if live.is_over:
                live.readers.remove(call)
                state.streams.append(live)
            raise

    def _read(self, run: Run, live: LiveRun) -> Emitting[WorkflowEvent, None]:
        """Read the stream to its end."""
        while True:
            events, live.events = live.events, []
            for event in (*events, *run.inbox.follow(live.reader.messages)):
                yield from emit(event, live.stream)
            if run.waiting.answer == "first":
                run.inbox.response("first", 1, 0.0)
            if live.ended:
                break
            yield from live.read(watched=run.watched)

    def check(self, run: Run) -> Emitting[WorkflowEvent, WorkflowResponse | None]:
        live = self.state_of(run.session).find(run.inbox.reference)
        if live is None or live.readers:
            return (yield from super().check(run))
        call = object()
        try:
            if not live.may_read(call):
                live.readers.remove(call)
                return (yield from super().check(run))
            run.continue_with(live)
            yield from live.catch_up()
            try:
                return (yield from self._conclude(run, live))
            except APIError:
                # While the stream is open, the server may not have stored its thread.
                if live.is_over:
                    raise
            return (yield from run.response())
        finally:
            if call in live.readers:
                live.readers.remove(call)

    def _conclude(
        self, run: Run, live: LiveRun
    ) -> Emitting[WorkflowEvent, WorkflowResponse | None]:
        """The response in the stream or in its thread; raises the error of a failed run.

        A buffer may hold the newest data of an open stream. A proxy may end the stream in order
        although the server has crashed: if the thread can't be read, the end is no proof.
        """
        inbox = run.inbox
        inbox.follow(live.reader.messages)
        inbox.check_error(live.reader.error)
        if run.waiting.answer == "program" and not inbox.is_settled():
            for step in inbox.take((yield from self.read_messages(run))):
                yield from emit(step)
        response = yield from run.response()
        if response is None and live.ended:
            inbox.end_of_run(awaited=run.waiting.awaited)
        return response


class _ThreadSender(Sender):
    """Sends the message of a run, in a new thread or in the thread of its session."""

    def __init__(self, api: Api, run: Run, prepared: Prepared, thread_id: str | None) -> None:
        super().__init__(api, run, prepared)
        self._thread_id = thread_id
        self._reader = ThreadReader(thread_id=thread_id)

    def read_baseline(self) -> Operation[Baseline | None]:
        if self.run.earlier_attempt is not None:
            previous_id = self.run.earlier_attempt.previous_thread_id
            return None if previous_id is None else EarlierBaseline(previous_id)
        # A session without a client secret fails before the first request.
        self.api.credential(self.run.session)
        return Baseline((yield from _entries(self.api, self.run.session.user, self._thread_id)))

    def reference(self, message_id: str | None = None) -> RunReference:
        before, is_new = self.baseline, self._thread_id is None
        is_lost = self._reader.thread_id is None and before is not None
        previous_id = None if before is None else before.previous_id
        return RunReference(
            session_id=self.run.session.id,
            message_id=message_id or self._reader.message_id,
            thread_id=self._reader.thread_id,
            user=self.run.session.user,
            previous_id="" if is_new else previous_id,
            previous_thread_id=previous_id if is_lost else None,
            message_digest=digest(self.prepared.text) if is_lost else None,
        )

    def mark_in_flight(self) -> None:
        super().mark_in_flight()
        if self._reader.thread_id is None:
            user = self.run.session.user
            threads = f"check the user's newest threads with client.threads.list(user={user!r})"
            either = f"{self.run.how_to_check}, or {threads}"
            self.run.how_to_check = either if self.baseline else threads

    def send(self) -> Operation[RunReference]:
        run, limit = self.run, self.api.config.max_response_bytes
        request = self.api.run_request(
            run.session, self.prepared, self._thread_id, run.waiting.patience
        )
        # A look is for the message that is sent now. The thread of an earlier try stayed empty.
        if self._thread_id is None and self._reader.thread_id is not None and self.baseline:
            self.baseline.add(self._reader.thread_id)
        reader, self.own = ThreadReader(thread_id=self._thread_id), False
        self._reader = reader
        self.mark_in_flight()
        stream = yield from open_stream(request)
        if isinstance(stream, Response):
            raise unusable(self.api.check(stream), "no event stream")
        live = LiveRun(stream, reader, run.inbox.reference, self.prepared.text, limit)
        while not reader.message_stored:
            try:
                yield from live.read(watched=True)
            except APIConnectionError:
                raise
            except APIError as error:
                # The stream is too large. If the message is stored, ``follow`` raises this again.
                if not reader.message_stored:
                    raise APIConnectionError(error.message) from error
            if reader.thread_id is not None:
                # A thread that the stream names was made for our message.
                self.own = self._thread_id is None
                self.mark_in_flight()
            run.inbox.check_error(live.reader.error)
            if not reader.message_stored and (live.ended or reader.received > limit):
                end = "ended" if live.ended else "exceeded max_response_bytes=..."
                raise APIConnectionError(
                    f"The stream {end} without a sign that the server has stored the message."
                )
        run.live, live.reference = live, self.reference()
        return live.reference

    def look(self) -> Operation[RunReference | None]:
        user, thread_id = self.run.session.user, self._reader.thread_id
        if thread_id is None and self.baseline is not None:
            reference = self.run.earlier_attempt or self.reference()
            return (yield from _find_thread(self.api, self.baseline, reference))
        message = self.find((yield from _entries(self.api, user, thread_id)))
        return self.reference(message.id) if message else None


def _entries(api: Api, user: str | None, thread_id: str | None) -> Operation[list[SessionMessage]]:
    """The newest items of a thread; for ``None``, the user's newest threads."""
    kind: Lookup = "threads.list" if thread_id is None else "items.list"
    return (yield from read_new(api, api.lookup(kind, user, thread_id)))


def _find_thread(api: Api, before: Baseline, run: RunReference) -> Operation[RunReference | None]:
    """Look for a run's message in the user's new threads."""
    new = before.new((yield from _entries(api, run.user, None)))
    if len(new) > MOST_NEW_THREADS:
        raise DoubtError("The user has many new threads, and ours may be among them.")
    messages: list[SessionMessage] = []
    places: list[str | None] = []
    for thread in new:
        entries = [] if thread.id is None else (yield from _entries(api, run.user, thread.id))
        # A thread without messages may be ours, too.
        messages += entries or [SessionMessage(None, "unknown", "", readable=False)]
        places += [thread.id] * max(1, len(entries))
    message = our_message(messages, run.message_digest)
    if message is not None:
        return RunReference(
            session_id=run.session_id,
            message_id=message.id,
            thread_id=places[messages.index(message)],
            user=run.user,
            previous_id="",
        )
    if new:
        raise DoubtError("The user has a new thread without a message, which may be ours.")
    return None
