"""ChatKit's thread protocol: a run's events come in the stream that answers its message.

Closing the stream cancels the run on a self-hosted server, so it is held open. If it breaks, the
thread's items are read until the answer is there; the message is never sent again for that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from .._effects import Emitting, Operation, Response, Stream, emit, now, open_stream, read
from ..errors import APIConnectionError, APIError, InvalidInputError
from ..events import WorkflowEvent, WorkflowResponse
from ..models.session import ChatSession, Message
from .api import Api
from .inbox import Inbox
from .inputs import Prepared
from .listing import SessionMessage
from .logs import log_warning
from .pages import read_back_to, read_new
from .polling import poll, poll_verdict
from .responses import unusable
from .retry import is_deadline
from .run import Protocol, Run, deliver
from .sending import Baseline, DoubtError, Sender, our_message
from .thread_events import ThreadReader

PAGE = 50
"""The size of a page of a thread's items."""
MOST_NEW_THREADS = 10
"""The largest number of new threads that are searched for a message."""
MOST_SESSIONS = 1000
"""The number of sessions whose thread a client remembers; the oldest are forgotten first."""


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run whose stream is open; ``early`` are the events from before it was followed."""

    message: Message
    stream: Stream
    reader: ThreadReader
    early: list[WorkflowEvent]
    sent_text: str = field(repr=False)


class Threads(Protocol):
    """Runs over the thread protocol, and the streams that wait to be followed.

    Several OS threads share it without a lock: each change is one atomic operation on a dict.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._live: dict[tuple[str, str | None], LiveRun] = {}
        self._threads: dict[str, tuple[ChatSession, str]] = {}

    def known(self, session: ChatSession) -> tuple[ChatSession, str | None]:
        """A session with its user, and the newest thread in it, if this client knows them."""
        earlier, thread_id = self._threads.get(session.id, (session, None))
        return (session if session.user is not None else earlier), thread_id

    def _remember(self, session: ChatSession, thread_id: str) -> None:
        self._threads.pop(session.id, None)
        self._threads[session.id] = (session, thread_id)
        for oldest in list(self._threads)[:-MOST_SESSIONS]:
            self._threads.pop(oldest, None)

    def _release(self, message: Message) -> LiveRun | None:
        """Take the open stream of a run; without an id, the newest one of its session."""
        key = (message.session_id, message.id)
        if message.id is None:
            keys = [key for key in list(self._live) if key[0] == message.session_id]
            key = keys[-1] if keys else key
        live = self._live.pop(key, None)
        if live is not None:
            live.stream.keep_open = False
        return live

    def abandon(self, run: Run) -> None:
        if run.message is not None:
            self._release(run.message)

    def start(self, run: Run, prepared: Prepared) -> Operation[Message]:
        run.session, thread_id = self.known(run.session)
        sender = _Start(self._api, run, prepared, thread_id)
        message = yield from sender.send_once()
        if message.thread_id is not None:
            self._remember(run.session, message.thread_id)
        if sender.live is not None:
            # Open until the run is followed, by this call or by another one.
            sender.live.stream.keep_open = True
            self._live[run.session.id, message.id] = sender.live
        run.sent(message)
        return message

    def look(self, run: Run) -> Operation[list[SessionMessage]]:
        session, thread_id = self.known(run.session)
        message_id = None
        if run.message is not None:
            message_id, thread_id = run.message.id, run.message.thread_id or thread_id
        if thread_id is None:
            raise InvalidInputError(
                f"The thread of this run is not known: the session {run.session.id!r} has no "
                "message yet, or another client sent it. Pass the stored Message as after=..., "
                "which knows its thread; an id alone does not."
            )
        request = partial(self._api.lookup_request, "items.list", session.user, thread_id)
        return (yield from read_back_to(self._api, request, message_id, PAGE))

    def follow(self, run: Run, inbox: Inbox) -> Emitting[WorkflowEvent, WorkflowResponse]:
        live = self._release(inbox.message)
        if live is None:
            run.session, _ = self.known(run.session)
            return (yield from poll(self, run, inbox))
        run.sent_text = live.sent_text
        inbox = run.sent(live.message)
        try:
            yield from self._follow_stream(run, inbox, live)
        except APIConnectionError as error:
            failure = error
        else:
            return (yield from _end(run, inbox))
        if not is_deadline(failure):
            name = type(failure).__name__
            log_warning(run.session.id, "stream broke (%s); reading the thread", name)
        # What came before it broke counts.
        inbox.take(live.reader.messages(unfinished=True))
        _fail_by_error(live.reader, inbox)
        if inbox.has_program():
            return (yield from _end(run, inbox))
        return (yield from poll(self, run, inbox, failure))

    def _follow_stream(
        self, run: Run, inbox: Inbox, live: LiveRun
    ) -> Emitting[WorkflowEvent, None]:
        """Read the stream to its end; then the thread, if the answer is not there.

        An ``APIConnectionError`` says that the stream broke, or that its end proves nothing.
        """
        reader, limit = live.reader, self._api.config.max_response_bytes
        for event in live.early if run.watched else ():
            yield from emit(event, live.stream)
        while (events := (yield from _read(live.stream, reader, watched=run.watched))) is not None:
            for event in events:
                yield from emit(event)
            if reader.size > limit:
                inbox.take(reader.messages(unfinished=True))
                raise APIError(
                    f"The stream brought more than {limit} bytes to keep. Raise "
                    "max_response_bytes=... if you trust the server; the run can be taken up again."
                )
            if reader.news:
                # A message is done: it may be a step, or already the answer.
                for step in inbox.take(reader.messages(unfinished=False)):
                    yield from emit(step)
                if run.waiting.answer == "first":
                    inbox.response("first", 1, 0.0)
        reader.finish()
        for step in inbox.take(reader.messages(unfinished=True)):
            yield from emit(step)
        _fail_by_error(reader, inbox)
        if run.waiting.answer == "program" and not inbox.is_settled():
            yield from self._confirm_end(run, inbox)

    def _confirm_end(self, run: Run, inbox: Inbox) -> Emitting[WorkflowEvent, None]:
        """Read what the thread holds at the end of its stream.

        A proxy may end the stream in order for a server that has stopped. If the thread can't be
        read then, the end of the stream proves nothing.
        """
        try:
            messages = yield from self.look(run)
        except APIConnectionError:
            raise
        except APIError as error:
            if poll_verdict(error) != "final":
                raise APIConnectionError(error.message) from error
            log_warning(run.session.id, "the thread can't be read (%s)", type(error).__name__)
            return
        for step in inbox.take(messages):
            yield from emit(step)


