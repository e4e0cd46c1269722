"""The thread protocol's events, read without I/O: what a stream says about a run.

The reference is OpenAI's published server package, ``openai-chatkit`` (``chatkit.types``). An
event, item or update of a type that is not known here is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Literal, TypeAlias, cast

from .._json import parse
from ..events import NoticeEvent, ProgressEvent, RawEvent, TaskEvent, TextDeltaEvent, WorkflowEvent
from .listing import SessionMessage, text_of

Change: TypeAlias = Literal["task.added", "task.updated"]

_PART = "assistant_message.content_part."

EMPTY = 400
"""What a message or a part without text counts for; about what it takes in memory."""


@dataclass(slots=True)
class _AssistantText:
    """An assistant message that is being written, part by part."""

    parts: dict[int, StringIO] = field(default_factory=dict[int, StringIO])
    done: bool = False

    def add(self, index: int, text: str) -> int:
        """Write on in a part; how much text it is more."""
        begun = 0 if index in self.parts else EMPTY
        return begun + self.parts.setdefault(index, StringIO()).write(text)

    def set_part(self, index: int, text: str) -> int:
        """Write a part anew; how much text it is more."""
        before = self.parts.pop(index, None)
        self.parts[index] = StringIO(text)
        self.parts[index].seek(0, 2)
        return len(text) + (-before.tell() if before else EMPTY)

    def text(self) -> str:
        return "".join(self.parts[index].getvalue() for index in sorted(self.parts))


@dataclass(slots=True)
class StreamError:
    """An ``error`` event: the server gave the run up."""

    code: str | None
    message: str | None = field(repr=False)
    allow_retry: bool | None


@dataclass(slots=True)
class ThreadReader:
    """What a stream has said so far about the run of one message.

    Attributes:
        thread_id: The thread, once it is known.
        message_id: Our message, once the server has taken it.
        taken: Whether the server has taken it.
        error: The ``error`` event that came, if one did.
        news: Set when a message is done; whoever reads the messages then takes it back.
        size: How much text is kept, in characters, and something for each message.
    """

    thread_id: str | None = None
    message_id: str | None = None
    taken: bool = False
    error: StreamError | None = None
    news: bool = False
    size: int = 0
    _answers: dict[str, _AssistantText] = field(default_factory=dict[str, _AssistantText])

    def messages(self, *, unfinished: bool) -> list[SessionMessage]:
        """The run's messages, newest first; with those that are still being written or not."""
        answers = [
            SessionMessage(item_id, "assistant", answer.text(), partial=not answer.done)
            for item_id, answer in self._answers.items()
            if answer.done or unfinished
        ]
        return [*answers[::-1], SessionMessage(self.message_id, "user", "")]

    def finish(self) -> None:
        """The stream has ended in order: what has come is all there will be."""
        for answer in self._answers.values():
            answer.done = True

    def feed(self, data: str, *, watched: bool) -> Iterable[WorkflowEvent]:
        """Take in one event.

        Args:
            data: The event's data.
            watched: Whether anybody wants to know; nothing is told otherwise.

        Returns:
            What to tell whoever watches the run. Each has the event as it came in its ``data``.
        """
        try:
            event = parse(data)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            # An empty event or a proxy's noise: nothing of the protocol.
            return ()
        fields = cast("dict[str, Any]", event)
        self._take(fields)
        return _told(fields) if watched else ()

    def _take(self, event: dict[str, Any]) -> None:
        """Learn what an event says about the run."""
        kind = event.get("type")
        if kind == "thread.item.updated":
            self._updated(str(event.get("item_id")), _object(event, "update"))
        elif kind in ("thread.created", "thread.updated"):
            self.thread_id = self.thread_id or _text(_object(event, "thread"), "id")
        elif kind in ("thread.item.added", "thread.item.done", "thread.item.replaced"):
            self._item(_object(event, "item"), done=kind != "thread.item.added")
        elif kind == "thread.item.removed":
            removed = self._answers.pop(str(event.get("item_id")), None)
            self.size -= len(removed.text()) + EMPTY if removed else 0
        elif kind == "error":
            retry = event.get("allow_retry")
            self.error = StreamError(
                _text(event, "code"),
                _text(event, "message"),
                retry if isinstance(retry, bool) else None,
            )

    def _item(self, item: dict[str, Any], *, done: bool) -> None:
        kind, item_id = item.get("type"), _text(item, "id") or ""
        self.thread_id = self.thread_id or _text(item, "thread_id")
        if kind == "user_message" and not self.taken:
            self.message_id = item_id or None
        elif kind == "assistant_message":
            answer = self._answer(item_id)
            answer.done = answer.done or done
            self.news = self.news or done
            self.size -= len(answer.text())
            answer.parts.clear()
            for index, part in enumerate(_list(item, "content")):
                self.size += answer.set_part(index, text_of([part]))
        # Whatever item comes: the server is at work on our message.
        self.taken = True

    def _updated(self, item_id: str, update: dict[str, Any]) -> None:
        kind = update.get("type")
        if kind == _PART + "text_delta":
            answer = self._answer(item_id)
            index = _index(update, "content_index")
            self.size += answer.add(index, _text(update, "delta") or "")
        elif kind in (_PART + "added", _PART + "done"):
            answer = self._answer(item_id)
            index = _index(update, "content_index")
            self.size += answer.set_part(index, text_of([update.get("content")]))

    def _answer(self, item_id: str) -> _AssistantText:
        answer = self._answers.get(item_id)
        if answer is None:
            answer = self._answers[item_id] = _AssistantText()
            self.size += len(item_id) + EMPTY
        return answer


def _told(event: dict[str, Any]) -> Iterator[WorkflowEvent]:
    """An event of the protocol as events for whoever watches; raw where there is no other."""
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
        yield _told_update(event, str(event.get("item_id")), _object(event, "update"))
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


def _told_update(event: dict[str, Any], item_id: str, update: dict[str, Any]) -> WorkflowEvent:
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
