"""One turn of a thread as events: the user's message, and the workflow's run for it.

The events have the names, fields and order of ``openai-chatkit``'s own server. An item is stored
before the event that announces it. A turn does no I/O: it is an iterator of events, as bytes, and
of monotonic times to wait for.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from typing import Any, TypeAlias

from ._store import Item, Run, Store, Thread
from ._workflow import dumps, output_text, read_data

Steps: TypeAlias = Generator[bytes | float, None, None]

_PREFIXES = {"workflow": "wf", "task": "tsk", "client_tool_call": "tc"}


def new_item(store: Store, thread: Thread, kind: str, **fields: Any) -> Item:
    """An item that is not stored yet."""
    prefix = "cthi" if thread.hosted else _PREFIXES.get(kind, "msg")
    return Item(store.new_id(prefix), thread.id, kind, fields)


def item_data(item: Item) -> dict[str, Any]:
    """An item in the form of the thread protocol."""
    return {
        "id": item.id,
        "thread_id": item.thread_id,
        "created_at": item.created.isoformat(),
        "type": item.type,
        **item.fields,
    }


def thread_data(thread: Thread, items: dict[str, Any] | None = None) -> dict[str, Any]:
    """A thread in the form of the thread protocol, with a page of its items or an empty one."""
    return {
        **({} if thread.title is None else {"title": thread.title}),
        "id": thread.id,
        "created_at": thread.created.isoformat(),
        "status": {"type": "active"},
        "metadata": {},
        "items": items or {"data": [], "has_more": False},
    }


class Turn:
    """One turn, for the user's message at the end of a thread; iterating over it runs it.

    ``created`` says whether the thread is new; ``title`` is the title for one without a title.
    """

    def __init__(
        self, store: Store, thread: Thread, run: Run, *, created: bool, title: str | None
    ) -> None:
        self.settings = run.settings
        self._store = store
        self._thread = thread
        self._message = thread.items[-1]
        self._run = run
        self._sequence = itertools.count(1)
        self._steps = self._all_steps(created, title)

    def __iter__(self) -> Iterator[bytes | float]:
        return self._steps

    def cancel(self) -> None:
        """End the run here. A half-written message is stored as it is."""
        self._steps.close()

    def _all_steps(self, created: bool, title: str | None) -> Steps:
        thread, settings = self._thread, self.settings
        if created:
            yield self._event("thread.created", thread=thread_data(thread))
        yield self._event("thread.item.done", item=item_data(self._message))
        yield self._event("stream_options", stream_options={"allow_cancel": True})
        if thread.title is None and title is not None:
            thread.title = title
            yield self._event("thread.updated", thread=thread_data(thread))
        if settings.notice is not None:
            yield self._event("notice", level="info", message=settings.notice)
        if settings.every_event:
            yield from self._every_event()
        if settings.unknown_events:
            yield from self._unknown_events()
        yield from self._posts()
        if settings.stream_error is not None:
            # openai-chatkit writes the first for a CustomStreamError, the second for any other.
            error: dict[str, Any] = {"code": "custom", "message": settings.stream_error}
            if not settings.stream_error:
                error = {"code": "stream.error"}
            yield self._event("error", **error, allow_retry=settings.allow_retry)
        elif settings.end_of_turn:
            yield self._done(self._new("end_of_turn"))

    def _posts(self) -> Steps:
        fails = self.settings.stream_error is not None
        texts = self._run.steps if fails else self._run.posts
        # A run without an answer has a last stage without a message.
        stages = [*texts, None] if fails or not texts else texts
        for place, text in enumerate(stages, start=1):
            yield from self._work(place, len(stages))
            if text is not None:
                yield from self._assistant_message(text)

    def _work(self, place: int, of: int) -> Steps:
        """One agent at work: progress, and a workflow item with two tasks."""
        reading, writing = _task("Read the input"), _task(f"Write message {place}")
        workflow: dict[str, Any] = {"type": "custom", "tasks": [reading], "expanded": False}
        item = self._new("workflow", workflow=workflow)
        yield self._event("progress_update", icon="bolt", text=f"Step {place} of {of}")
        # The first task comes inside the item, as openai-chatkit's agents send it.
        yield self._event("thread.item.added", item=item_data(item))
        reading["status_indicator"] = "complete"
        yield self._update(item, "workflow.task.updated", task_index=0, task=reading)
        workflow["tasks"].append(writing)
        yield self._update(item, "workflow.task.added", task_index=1, task=writing)
        yield self._run.due(place, of)
        writing["status_indicator"] = "complete"
        yield self._update(item, "workflow.task.updated", task_index=1, task=writing)
        workflow["summary"] = {"title": f"Step {place} of {of}"}
        yield self._done(item)

    def _assistant_message(self, text: str) -> Steps:
        item = self._new("assistant_message", content=[])
        if self.settings.delta_size is not None:
            yield from self._deltas(item, text, self.settings.delta_size or len(text))
        item.fields["content"] = [output_text(text)]
        if self.settings.unknown_events:
            item.fields["content"].append({"type": "output_hologram", "depth": 3})
        yield self._done(item)

    def _deltas(self, item: Item, text: str, size: int) -> Steps:
        part = "assistant_message.content_part"
        written = 0
        try:
            yield self._event("thread.item.added", item=item_data(item))
            yield self._update(item, f"{part}.added", content_index=0, content=output_text(""))
            while written < len(text):
                delta = text[written : written + size]
                written += len(delta)
                yield self._update(item, f"{part}.text_delta", content_index=0, delta=delta)
            yield self._update(item, f"{part}.done", content_index=0, content=output_text(text))
        except GeneratorExit:
            # openai-chatkit's server stores a pending message when its client hangs up.
            if text[:written].strip():
                item.fields["content"] = [output_text(text[:written])]
                self._thread.items.append(item)
            raise

    def _every_event(self) -> Steps:
        """The known kinds of events and items that a run of the workflow does not have."""
        yield self._event("client_effect", name="simulated", data={"run": True})
        for kind, canned in read_data("items.json").items():
            item = self._new(kind, **canned["fields"])
            item.rest_fields = canned.get("rest_fields")
            yield self._done(item)
            if kind == "client_tool_call":
                item.fields |= {"status": "completed", "output": {"ok": True}}
                yield self._event("thread.item.replaced", item=item_data(item))
        removed = self._new("assistant_message", content=[output_text('{"withdrawn":true}')])
        yield self._done(removed)
        self._thread.items.remove(removed)
        yield self._event("thread.item.removed", item_id=removed.id)

    def _unknown_events(self) -> Steps:
        """Events, items, updates and tasks of kinds that do not exist."""
        yield self._event("thread.weather", forecast={"sun": 0.8})
        yield self._update(self._message, "user_message.highlighted", start=0)
        workflow = {"type": "custom", "tasks": [{"type": "dance", "steps": 8}], "expanded": False}
        yield self._done(self._new("workflow", workflow=workflow))
        hologram = self._new("hologram", hologram={"depth": 3}, content="no list of parts")
        yield self._event("thread.item.added", item=item_data(hologram))
        yield self._update(hologram, "hologram.turned", degrees=90)
        yield self._done(hologram)

    def _new(self, kind: str, **fields: Any) -> Item:
        if self.settings.unknown_events:
            fields["mood"] = "curious"
        return new_item(self._store, self._thread, kind, **fields)

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, **fields}
        if self.settings.unknown_events:
            event["sequence_number"] = next(self._sequence)
        return f"data: {dumps(event)}\n\n".encode()

    def _done(self, item: Item) -> bytes:
        self._thread.items.append(item)
        return self._event("thread.item.done", item=item_data(item))

    def _update(self, item: Item, kind: str, **fields: Any) -> bytes:
        update = {"type": kind, **fields}
        return self._event("thread.item.updated", item_id=item.id, update=update)


def _task(title: str) -> dict[str, Any]:
    return {"status_indicator": "loading", "type": "custom", "title": title}
