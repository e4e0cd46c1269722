"""ChatKit's thread protocol: a run's events come in the stream that answers its message.

Closing the stream cancels the run on a self-hosted server, so it is held open. If it breaks, the
thread's items are read until the answer is there; the message is never sent again for that.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from .api import Api
from .inbox import Inbox
from .inputs import Prepared
from .listing import DoubtError, SessionMessage, newer_than
from .live import LiveRun
from .logs import log_warning
from .pages import read_back_to, read_new
from .polling import poll
from .responses import unusable
from .retry import is_deadline
from .run import Protocol, Run, deliver
from .sending import Baseline, Sender, our_message
from .thread_events import ThreadReader

PAGE = 50
"""The size of a page of a thread's items."""
MOST_NEW_THREADS = 10
"""The largest number of new threads that are searched for a message."""
TURN = 0.01
"""How long to wait for a call that reads what has arrived in a stream, in seconds."""
MOST_ENDED = 100
"""The number of held runs whose stream is over that a client remembers."""
MOST_SESSIONS = 1000
"""The number of sessions whose thread a client remembers; the oldest are forgotten first."""


class Threads(Protocol):
    """Runs over the thread protocol, and the streams that wait to be followed.

    Several OS threads share it without a lock: each change is one atomic operation on a dict.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        # By session and message; by a number if the server gave the message no id.
        self._live: dict[tuple[str, str | int], LiveRun] = {}
        self._threads: dict[str, tuple[ChatSession, str]] = {}

    def thread_of(self, session: ChatSession) -> tuple[ChatSession, str | None]:
        """A session with its user, and the newest thread in it, if this client knows them."""
        earlier, thread_id = self._threads.get(session.id, (session, None))
        return (session if session.user is not None else earlier), thread_id

    def _remember(self, live: LiveRun) -> None:
        run = live.inbox.run
        self._live[run.session_id, run.message_id or id(live)] = live
        for key in [key for key, one in list(self._live.items()) if one.is_over][:-MOST_ENDED]:
            self._live.pop(key, None)

    def _find(self, run: RunReference) -> tuple[str, str | int]:
        """The place of a run's open stream; without a message id, of one that it can stand for."""
        if run.message_id is not None:
            return run.session_id, run.message_id
        live = [key for key, one in list(self._live.items()) if _may_be(one.inbox.run, run)]
        # After a previous message the oldest run comes first; else the newest one is meant.
        return live[-1 if run.previous_id is None else 0] if live else (run.session_id, -1)

    def start(self, run: Run, prepared: Prepared) -> Emitting[SessionCreatedEvent, RunReference]:
        run.session, thread_id = self.thread_of(run.session)
        reference = yield from _Start(self._api, run, prepared, thread_id).send_once()
        if reference.thread_id is not None:
            self._threads.pop(run.session.id, None)
            self._threads[run.session.id] = run.session, reference.thread_id
            for oldest in list(self._threads)[:-MOST_SESSIONS]:
                self._threads.pop(oldest, None)
        if run.held and run.live is not None:
            run.live.stream.keep_open = True
            self._remember(run.live)
        return reference

    def look(self, run: Run, inbox: Inbox) -> Operation[list[SessionMessage]]:
        run.session, thread_id = self.thread_of(run.session)
        thread_id = inbox.run.thread_id or thread_id
        if thread_id is None:
            found = yield from _find_later(self._api, run.session, inbox.run)
            if found is None:
                return []
            inbox.run, thread_id = found, found.thread_id
        items = self._api.lookup("items.list", run.session.user, thread_id)
        try:
            return (yield from read_back_to(self._api, items, inbox.run.message_id, PAGE))
        except NotFoundError as error:
            if run.live is None:
                raise
            # Its stream has named the thread, so it exists: the server can't read it just now.
            raise APIConnectionError(error.message) from error

    def follow(self, run: Run, inbox: Inbox) -> Emitting[WorkflowEvent, WorkflowResponse]:
        live = run.live or self._live.pop(self._find(inbox.run), None)
        if live is None:
            return (yield from poll(self, run, inbox))
        while not live.begin():
            yield from sleep(TURN)
        live.stream.keep_open = False
        run.take_over(live)
        try:
            return (yield from self._follow_live(run, live))
        except WorkflowError:
            # The thread may not show the failure to a later look.
            if live.is_over:
                self._remember(live)
                live.finish()
            raise

    def _follow_live(self, run: Run, live: LiveRun) -> Emitting[WorkflowEvent, WorkflowResponse]:
        """Read the stream to its end; where it breaks, go on with the thread."""
        failure: APIError | None = None
        try:
            yield from self._follow_stream(run, live)
        except (APIConnectionError, APIStatusError) as error:
            failure = error
        if failure is not None:
            if not is_deadline(failure):
                name = type(failure).__name__
                log_warning(run.session.id, "stream broke (%s); reading the thread", name)
            live.break_off()
            if not live.inbox.has_program():
                return (yield from poll(self, run, live.inbox, failure))
        response = yield from run.response()
        if response is None:
            live.inbox.end_of_run(awaited=run.waiting.awaited)
        return (yield from deliver(run, response))

    def _follow_stream(self, run: Run, live: LiveRun) -> Emitting[WorkflowEvent, None]:
        """Read the stream to its end; then the thread, if the answer is not there.

        A proxy may end the stream in order for a server that has stopped. If the thread can't be
        read then, the end of the stream proves nothing.
        """
        while True:
            for event in live.take_events():
                yield from emit(event, live.stream)
            if live.ended:
                break
            if live.failure is not None:
                raise live.failure
            yield from live.read(watched=run.watched)
            if run.waiting.answer == "first":
                live.inbox.response("first", 1, 0.0)
        live.check_error()
        if run.waiting.answer == "program" and not live.inbox.is_settled():
            for step in live.inbox.take((yield from self.look(run, live.inbox))):
                yield from emit(step)

    def check(self, run: Run, inbox: Inbox) -> Operation[WorkflowResponse | None]:
        live = self._live.get(self._find(inbox.run))
        if live is None or not live.begin():
            return (yield from super().check(run, inbox))
        try:
            run.take_over(live)
            yield from live.catch_up()
            if not live.inbox.is_settled():
                yield from self._look_beside(run, live)
            return (yield from run.response())
        finally:
            live.finish()

    def _look_beside(self, run: Run, live: LiveRun) -> Operation[None]:
        """Read the thread of an open stream, whose newest data may be in a buffer."""
        live.check_error()
        try:
            live.events += live.inbox.take((yield from self.look(run, live.inbox)))
        except APIError:
            if live.is_over:
                raise
        else:
            if live.ended and not live.inbox.is_settled():
                live.inbox.end_of_run(awaited=run.waiting.awaited)


