"""Reads the streams of the thread protocol.

The reference is OpenAI's published server package, ``openai-chatkit`` (``chatkit.types``). Unknown
events, items and updates are passed on unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any, Literal, TypeAlias

from .._effects import Operation, Stream, read, sleep
from .._json import as_list, as_object, as_text, is_list, is_object, parse_or_none
from ..errors import APIConnectionError, APIError
from ..events import NoticeEvent, ProgressEvent, RawEvent, TaskEvent, TextDeltaEvent, WorkflowEvent
from ..models.run import RunReference
from .listing import SessionMessage, id_of, name_of, refusal_of, role_of, text_of

_Change: TypeAlias = Literal["task.added", "task.updated"]
_CHANGES: dict[object, _Change] = {
    "thread.item.added": "task.added",
    "thread.item.done": "task.updated",
    "workflow.task.added": "task.added",
    "workflow.task.updated": "task.updated",
}
_PART = "assistant_message.content_part."

EMPTY = 400
"""The size that a message or part counts without its text, in characters: about its memory."""
TURN_EVENTS = 1000
"""The number of events that are read before the clock is read and other tasks run."""


@dataclass(slots=True)
class _Writing:
    """An assistant message in a stream: the pieces of each of its parts."""

    parts: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    refusal: str | None = None

    def write(self, index: int, text: str, *, anew: bool = False) -> int:
        """Append to a part, or write it anew; returns the growth in characters."""
        before = 0 if index in self.parts else -EMPTY
        pieces = self.parts.setdefault(index, [])
        if anew:
            before += sum(map(len, pieces))
            pieces.clear()
        pieces.append(text)
        return max(0, len(text) - before)

    def text(self) -> str:
        return "".join("".join(self.parts[index]) for index in sorted(self.parts))


@dataclass(slots=True)
class StreamError:
    """An ``error`` event: the server ended the run. Its words can repeat the athlete's data."""

    words: str | None = field(repr=False)
    allow_retry: bool | None


