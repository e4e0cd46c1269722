"""A turn of a thread, as its stream tells it: the user's message and the workflow's run for it.

The events have the names, fields and order that ``openai-chatkit``'s own server gives them, and
are written as it writes them. An item is stored before the event that says so is written, as it
is there. Nothing here waits or sends: a turn is an iterator of events and of times to wait for.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._answers import dumps
from ._host import Item, Run, StreamSettings, Thread
from ._wire import Ids


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing more to tell until a time, by the monotonic clock."""

    until: float


Telling: TypeAlias = Generator["bytes | Wait", None, None]

_PREFIXES = {"workflow": "wf", "task": "tsk", "client_tool_call": "tc"}


def new_item(thread: Thread, ids: Ids, kind: str, **fields: Any) -> Item:
    """An item that is not stored yet, with an id as the thread's server gives them."""
    prefix = "cthi" if thread.hosted else _PREFIXES.get(kind, "msg")
    return Item(ids(prefix), thread.id, kind, fields)


class Turn:
    """One turn. Iterating over it carries the workflow's run out.

    Args:
        thread: Where it happens; the user's message is stored in it already.
        message: The user's message.
        run: What the workflow posts.
        settings: How it is told.
        ids: Gives the ids of new items.
        created: Whether the thread was made for this message.
        title: The title that the thread gets if it has none.
    """

    def __init__(
        self,
        thread: Thread,
        message: Item,
        run: Run,
        settings: StreamSettings,
        ids: Ids,
        *,
        created: bool,
        title: str | None,
    ) -> None:
        self.settings = settings
        self._thread = thread
        self._message = message
        self._run = run
        self._ids = ids
        self._created = created
        self._title = title
        self._sequence = itertools.count(1)
        self._telling = self._tell()

    def __iter__(self) -> Iterator[bytes | Wait]:
        return self._telling

    def cancel(self) -> None:
        """Stop the run where it stands. A message that is half written is stored as it is."""
        self._telling.close()

    # The whole, from the user's message to the end of the stream.

    def _tell(self) -> Telling:
        thread, settings = self._thread, self.settings
        if self._created:
            yield self._event("thread.created", thread=thread.wire())
        yield self._event("thread.item.done", item=self._message.wire())
        yield self._event("stream_options", stream_options={"allow_cancel": True})
        if thread.title is None and self._title is not None:
            thread.title = self._title
            yield self._event("thread.updated", thread=thread.wire())
        if settings.notice is not None:
            yield self._event("notice", level="info", message=settings.notice)
        if settings.every_event:
            yield from self._every_event()
        if settings.unknown_events:
            yield from self._unknown_events()

        failing = settings.stream_error is not None
        texts: list[str | None] = [
            post.text for post in self._run.posts if not (post.is_answer and failing)
        ]
        if failing or not texts:
            texts.append(None)  # the workflow works, and nothing comes of it
        for place, text in enumerate(texts, start=1):
            yield from self._work(place, len(texts))
            if text is not None:
                yield from self._assistant_message(text)
        if settings.stream_error is not None:
            # What openai-chatkit writes for a CustomStreamError and for any other exception.
            error: dict[str, Any] = {"code": "stream.error"}
            if settings.stream_error:
                error = {"code": "custom", "message": settings.stream_error}
            yield self._event("error", **error, allow_retry=settings.allow_retry)
        elif settings.end_of_turn:
            yield self._done(self._new("end_of_turn"))

    def _work(self, place: int, of: int) -> Telling:
        """One agent at work: progress, and a workflow item of two tasks."""
        reading, writing = _task("Read the input"), _task(f"Write message {place}")
        workflow: dict[str, Any] = {"type": "custom", "tasks": [reading], "expanded": False}
        item = self._new("workflow", workflow=workflow)
        yield self._event("progress_update", icon="bolt", text=f"Step {place} of {of}")
        # The first task comes inside the item, as openai-chatkit's agents send it.
        yield self._event("thread.item.added", item=item.wire())
        reading["status_indicator"] = "complete"
        yield self._task_update(item, "updated", 0, reading)
        workflow["tasks"].append(writing)
        yield self._task_update(item, "added", 1, writing)
        yield Wait(self._run.due(place, of))
        writing["status_indicator"] = "complete"
        yield self._task_update(item, "updated", 1, writing)
        workflow["summary"] = {"title": f"Step {place} of {of}"}
        yield self._done(item)

    def _assistant_message(self, text: str) -> Telling:
        """A message of the assistant, in pieces if pieces are wanted."""
        item = self._new("assistant_message", content=[])
        if self.settings.delta_size is not None:
            yield from self._pieces(item, text, self.settings.delta_size or len(text))
        item.fields["content"] = [_output_text(text)]
        if self.settings.unknown_events:
            item.fields["content"].append({"type": "output_hologram", "depth": 3})
        yield self._done(item)

    def _pieces(self, item: Item, text: str, size: int) -> Telling:
        written = 0
        try:
            yield self._event("thread.item.added", item=item.wire())
            yield self._part(item, "added", content=_output_text(""))
            while written < len(text):
                delta = text[written : written + size]
                written += len(delta)
                yield self._part(item, "text_delta", delta=delta)
            yield self._part(item, "done", content=_output_text(text))
        except GeneratorExit:
            # What openai-chatkit's server does with a pending message when it is hung up on.
            if text[:written].strip():
                item.fields["content"] = [_output_text(text[:written])]
                self._thread.items.append(item)
            raise

    # What else there is.

    def _every_event(self) -> Telling:
        """An event, item or update of each known kind that the run itself does not have."""
        yield self._event("client_effect", name="simulated", data={"run": True})
        for kind, fields in _OTHER_ITEMS.items():
            item = self._new(kind, **fields)
            yield self._done(item)
            if kind == "client_tool_call":
                item.fields = {**item.fields, "status": "completed", "output": {"ok": True}}
                yield self._event("thread.item.replaced", item=item.wire())
        withdrawn = self._new("assistant_message", content=[_output_text('{"withdrawn":true}')])
        yield self._done(withdrawn)
        self._thread.items.remove(withdrawn)
        yield self._event("thread.item.removed", item_id=withdrawn.id)

    def _unknown_events(self) -> Telling:
        """Events, items, updates and tasks of kinds that are still to be invented."""
        yield self._event("thread.weather", forecast={"sun": 0.8})
        yield self._update(self._message, "user_message.highlighted", start=0)
        workflow = {"type": "custom", "tasks": [{"type": "dance", "steps": 8}], "expanded": False}
        yield self._done(self._new("workflow", workflow=workflow))
        hologram = self._new("hologram", hologram={"depth": 3}, content="no list of parts")
        yield self._event("thread.item.added", item=hologram.wire())
        yield self._update(hologram, "hologram.turned", degrees=90)
        yield self._done(hologram)

    # How it is written.

    def _new(self, kind: str, **fields: Any) -> Item:
        if self.settings.unknown_events:
            fields["mood"] = "curious"
        return new_item(self._thread, self._ids, kind, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, **fields}
        if self.settings.unknown_events:
            event["sequence_number"] = next(self._sequence)
        return f"data: {dumps(event)}\n\n".encode()

    def _done(self, item: Item) -> bytes:
        self._thread.items.append(item)
        return self._event("thread.item.done", item=item.wire())

    def _update(self, item: Item, kind: str, **fields: Any) -> bytes:
        update = {"type": kind, **fields}
        return self._event("thread.item.updated", item_id=item.id, update=update)

    def _part(self, item: Item, what: str, **fields: Any) -> bytes:
        kind = f"assistant_message.content_part.{what}"
        return self._update(item, kind, content_index=0, **fields)

    def _task_update(self, item: Item, what: str, index: int, task: dict[str, Any]) -> bytes:
        return self._update(item, f"workflow.task.{what}", task_index=index, task=task)


def _output_text(text: str) -> dict[str, Any]:
    return {"annotations": [], "text": text, "type": "output_text"}


def _task(title: str) -> dict[str, Any]:
    return {"status_indicator": "loading", "type": "custom", "title": title}


_OTHER_ITEMS: dict[str, dict[str, Any]] = {
    "task": {
        "task": {
            "status_indicator": "complete",
            "type": "thought",
            "title": "A thought",
            "content": "All of this is simulated.",
        }
    },
    "widget": {
        "widget": {"type": "Card", "children": [{"type": "Text", "value": "Simulated"}]},
        "copy_text": "Simulated",
    },
    "client_tool_call": {
        "status": "pending",
        "call_id": "call_simulated",
        "name": "show_calendar",
        "arguments": {"week": 1},
    },
    "generated_image": {
        "image": {"id": "img_simulated", "url": "https://example.com/simulated.png"}
    },
    "structured_input": {
        "status": "answered",
        "inputs": [
            {
                "id": "days",
                "question": "How many days?",
                "answer": {"values": ["4"], "skipped": False},
                "type": "freeform",
            }
        ],
    },
}