def _may_be(run: RunReference, reference: RunReference) -> bool:
    """Whether a reference without a message id can stand for a run."""
    same = run.session_id == reference.session_id
    same &= reference.thread_id in (None, run.thread_id)
    return same and reference.previous_id in (None, run.previous_id)


class _Start(Sender):
    """The message of a run, in a thread that it starts or that is known."""

    def __init__(self, api: Api, run: Run, prepared: Prepared, thread_id: str | None) -> None:
        super().__init__(api, run, prepared)
        self._thread_id = thread_id
        self._reader = ThreadReader(thread_id=thread_id)

    def read_baseline(self) -> Operation[None]:
        if self.run.sent_before:
            self.baseline_read = self.run.sent_before.previous_thread_id is not None
            return
        # A session that can't send fails before anything is asked for.
        self.api.credential(self.run.session)
        if self._thread_id is None:
            self.baseline = Baseline((yield from self._newest_threads()))
        else:
            self.baseline = Baseline((yield from self._messages(self._thread_id)))

    def reference(self, message_id: str | None = None) -> RunReference:
        if self.run.sent_before and self._reader.thread_id is None:
            return self.run.sent_before
        is_lost = self._reader.thread_id is None and self.baseline_read
        return RunReference(
            session_id=self.run.session.id,
            message_id=message_id or self._reader.message_id,
            thread_id=self._reader.thread_id,
            user=self.run.session.user,
            previous_id="" if self._thread_id is None else self.previous_id,
            previous_thread_id=self.baseline.previous_id if is_lost else None,
            message_digest=digest(self.prepared.text) if is_lost else None,
        )

    def leaves(self) -> None:
        super().leaves()
        if self._reader.thread_id is not None:
            return
        user = self.run.session.user
        look = f"look at the user's newest threads with client.threads.list(user={user!r})"
        self.run.doubt = f"{self.run.doubt}, or {look}" if self.baseline_read else look
        if not self.baseline_read:
            self.run.reference_in_doubt = None

    def send(self) -> Operation[RunReference]:
        run, limit = self.run, self.api.config.max_response_bytes
        request = self.api.run_request(
            run.session, self.prepared, self._thread_id, run.waiting.patience
        )
        # A look is for the message that was sent last. The thread of an earlier try stayed empty.
        if self._thread_id is None and self._reader.thread_id is not None:
            self.baseline.add(self._reader.thread_id)
        reader = self._reader = ThreadReader(thread_id=self._thread_id)
        self.leaves()
        stream = yield from open_stream(request)
        if isinstance(stream, Response):
            raise unusable(self.api.check(stream), "no event stream")
        inbox = Inbox(run.session, self.reference(), sent=self.prepared.text)
        live = LiveRun(stream, reader, inbox, limit)
        while not reader.taken:
            try:
                yield from live.read(watched=True)
            except APIConnectionError:
                raise
            except APIError as error:
                # Too large to be read. A message that was taken is followed, which raises it again.
                if not reader.taken:
                    raise APIConnectionError(error.message) from error
            inbox.run = self.reference()
            if reader.thread_id is not None:
                self.leaves()
            live.check_error()
            if not reader.taken and (live.ended or reader.received > limit):
                end = "ended" if live.ended else "brought more than max_response_bytes=..."
                raise APIConnectionError(
                    f"The stream {end} before the server said that it has taken the message."
                )
        run.live = live
        return inbox.run

    def can_look(self) -> bool:
        # A thread that the stream has named was started by us.
        return self.baseline_read or (self._thread_id is None and bool(self._reader.thread_id))

    def look(self) -> Operation[RunReference | None]:
        if self._reader.thread_id is None:
            return (yield from self._search_new_threads())
        place = Baseline(own=True) if self._thread_id is None else self.baseline
        message = place.find((yield from self._messages(self._reader.thread_id)), self.prepared)
        return self.reference(message.id) if message else None

    def _search_new_threads(self) -> Operation[RunReference | None]:
        if self.run.sent_before:
            return (yield from _find_later(self.api, self.run.session, self.run.sent_before))
        new = self.baseline.new((yield from self._newest_threads()))
        return (yield from _find_in(self.api, new, self.reference()))

    def _messages(self, thread_id: str) -> Operation[list[SessionMessage]]:
        return (yield from _items(self.api, self.run.session.user, thread_id))

    def _newest_threads(self) -> Operation[list[SessionMessage]]:
        return (yield from _newest_threads(self.api, self.run.session.user))


