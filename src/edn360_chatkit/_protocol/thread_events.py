"""The streams of the thread protocol, and what they bring.

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
from .._json import as_list, as_object, as_text, is_list, is_object, parse
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
"""The size of a message or part without text, in characters: about what it takes in memory."""
TURN_EVENTS = 1000
"""How many events are taken in before the clock is read and other tasks run."""


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

    Ids are hints: many servers give every item of a run an equal id. A message that is complete
    stays, whatever comes later with its id, until the server removes it.

    Attributes:
        message_id: The id of our message, once the server has stored it.
        taken: Whether the server has stored our message.
        messages: The complete messages, the removals, and the items that wait for the client.
        error: The ``error`` event, if one came.
        received: The size of all data so far, in characters.
        size: The size of all texts so far in characters, and a share for each message.
    """

    thread_id: str | None = None
    message_id: str | None = None
    taken: bool = False
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
        """Count the messages that are being written: no more comes of them."""
        for item_id in list(self._writing):
            self._complete_item(item_id, partial=is_broken)

    def feed(self, data: str, *, watched: bool) -> Iterator[WorkflowEvent | None]:
        """Read the data of one server-sent event: one event of the protocol, or a list of them.

        Each event is taken in when its turn comes: a list may have millions.

        Yields:
            The events for the caller, each with its JSON in ``data``; unwatched ``None`` for each.
        """
        self.received += len(data)
        try:
            value = parse(data)
        except ValueError:
            # Not of this protocol: an empty event, or a proxy's text.
            return
        for entry in as_list(value) if is_list(value) else [value]:
            if is_object(entry):
                event = as_object(entry)
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
        if kind == "user_message" and not self.taken:
            self.message_id = id_of(item.get("id"))
        elif kind == "assistant_message":
            self._assistant_item(item_id, item, done=done)
        elif done and role_of(item) == "client":
            self.messages.append(SessionMessage(item_id, "client", name_of(item)))
        # Any item shows that the server has stored our message.
        self.taken = True

    def _assistant_item(self, item_id: str, item: dict[str, Any], *, done: bool) -> None:
        contents = [text_of([part])[0] for part in as_list(item.get("content"))]
        refusal = refusal_of(item.get("content"))
        complete = None if item_id in self._writing else self._complete.get(item_id)
        if done and complete == "".join(contents) and not refusal:
            return  # the same text again
        writing = self._begin(item_id)
        writing.refusal = refusal
        if any(contents):
            for index in [index for index in writing.parts if index >= len(contents)]:
                del writing.parts[index]
            for index, content in enumerate(contents):
                self.size += writing.write(index, content, anew=True)
        # adk-chatkit sends ``done`` without a text after each delta: the message goes on.
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
    """A run whose stream is open. Several calls can read it, one after the other.

    Attributes:
        run: What finds the run again.
        sent: The text of its message.
        limit: The most text that is kept of the stream, in characters.
        events: The events that no caller has seen yet.
        ended: Whether the stream has ended.
        failure: Why the stream broke, if it did.
    """

    stream: Stream
    reader: ThreadReader
    run: RunReference
    sent: str | None = field(repr=False)
    limit: int
    events: list[WorkflowEvent] = field(default_factory=list[WorkflowEvent], repr=False)
    ended: bool = False
    failure: APIConnectionError | None = None
    # What has arrived and is not taken in, and whether there may be more of it.
    _arrived: Iterator[WorkflowEvent | None] = field(default=iter(()), repr=False)
    _goes_on: bool = False
    # Who takes the only entry may read; taking it is atomic.
    _turn: list[None] = field(default_factory=lambda: [None])

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended or is broken."""
        return self.ended or self.failure is not None

    def begin(self) -> bool:
        """Take the turn to read; ``False`` while another call has it."""
        with suppress(IndexError):
            self._turn.pop()
            return True
        return False

    def finish(self) -> None:
        """Give the turn back."""
        self._turn.append(None)

    def catch_up(self) -> Operation[None]:
        """Read what has arrived, without waiting."""
        with suppress(APIConnectionError):
            while (yield from self.read(watched=True, wait=False)):
                pass
        if self.is_over:
            # This call has read from it, and closes it.
            self.stream.keep_open = False

    def read(self, *, watched: bool, wait: bool = True) -> Operation[bool]:
        """Read on; returns whether something came. An ``APIConnectionError``: the stream broke.

        No frame holds the data while others run.
        """
        if self.failure is not None:
            raise self.failure
        if self.ended:
            return False
        arrived = True
        try:
            if self._goes_on:
                yield from sleep(0)
            else:
                data = yield from read(self.stream, wait=wait)
                self.ended, arrived = data is None, bool(data)
                feed = partial(self.reader.feed, watched=watched)
                self._arrived = chain.from_iterable(map(feed, data or ()))
                del data
        except APIConnectionError as error:
            # The stream is the answer to the message.
            error.may_have_arrived = True
            self.failure = error
            self.reader.end(is_broken=True)
            raise
        turn = list(islice(self._arrived, TURN_EVENTS))
        self._goes_on = len(turn) == TURN_EVENTS
        self.events += [event for event in turn if event is not None]
        del turn
        is_full = self.reader.size > self.limit
        if self.ended or is_full:
            self.reader.end(is_broken=not self.ended)
        if is_full:
            raise APIError(
                f"The stream brought more than {self.limit} bytes to keep. Raise "
                "max_response_bytes=... if you trust the server; the run can be taken up again."
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