@dataclass(slots=True)
class ThreadReader:
    """Reads a stream of the thread protocol.

    Ids are hints: many servers give every item of a run an equal id. A complete message stays until
    the server removes it, even if its id comes again.

    Attributes:
        message_id: The id of our message, once the server has stored it.
        message_stored: Whether the server has stored our message.
        messages: The complete messages, the removals, and the items that wait for the client.
        error: The ``error`` event, or ``None``.
        received: The size of the data so far, in characters.
        size: The size of the texts so far, in characters, with ``EMPTY`` for each message.
    """

    thread_id: str | None = None
    message_id: str | None = None
    message_stored: bool = False
    messages: list[SessionMessage] = field(default_factory=list[SessionMessage], repr=False)
    error: StreamError | None = None
    received: int = 0
    size: int = 0
    _writing: dict[str, _Writing] = field(default_factory=dict[str, _Writing], repr=False)
    # The newest complete text of each id.
    _complete: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    _last: str | None = field(default=None, repr=False)
    _unknown_removed: bool = False

    def end(self, *, is_broken: bool = False) -> None:
        """Complete the messages in progress: the stream has no more of them."""
        for item_id in list(self._writing):
            self._complete_item(item_id, partial=is_broken)

    def feed(self, data: str, *, watched: bool) -> Iterator[WorkflowEvent | None]:
        """Read the data of a server-sent event: an event of the protocol, or a list of events.

        Text of a proxy is ignored. This is a generator, because a list may have millions of events.

        Yields:
            The events for the caller, each with its JSON in ``data``. If the run is not watched,
            ``None`` for each event.
        """
        self.received += len(data)
        value = parse_or_none(data)
        for event in value if is_list(value) else [value]:
            if is_object(event):
                self._take(event)
                yield from _watched_events(event) if watched else (None,)

    def _take(self, event: dict[str, Any]) -> None:
        kind, item = event.get("type"), as_object(event.get("item"))
        if kind == "thread.item.updated":
            self._update(str(event.get("item_id")), as_object(event.get("update")))
        elif kind in ("thread.created", "thread.updated"):
            self.thread_id = self.thread_id or as_text(as_object(event.get("thread")).get("id"))
        elif kind in ("thread.item.added", "thread.item.done", "thread.item.replaced"):
            text = text_of(item.get("content"))[0]
            if kind == "thread.item.replaced" and text != self._complete.get(str(item.get("id"))):
                self._remove(str(item.get("id")))
            self._item(item, done=kind != "thread.item.added")
        elif kind == "thread.item.removed":
            self._unknown_removed = not self._remove(str(event.get("item_id")))
        elif kind == "error":
            if self._unknown_removed and self._last is not None:
                # The removal names an id that the stream did not have.
                self._take_back(self._last)
            words = as_text(event.get("message")) or as_text(event.get("code"))
            retry = event.get("allow_retry")
            self.error = StreamError(words, retry if isinstance(retry, bool) else None)

    def _item(self, item: dict[str, Any], *, done: bool) -> None:
        kind, item_id = item.get("type"), str(item.get("id"))
        self.thread_id = self.thread_id or as_text(item.get("thread_id"))
        if kind == "user_message" and not self.message_stored:
            self.message_id = id_of(item.get("id"))
        elif kind == "assistant_message":
            self._assistant_item(item_id, item, done=done)
        elif done and role_of(item) == "client":
            self.messages.append(SessionMessage(item_id, "client", name_of(item)))
        # Any item shows that the server has stored our message.
        self.message_stored = True

    def _assistant_item(self, item_id: str, item: dict[str, Any], *, done: bool) -> None:
        contents = [text_of([part])[0] for part in as_list(item.get("content"))]
        refusal = refusal_of(item.get("content"))
        complete = None if item_id in self._writing else self._complete.get(item_id)
        if done and complete == "".join(contents) and not refusal:
            return  # a repetition
        writing = self._begin(item_id)
        writing.refusal = refusal
        if any(contents):
            for index in [index for index in writing.parts if index >= len(contents)]:
                del writing.parts[index]
            for index, content in enumerate(contents):
                self.size += writing.write(index, content, anew=True)
        # adk-chatkit sends ``done`` without a text after each delta: the message continues.
        if done and (any(contents) or refusal or not writing.text()):
            self._complete_item(item_id)

    def _update(self, item_id: str, update: dict[str, Any]) -> None:
        kind, index = update.get("type"), _index(update, "content_index")
        if kind == _PART + "text_delta":
            self.size += self._begin(item_id).write(index, _text_in(update, "delta"))
        elif kind in (_PART + "added", _PART + "done"):
            text = text_of([update.get("content")])[0]
            self.size += self._begin(item_id).write(index, text, anew=True)

    def _begin(self, item_id: str) -> _Writing:
        if item_id not in self._writing:
            self._writing[item_id] = _Writing()
            self.size += len(item_id) + EMPTY
        return self._writing[item_id]

    def _complete_item(self, item_id: str, *, partial: bool = False) -> None:
        writing = self._writing.pop(item_id)
        text, refusal = writing.text(), writing.refusal
        self._complete[item_id] = self._last = text or refusal or ""
        self._unknown_removed = False
        self.messages.append(
            SessionMessage(item_id, "assistant", text, partial=partial, refusal=refusal)
        )

    def _remove(self, item_id: str) -> bool:
        """Take back the newest text of an item; returns whether the item is known."""
        if self._writing.pop(item_id, None) is not None:
            return True
        text = self._complete.pop(item_id, None)
        if text is not None:
            self._take_back(text)
        return text is not None

    def _take_back(self, text: str) -> None:
        self.messages.append(SessionMessage(None, "assistant", text, removed=True))


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run with its stream. One call at a time reads it.

    Attributes:
        reference: The reference of the run.
        message_text: The text of its message.
        limit: The most text that is kept of the stream, in characters.
        events: The events that are not delivered yet.
        ended: Whether the stream has ended.
        failure: The error that broke the stream, or ``None``.
        readers: The calls that want to read, oldest first: the first one may.
    """

    stream: Stream
    reader: ThreadReader
    reference: RunReference
    message_text: str | None = field(repr=False)
    limit: int
    events: list[WorkflowEvent] = field(default_factory=list[WorkflowEvent], repr=False)
    ended: bool = False
    failure: APIConnectionError | None = None
    readers: list[object] = field(default_factory=list[object], repr=False)
    # The data that has arrived and is not read yet, and whether there may be more of it.
    _arrived: Iterator[WorkflowEvent | None] = field(default=iter(()), repr=False)
    _has_more: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended or is broken."""
        return self.ended or self.failure is not None

    def may_read(self, call: object) -> bool:
        """Let a call join the readers; returns whether it is the first of them."""
        if call not in self.readers:
            self.readers.append(call)
        return self.readers[0] is call

    def catch_up(self) -> Operation[None]:
        """Read the data that has arrived, without waiting."""
        with suppress(APIConnectionError):
            while (yield from self.read(watched=True, wait=False)):
                pass
        if self.is_over:
            # The driver closes a stream at the end of the operation that has read it.
            self.stream.keep_open = False

    def read(self, *, watched: bool, wait: bool = True) -> Operation[bool]:
        """Read from the stream; returns whether data has arrived.

        Raises:
            APIConnectionError: The stream broke.
            APIError: The texts are too large.
        """
        if self.failure is not None:
            raise self.failure
        if self.ended:
            return False
        arrived = True
        try:
            if self._has_more:
                yield from sleep(0)
            else:
                data = yield from read(self.stream, wait=wait)
                self.ended, arrived = data is None, bool(data)
                feed = partial(self.reader.feed, watched=watched)
                self._arrived = chain.from_iterable(map(feed, data or ()))
                del data
        except APIConnectionError as error:
            # The stream answers the message, so the message has arrived.
            error.may_have_arrived = True
            self.failure = error
            self.reader.end(is_broken=True)
            raise
        events = list(islice(self._arrived, TURN_EVENTS))
        self._has_more = len(events) == TURN_EVENTS
        self.events += [event for event in events if event is not None]
        del events  # so that no frame holds the data while other code runs
        is_full = self.reader.size > self.limit
        if self.ended or is_full:
            self.reader.end(is_broken=not self.ended)
        if is_full:
            raise APIError(
                f"The stream has more than {self.limit} bytes of text. Raise "
                "max_response_bytes=... if you trust the server; the run can be resumed."
            )
        return arrived