def _newest_threads(api: Api, user: str | None) -> Operation[list[SessionMessage]]:
    """The user's threads as entries of a list, at least the newest ones."""
    return (yield from read_new(api, api.lookup("threads.list", user, None)))


def _items(api: Api, user: str | None, thread_id: str) -> Operation[list[SessionMessage]]:
    return (yield from read_new(api, api.lookup("items.list", user, thread_id)))


def _find_in(
    api: Api, new: Sequence[SessionMessage], run: RunReference
) -> Operation[RunReference | None]:
    """The reference of a run with its thread, if that is among new ones."""
    if len(new) > MOST_NEW_THREADS:
        raise DoubtError("The user has many new threads, and one of them can be ours.")
    messages: list[SessionMessage] = []
    places: list[str | None] = []
    for thread in new:
        entries = [] if thread.id is None else (yield from _items(api, run.user, thread.id))
        # A thread without messages can be ours, too.
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
        raise DoubtError("The user has a new thread without a message, which can be ours.")
    return None


def _find_later(
    api: Api, session: ChatSession, run: RunReference
) -> Operation[RunReference | None]:
    """As :func:`_find_in`, for a run that an earlier process has started."""
    user = session.user
    if run.previous_thread_id is None:
        raise InvalidInputError(
            f"The thread of this run is not known: the session {session.id!r} has no message yet, "
            "or another client sent it. Look at the user's newest threads with "
            f"client.threads.list(user={user!r}), and pass a RunReference with its thread_id."
        )
    new = newer_than((yield from _newest_threads(api, user)), run.previous_thread_id)
    if new is None:
        raise DoubtError("The thread that was the user's newest one is not listed any more.")
    return (yield from _find_in(api, new, run))
