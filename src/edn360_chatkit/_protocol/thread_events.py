"""The events of a thread protocol stream, read without I/O.

The reference is OpenAI's published server package, ``openai-chatkit`` (``chatkit.types``). Unknown
events, items and updates are passed on unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from itertools import chain
from typing import Any, Literal, TypeAlias, cast

from .._json import parse
from ..events import NoticeEvent, ProgressEvent, RawEvent, TaskEvent, TextDeltaEvent, WorkflowEvent
from .listing import SessionMessage, id_of, refusal_of, text_of, waits_for_client

Change: TypeAlias = Literal["task.added", "task.updated"]

_PART = "assistant_message.content_part."

EMPTY = 400
"""The size of a message or part without text, in characters: about what it takes in memory."""


@dataclass(slots=True)
class _Writing:
    """An assistant message in a stream, part by part."""

    parts: dict[int, StringIO] = field(default_factory=dict[int, StringIO])
    refusal: str | None = None

    def add(self, index: int, text: str) -> int:
        """Append to a part; returns the growth in characters."""
        begun = 0 if index in self.parts else EMPTY
        return begun + self.parts.setdefault(index, StringIO()).write(text)

    def set_part(self, index: int, text: str) -> int:
        """Write a part anew; returns the growth in characters."""
        before = self.parts.pop(index, None)
        self.parts[index] = StringIO(text)
        self.parts[index].seek(0, 2)
        return len(text) + (-before.tell() if before else EMPTY)

    def text(self) -> str:
        return "".join(self.parts[index].getvalue() for index in sorted(self.parts))


@dataclass(slots=True)
class StreamError:
    """An ``error`` event: the server ended the run."""

    code: str | None
    message: str | None = field(repr=False)
    allow_retry: bool | None


@dataclass(slots=True)
class ThreadReader:
    """Reads a stream of the thread protocol.

    Ids are hints: many servers give all items of a run the same id. A message that is complete
    stays, whatever comes later with its id, until the server removes it.

    Attributes:
        thread_id: The id of the thread, once it is known.
        message_id: The id of our message, once the server has stored it.
        taken: Whether the server has stored our message.
        error: The ``error`` event, if one came.
        news: Whether :meth:`messages` has news. The caller resets it.
        size: The size of all texts so far in characters, and a share for each message.
    """

    thread_id: str | None = None
    message_id: str | None = None
    taken: bool = False
    error: StreamError | None = None
    news: bool = False
    size: int = 0
    _writing: dict[str, _Writing] = field(default_factory=dict[str, _Writing], repr=False)
    # The newest complete text of each id. The messages themselves are handed over.
    _complete: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    _new: list[SessionMessage] = field(default_factory=list[SessionMessage], repr=False)
    _last: str | None = field(default=None, repr=False)
    _unknown_removed: bool = False

    def messages(self, *, unfinished: bool) -> list[SessionMessage]:
        """The messages that are new since the last call, newest first.

        Args:
            unfinished: Whether to include messages that are not complete, marked as ``partial``.
        """
        new, self._new = self._new, []
        if unfinished:
            for item_id, writing in self._writing.items():
                new.append(_message(item_id, writing, partial=True))
        return [*new[::-1], SessionMessage(self.message_id, "user", "")]

    def finish(self) -> None:
        """Count all messages as complete: the stream has ended."""
        for item_id in list(self._writing):
            self._complete_item(item_id)

    def feed(self, data: str, *, watched: bool) -> Iterable[WorkflowEvent]:
        """Read the data of one server-sent event: one event of the protocol, or a list of them.

        Args:
            data: The data.
            watched: Whether the caller wants events.

        Returns:
            The events for the caller, each with its JSON in ``data``.
        """
        try:
            value = parse(data)
        except ValueError:
            # Not of this protocol: an empty event, or a proxy's text.
            return ()
        entries = cast("list[object]", value) if isinstance(value, list) else [value]
        events = [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
        for event in events:
            self._take(event)
        return chain.from_iterable(map(_watched_event, events)) if watched else ()

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "thread.item.updated":
            self._update(str(event.get("item_id")), _object(event, "update"))
        elif kind in ("thread.created", "thread.updated"):
            self.thread_id = self.thread_id or _text(_object(event, "thread"), "id")
        elif kind in ("thread.item.added", "thread.item.done", "thread.item.replaced"):
            item = _object(event, "item")
            if kind == "thread.item.replaced":
                self._remove(str(item.get("id")))
            self._item(item, done=kind != "thread.item.added")
        elif kind == "thread.item.removed":
            item_id = str(event.get("item_id"))
            self._unknown_removed = not self._remove(item_id)
        elif kind == "error":
            if self._unknown_removed and self._last is not None:
                # The removal names an id that the stream did not have.
                self._take_back(self._last)
            retry = event.get("allow_retry")
            self.error = StreamError(
                _text(event, "code"),
                _text(event, "message"),
                retry if isinstance(retry, bool) else None,
            )

    def _item(self, item: dict[str, Any], *, done: bool) -> None:
        kind, item_id = item.get("type"), str(item.get("id"))
        self.thread_id = self.thread_id or _text(item, "thread_id")
        waits = waits_for_client(item)
        if kind == "user_message" and not self.taken:
            self.message_id = id_of(item.get("id"))
        elif kind == "assistant_message":
            self._assistant_item(item_id, item, done=done)
        elif waits is not None and done:
            self._hand_over(SessionMessage(item_id, "client", waits))
        # Any item shows that the server has stored our message.
        self.taken = True

    def _assistant_item(self, item_id: str, item: dict[str, Any], *, done: bool) -> None:
        contents = [text_of([part])[0] for part in _list(item, "content")]
        refusal = refusal_of(item.get("content"))
        complete = None if item_id in self._writing else self._complete.get(item_id)
        if done and complete == "".join(contents) and not refusal:
            return  # the same text again
        writing = self._begin(item_id)
        writing.refusal = refusal
        if any(contents):
            self.size -= len(writing.text())
            writing.parts.clear()
            for index, content in enumerate(contents):
                self.size += writing.set_part(index, content)
        # adk-chatkit sends ``done`` without a text after each delta: the message goes on.
        if done and (any(contents) or refusal or not writing.text()):
            self._complete_item(item_id)

    def _update(self, item_id: str, update: dict[str, Any]) -> None:
        kind, index = update.get("type"), _index(update, "content_index")
        if kind == _PART + "text_delta":
            self.size += self._begin(item_id).add(index, _text(update, "delta") or "")
        elif kind in (_PART + "added", _PART + "done"):
            text = text_of([update.get("content")])[0]
            self.size += self._begin(item_id).set_part(index, text)

    def _begin(self, item_id: str) -> _Writing:
        writing = self._writing.get(item_id)
        if writing is None:
            writing = self._writing[item_id] = _Writing()
            self.size += len(item_id) + EMPTY
        return writing

    def _complete_item(self, item_id: str) -> None:
        message = _message(item_id, self._writing.pop(item_id), partial=False)
        self._complete[item_id] = self._last = message.text or message.refusal or ""
        self._unknown_removed = False
        self._hand_over(message)

    def _remove(self, item_id: str) -> bool:
        """Take back the newest text of an item; returns whether the item is known."""
        writing = self._writing.pop(item_id, None)
        if writing is not None:
            self.size -= len(writing.text()) + len(item_id) + EMPTY
            return True
        text = self._complete.pop(item_id, None)
        if text is not None:
            self._take_back(text)
        return text is not None

    def _take_back(self, text: str) -> None:
        self._hand_over(SessionMessage(None, "assistant", text, removed=True))

    def _hand_over(self, message: SessionMessage) -> None:
        self._new.append(message)
        self.news = True


def _message(item_id: str, writing: _Writing, *, partial: bool) -> SessionMessage:
    return SessionMessage(
        item_id, "assistant", writing.text(), partial=partial, refusal=writing.refusal
    )


def _watched_event(event: dict[str, Any]) -> Iterator[WorkflowEvent]:
    """An event of the protocol as events for the caller; raw if there is no class for it."""
    kind = event.get("type")
    if kind == "progress_update":
        text = _text(event, "text") or ""
        yield ProgressEvent(text=text, icon=_text(event, "icon"), data=event)
    elif kind == "notice":
        yield NoticeEvent(
            level=_text(event, "level") or "info",
            message=_text(event, "message") or "",
            title=_text(event, "title"),
            data=event,
        )
    elif kind == "thread.item.updated":
        yield _update_event(event, str(event.get("item_id")), _object(event, "update"))
    elif kind in ("thread.item.added", "thread.item.done"):
        item = _object(event, "item")
        tasks = _list(_object(item, "workflow"), "tasks")
        if item.get("type") == "task":
            tasks = [item.get("task")]
        change: Change = "task.added" if kind == "thread.item.added" else "task.updated"
        for index, task in enumerate(tasks):
            yield _task(change, event, _text(item, "id") or "", index, task)
        if not tasks:
            yield RawEvent(data=event)
    else:
        yield RawEvent(data=event)


def _update_event(event: dict[str, Any], item_id: str, update: dict[str, Any]) -> WorkflowEvent:
    kind = update.get("type")
    if kind == _PART + "text_delta":
        return TextDeltaEvent(item_id=item_id, delta=_text(update, "delta") or "", data=event)
    if kind in ("workflow.task.added", "workflow.task.updated"):
        change: Change = "task.added" if kind == "workflow.task.added" else "task.updated"
        index = _index(update, "task_index")
        return _task(change, event, item_id, index, update.get("task"))
    return RawEvent(data=event)


def _task(
    change: Change,
    event: dict[str, Any],
    item_id: str,
    index: int,
    task: object,
) -> TaskEvent:
    fields = cast("dict[str, Any]", task) if isinstance(task, dict) else {}
    return TaskEvent(type=change, item_id=item_id, index=index, task=fields, data=event)


def _list(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    return list(cast("Iterable[Any]", value)) if isinstance(value, list) else []


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def _index(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) and value >= 0 else 0
