"""A run over the thread protocol: start it once, follow it to its end, find it again.

The answer comes in the stream that the message is answered with. The stream is held open, since
hanging up cancels the run on a self-hosted server; where it breaks all the same, the thread's items
are read until the answer is there. It is never answered by sending again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import cast

from .._config import Config
from .._effects import Operation, Response, Stream, emit, now, open_stream, read
from ..errors import APIConnectionError, APIError, InvalidInputError, WorkflowFailedError
from ..events import StepEvent, WorkflowEvent, WorkflowResponse, resume_call
from ..models.session import ChatSession, Message
from .inbox import Inbox, Waiting, deliver, poll
from .once import find_ours, send_once
from .quoting import quoted
from .reader import ThreadReader
from .requests import unusable
from .retry import retrying
from .threads import accepted, newest_threads, thread_messages, thread_request, user_input

logger = logging.getLogger("edn360_chatkit")


@dataclass(slots=True)
class LiveRun:
    """A run whose stream is open.

    Attributes:
        message: The message that started it.
        stream: Its stream.
        reader: What the stream has said so far.
        early: What is to be told of it, from before anybody followed it.
        text: The text that was sent.
    """

    message: Message
    stream: Stream
    reader: ThreadReader
    early: list[WorkflowEvent]
    text: str = field(repr=False)


REMEMBERED = 1000
"""How many sessions a client remembers the thread of; the oldest are forgotten first."""


class OpenRuns:
    """What a client knows of its runs: the streams that wait to be read, and the threads."""

    def __init__(self) -> None:
        self._live: dict[tuple[str, str | None], LiveRun] = {}
        self._threads: dict[str, tuple[ChatSession, str]] = {}

    def keep(self, session: ChatSession, run: LiveRun) -> None:
        """Hold a stream open until the run is followed."""
        run.stream.keep_open = True
        self._live[session.id, run.message.id] = run

    def remember(self, session: ChatSession, message: Message) -> None:
        """Note which thread is under way in a session."""
        if message.thread_id is not None:
            self._threads.pop(session.id, None)
            self._threads[session.id] = (session, message.thread_id)
            if len(self._threads) > REMEMBERED:
                self._threads.pop(next(iter(self._threads)))

    def take(self, message: Message) -> LiveRun | None:
        """The run of a message, to follow it; of a session's newest one without an id."""
        key = (message.session_id, message.id)
        if message.id is None:
            ours = [known for known in list(self._live) if known[0] == message.session_id]
            key = ours[-1] if ours else key
        run = self._live.pop(key, None)
        if run is not None:
            run.stream.keep_open = False
        return run

    def known(self, session: ChatSession) -> tuple[ChatSession, str | None]:
        """A session as this client made it, with its user, and the thread under way in it."""
        found, thread_id = self._threads.get(session.id, (session, None))
        return (session if session.user is not None else found), thread_id

    def forget(self) -> list[Stream]:
        """Give up all of them; returns their streams, to be closed."""
        streams = [run.stream for run in self._live.values()]
        self._live.clear()
        return streams


def start_run(
    config: Config, session: ChatSession, text: str, runs: OpenRuns, patience: float
) -> Operation[Message]:
    """Send a text as the user's message, once; returns when the server has taken it.

    Args:
        config: The client's configuration.
        session: The session of the run.
        text: The text of the message.
        runs: The client's runs; the stream is kept there until it is followed.
        patience: The longest silence that the stream may have, in seconds.

    Raises:
        APIError: It was refused, or it could not be found out whether it was taken.
        WorkflowFailedError: The server gave the run up before it began.
    """
    session, thread_id = runs.known(session)
    starting = _Starting(config, session, text, thread_id, patience)
    message, live = yield from send_once(
        starting.send,
        starting.find,
        max_retries=config.max_retries,
        hint=f"look at the user's newest threads with client.threads.list(user={session.user!r})",
    )
    runs.remember(session, message)
    if live is not None:
        runs.keep(session, live)
    logger.info("message sent: %s", message.id or "(no id)")
    return message


class _Starting:
    """The two sides of starting a run: sending its message, and finding it sent."""

    def __init__(
        self,
        config: Config,
        session: ChatSession,
        text: str,
        thread_id: str | None,
        patience: float,
    ) -> None:
        self.config = config
        self.session = session
        self.text = text
        self.thread_id = thread_id
        self.patience = patience
        self._reader = ThreadReader(thread_id=thread_id)

    def send(self) -> Operation[tuple[Message, LiveRun | None]]:
        params: dict[str, object] = {"input": user_input(self.text)}
        kind = "threads.create"
        if self.thread_id is not None:
            kind = "threads.add_user_message"
            params["thread_id"] = self.thread_id
        request = thread_request(self.config, self.session, kind, params, patience=self.patience)
        # A look is for the message that was sent last: what an earlier stream said is past.
        reader = self._reader = ThreadReader(thread_id=self.thread_id)
        opened = yield from open_stream(request)
        if isinstance(opened, Response):
            answer = accepted(self.config, opened, kind)
            raise unusable(self.config, answer, "no event stream")
        early: list[WorkflowEvent] = []
        came = 0
        while not reader.taken:
            try:
                events = yield from read(opened)
            except APIConnectionError:
                raise
            except APIError as error:
                # Too large to be read; the message may have been taken all the same.
                raise APIConnectionError(error.message) from error
            if events is None:
                raise APIConnectionError(
                    "The stream ended before the server said that it has taken the message."
                )
            came += sum(map(len, events))
            if came > self.config.max_response_bytes:
                raise APIConnectionError(
                    "The stream brought more than max_response_bytes=... before the server said "
                    "that it has taken the message."
                )
            for data in events:
                early.extend(reader.feed(data, watched=True))
            inbox = Inbox(self.session, self._message(), sent=self.text)
            _fail_by_error(reader, inbox)
        message = self._message()
        return message, LiveRun(message, opened, reader, early, self.text)

    def _message(self) -> Message:
        return Message(
            id=self._reader.message_id,
            session_id=self.session.id,
            thread_id=self._reader.thread_id,
        )

    def find(self, started: float) -> Operation[tuple[Message, LiveRun | None] | None]:
        # A thread that was made for the message holds no other.
        alone = self.thread_id is None and self._reader.thread_id is not None
        if self._reader.thread_id is not None:
            threads = [self._reader.thread_id]
        else:
            threads = yield from newest_threads(self.config, self.session)
        for thread_id in threads:
            listing = yield from thread_messages(self.config, self.session, thread_id, None)
            waited = (yield from now()) - started
            found = find_ours(listing, self.text, waited, alone=alone)
            if found is not False:
                logger.info("message found in its thread: it had been taken")
                message_id = cast("str | None", found)
                message = Message(id=message_id, session_id=self.session.id, thread_id=thread_id)
                return message, None
        return None