def _watched_events(event: dict[str, Any]) -> Iterator[WorkflowEvent]:
    """An event of the protocol as events for the caller; raw if there is no class for it."""
    kind, text = event.get("type"), partial(_text_in, event)
    item, update = as_object(event.get("item")), as_object(event.get("update"))
    item_id = text("item_id") or _text_in(item, "id")
    change = _CHANGES.get(update.get("type") if kind == "thread.item.updated" else kind)
    if kind == "progress_update":
        yield ProgressEvent(text=text("text"), icon=text("icon") or None, data=event)
    elif kind == "notice":
        level, title = text("level") or "info", text("title") or None
        yield NoticeEvent(level=level, message=text("message"), title=title, data=event)
    elif update.get("type") == _PART + "text_delta":
        yield TextDeltaEvent(item_id=item_id, delta=_text_in(update, "delta"), data=event)
    else:
        tasks = list(enumerate(as_list(as_object(item.get("workflow")).get("tasks"))))
        if item.get("type") == "task":
            tasks = [(0, item.get("task"))]
        elif kind == "thread.item.updated":
            tasks = [(_index(update, "task_index"), update.get("task"))]
        if change is None or not tasks:
            yield RawEvent(data=event)
            return
        for index, task in tasks:
            fields = as_object(task)
            yield TaskEvent(type=change, item_id=item_id, index=index, task=fields, data=event)


def _text_in(fields: dict[str, Any], name: str) -> str:
    return as_text(fields.get(name)) or ""


def _index(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