def _read(
    stream: Stream, reader: ThreadReader, *, watched: bool
) -> Operation[list[WorkflowEvent] | None]:
    """Read from a stream; ``None`` at its end. No frame holds the data while others run."""
    data = yield from read(stream)
    if data is None:
        return None
    return [event for one in data for event in reader.feed(one, watched=watched)]


def _end(run: Run, inbox: Inbox) -> Emitting[WorkflowEvent, WorkflowResponse]:
    """The response that a stream has brought, or the error that its end means."""
    response = inbox.response(run.waiting.answer, 1, (yield from now()) - run.started)
    if response is None:
        inbox.end_of_run()
    return (yield from deliver(run, response))


def _fail_by_error(reader: ThreadReader, inbox: Inbox) -> None:
    """Raise the server's ``error`` event, unless a program came before it.

    It is not retried, whatever ``allow_retry`` says: that would be a second, paid run.
    """
    if reader.error is not None and not inbox.has_program():
        inbox.given_up(reader.error)


class _Start(Sender):
    """The message of a run, in a thread that it starts or that is known.

    ``live`` is the run, once its stream says that the server has the message.
    """

    def __init__(self, api: Api, run: Run, prepared: Prepared, thread_id: str | None) -> None:
        user = run.session.user
        hint = f"look at the user's newest threads with client.threads.list(user={user!r})"
        super().__init__(api, run, prepared, hint)
        self._thread_id = thread_id
        self._previous_id = "" if thread_id is None else None
        self._reader = ThreadReader(thread_id=thread_id)
        self.live: LiveRun | None = None

    def read_baseline(self) -> Operation[None]:
        # A session that can't send fails before anything is asked for.
        self.api.credential(self.run.session)
        if self._thread_id is None:
            self.baseline = Baseline(thread.id for thread in (yield from self._newest_threads()))
        else:
            messages = yield from self._messages(self._thread_id)
            self.baseline = Baseline.of(messages)
            users = [message.id for message in messages if message.role == "user"]
            self._previous_id = users[0] if users else ""

    def send(self) -> Operation[Message]:
        run, limit = self.run, self.api.config.max_response_bytes
        request = self.api.run_request(
            run.session, self.prepared, self._thread_id, run.waiting.patience
        )
        # A look is for the message that was sent last. The thread of an earlier try stayed empty.
        if self._thread_id is None and self._reader.thread_id is not None:
            self.baseline.add(self._reader.thread_id)
        reader = self._reader = ThreadReader(thread_id=self._thread_id)
        stream = yield from open_stream(request)
        if isinstance(stream, Response):
            raise unusable(self.api.check(stream), "no event stream")
        early: list[WorkflowEvent] = []
        while not reader.taken:
            try:
                events = yield from _read(stream, reader, watched=True)
            except APIConnectionError:
                raise
            except APIError as error:
                # Too large to be read; the message may have been taken.
                raise APIConnectionError(error.message) from error
            if events is None or (reader.received > limit and not reader.taken):
                end = "ended" if events is None else "brought more than max_response_bytes=..."
                raise APIConnectionError(
                    f"The stream {end} before the server said that it has taken the message."
                )
            early += events
            if not reader.taken:
                inbox = Inbox(run.session, self._message(), sent=run.sent_text)
                _fail_by_error(reader, inbox)
        message = self._message()
        self.live = LiveRun(message, stream, reader, early, self.prepared.text)
        return message

    def can_look(self) -> bool:
        # A thread that the stream has named was started by us.
        return self.baseline_read or (self._thread_id is None and bool(self._reader.thread_id))

    def look(self) -> Operation[Message | None]:
        thread_id = self._reader.thread_id
        if thread_id is None:
            return (yield from self._search_new_threads())
        place = Baseline(own=True) if self._thread_id is None else self.baseline
        message = place.find((yield from self._messages(thread_id)), self.prepared)
        return self._message(message.id, thread_id) if message else None

    def _search_new_threads(self) -> Operation[Message | None]:
        new = self.baseline.new((yield from self._newest_threads()))
        if len(new) > MOST_NEW_THREADS:
            raise DoubtError("The user has many new threads, and one of them can be ours.")
        messages: list[SessionMessage] = []
        places: list[str | None] = []
        for thread in new:
            entries = [] if thread.id is None else (yield from self._messages(thread.id))
            # A thread without messages can be ours, too.
            messages += entries or [SessionMessage(None, "unknown", "", readable=False)]
            places += [thread.id] * max(1, len(entries))
        message = our_message(messages, self.prepared)
        if message is None and new:
            raise DoubtError("The user has a new thread without a message, which can be ours.")
        return self._message(message.id, places[messages.index(message)]) if message else None

    def _messages(self, thread_id: str) -> Operation[list[SessionMessage]]:
        user = self.run.session.user
        request = partial(self.api.lookup_request, "items.list", user, thread_id)
        return (yield from read_new(self.api, request))

    def _newest_threads(self) -> Operation[list[SessionMessage]]:
        """The user's threads as entries of a list, at least the newest ones."""
        user = self.run.session.user
        request = partial(self.api.lookup_request, "threads.list", user, None)
        return (yield from read_new(self.api, request))

    def _message(self, message_id: str | None = None, thread_id: str | None = None) -> Message:
        return Message(
            id=message_id or self._reader.message_id,
            session_id=self.run.session.id,
            thread_id=thread_id or self._reader.thread_id,
            previous_id=self._previous_id,
        )