def _fail_by_error(reader: ThreadReader, inbox: Inbox) -> None:
    """Raise the server's ``error`` event, unless a program came before it.

    It is not retried, whatever ``allow_retry`` says: that would be a second, paid run.
    """
    error = reader.error
    if error is None or inbox.has_program():
        return
    said = quoted(error.message or error.code or "no reason given", inbox.sent)
    why = "" if said is None else f": {said.rstrip('.')}"
    raise WorkflowFailedError(
        f"The server gave the run up{why}. Running it again is a second, paid run.",
        session=inbox.session,
        message=inbox.message,
        text=inbox.newest_text(),
        allow_retry=error.allow_retry,
    )


def follow_run(
    config: Config,
    inbox: Inbox,
    waiting: Waiting,
    runs: OpenRuns,
    started: float,
    *,
    watched: bool,
) -> Operation[WorkflowResponse]:
    """Read a run's stream to its end; where there is none any more, the thread's items."""
    failure: APIError | None = None
    live = runs.take(inbox.message)
    if live is not None:
        inbox.message, inbox.sent = live.message, live.text
        try:
            return (yield from _read_to_end(config, live, inbox, waiting, started, watched))
        except APIConnectionError as error:
            failure = error
            logger.warning("stream broke (%s); reading the thread", type(error).__name__)
            # What came before it broke counts: perhaps all of it did.
            inbox.take(live.reader.messages(unfinished=True))
            _fail_by_error(live.reader, inbox)
            if inbox.has_program():
                return (yield from _deliver(inbox, waiting, started))
    inbox.session, thread_id = runs.known(inbox.session)
    session, message = inbox.session, inbox.message
    thread_id = message.thread_id or thread_id
    if thread_id is None:
        raise InvalidInputError(
            "It is not known which thread the run is in: pass the stored Message as after=..., "
            "which knows its thread, not just its id."
        )
    return (
        yield from poll(
            lambda: thread_messages(config, session, thread_id, message.id),
            inbox,
            waiting,
            started,
            failure,
        )
    )


def _read_to_end(
    config: Config,
    live: LiveRun,
    inbox: Inbox,
    waiting: Waiting,
    started: float,
    watched: bool,
) -> Operation[WorkflowResponse]:
    reader = live.reader
    for event in live.early if watched else ():
        yield from emit(event)
    while (events := (yield from read(live.stream))) is not None:
        for data in events:
            for event in reader.feed(data, watched=watched):
                yield from emit(event)
        if reader.size > config.max_response_bytes:
            inbox.take(reader.messages(unfinished=True))
            raise APIError(
                f"The stream brought more than {config.max_response_bytes} bytes to keep. Raise "
                "max_response_bytes=... if the server is to be trusted; the run can be taken up "
                "again."
            )
        if reader.news:
            # A message is done: it may be a step, or the end of the run already.
            reader.news = False
            for step in inbox.take(reader.messages(unfinished=False)):
                yield from emit(step)
            if waiting.answer == "first":
                inbox.response("first", 1, 0.0)
    reader.finish()
    for step in inbox.take(reader.messages(unfinished=True)):
        yield from emit(step)
    _fail_by_error(reader, inbox)
    if waiting.answer == "program" and not inbox.is_settled():
        # A proxy may have ended the stream in order for a server that could not: what is stored
        # counts.
        for step in (yield from _look(config, live, inbox)):
            yield from emit(step)
    return (yield from _deliver(inbox, waiting, started))


def _look(config: Config, live: LiveRun, inbox: Inbox) -> Operation[list[StepEvent]]:
    """Take in what the thread holds; nothing where it can't be read."""
    thread_id, message_id = live.reader.thread_id, live.reader.message_id
    if thread_id is None:
        return []
    try:
        listing = yield from retrying(
            lambda: thread_messages(config, inbox.session, thread_id, message_id),
            max_retries=config.max_retries,
        )
    except APIError as error:
        logger.warning("the thread can't be read (%s)", type(error).__name__)
        return []
    return inbox.take(listing.messages)


def _deliver(inbox: Inbox, waiting: Waiting, started: float) -> Operation[WorkflowResponse]:
    """The response that a stream has brought, or the error that its end is."""
    response = inbox.response(waiting.answer, 1, (yield from now()) - started)
    if response is None:
        inbox.give_up(
            "The stream ended without an answer, which is the end of the run. What its thread "
            f"holds can be read with {resume_call(inbox.session, inbox.message)}."
        )
    yield from deliver(response)
    return response
