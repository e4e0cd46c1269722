"""One turn of a thread as a stream of events: the user's message, and the workflow's run for it.

The events have the names, fields and order of ``openai-chatkit``'s own server. An item is stored
before the event that announces it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import Any, TypeAlias

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ._store import Item, Run, Store, Thread
from ._workflow import dumps, output_text, read_data

# Events as bytes, and monotonic times to wait for.
Steps: TypeAlias = Generator[bytes | float, None, None]

_TITLE = "Simulated training program"
_PREFIXES = {"workflow": "wf", "task": "tsk", "client_tool_call": "tc"}
_tasks: set[asyncio.Task[None]] = set()  # the event loop holds only weak references


class EventStream(Response):
    """A turn on its way to the client; ``survives`` says whether its run goes on without one."""

    media_type = "text/event-stream"

    def __init__(self, turn: Turn, *, survives: bool) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-cache"})
        self._turn, self._survives = turn, survives

    def hang_up(self) -> None:
        """End the stream: the run goes on without a client, or is cancelled."""
        if self._survives:
            task = asyncio.get_running_loop().create_task(_finish(self._turn.steps))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            self._turn.steps.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        disconnect = asyncio.get_running_loop().create_task(_wait_for_disconnect(receive))
        try:
            for step in _with_faults(self._turn):
                if not isinstance(step, bytes):
                    rest = max(0.0, step - time.monotonic())
                    await asyncio.wait({disconnect}, timeout=rest)
                elif step:
                    await send({"type": "http.response.body", "body": step, "more_body": True})
                    await asyncio.sleep(0)  # a turn for the task that waits for the hang-up
                if disconnect.done():
                    raise ConnectionResetError
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except ConnectionResetError:
            # uvicorn breaks the connection of a response without a last chunk.
            self.hang_up()
        finally:
            disconnect.cancel()


def _with_faults(turn: Turn) -> Steps:
    """A turn with the comments that keep it alive, and the faults that are set for it."""
    faults = turn.store.take_stream_faults()
    every, sent = turn.settings.keep_alive, 0
    for step in turn.steps:
        if not isinstance(step, bytes):
            while every and (now := time.monotonic()) + every < step:
                yield now + every
                yield b": keep-alive\n\n"
            yield step
            continue
        data, end = step, sent + len(step)
        while faults and faults[0][0] <= end:
            at, seconds = faults.pop(0)
            yield data[: at - sent]
            if seconds is None:
                raise ConnectionResetError
            yield time.monotonic() + seconds
            data, sent = data[at - sent :], at
        sent = end
        yield data


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finish(steps: Steps) -> None:
    for step in steps:
        await asyncio.sleep(max(0.0, step - time.monotonic()) if isinstance(step, float) else 0)


def new_item(store: Store, thread: Thread, kind: str, **fields: Any) -> Item:
    """An item that is not stored yet."""
    prefix = "cthi" if thread.hosted else _PREFIXES.get(kind, "msg")
    return Item(store.new_id(prefix), thread.id, kind, fields)


def item_data(item: Item) -> dict[str, Any]:
    """An item in the form of the thread protocol."""
    head = {"id": item.id, "thread_id": item.thread_id, "created_at": item.created.isoformat()}
    return {**head, "type": item.type, **item.fields}


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
    """One turn, for the user's message at the end of a thread; closing ``steps`` cancels it."""

    def __init__(self, store: Store, thread: Thread, run: Run) -> None:
        self.store, self.thread, self.settings = store, thread, run.settings
        self._mood = {"mood": "curious"} if run.settings.unknown_events else {}
        self.steps: Steps = self._steps(run, thread.items[-1])

    def _steps(self, run: Run, message: Item) -> Steps:
        thread, settings = self.thread, self.settings
        if len(thread.items) == 1:
            yield self._event("thread.created", thread=thread_data(thread))
        yield self._event("thread.item.done", item=item_data(message))
        yield self._event("stream_options", stream_options={"allow_cancel": True})
        if thread.hosted and thread.title is None:
            thread.title = _TITLE
            yield self._event("thread.updated", thread=thread_data(thread))
        if settings.notice is not None:
            yield self._event("notice", level="info", message=settings.notice)
        for name in ("every_event", "unknown_events"):
            if getattr(settings, name):
                yield from self._extra_events(name)
        fails = settings.stream_error is not None
        texts: list[str] = run.steps if fails else run.posts
        # A run without an answer has a last stage without a message.
        stages = [*texts, None] if fails or not texts else texts
        for place, text in enumerate(stages, start=1):
            yield from self._work(f"Step {place} of {len(stages)}", run.due(place, len(stages)))
            if text is not None:
                yield from self._assistant_message(text)
        if fails:
            # openai-chatkit writes the first for a CustomStreamError, the second for any other.
            custom = {"code": "custom", "message": settings.stream_error}
            error = custom if settings.stream_error else {"code": "stream.error"}
            yield self._event("error", **error, allow_retry=settings.allow_retry)
        elif settings.end_of_turn:
            yield self._done(self._new("end_of_turn"))

    def _work(self, title: str, until: float) -> Steps:
        """One agent at work: progress, and a workflow item with two tasks."""
        reading = {"status_indicator": "complete", "type": "custom", "title": "Read the input"}
        writing = {"status_indicator": "loading", "type": "custom", "title": "Write a message"}
        workflow: dict[str, Any] = {"type": "custom", "tasks": [reading], "expanded": False}
        item = self._new("workflow", workflow=workflow)
        yield self._event("progress_update", icon="bolt", text=title)
        # The first task comes inside the item, as openai-chatkit's agents send it.
        yield self._event("thread.item.added", item=item_data(item))
        workflow["tasks"].append(writing)
        yield self._update(item, "workflow.task.added", task_index=1, task=writing)
        yield until
        writing["status_indicator"] = "complete"
        yield self._update(item, "workflow.task.updated", task_index=1, task=writing)
        workflow["summary"] = {"title": title}
        yield self._done(item)

    def _assistant_message(self, text: str) -> Steps:
        item = self._new("assistant_message", content=[])
        part, size, written = "assistant_message.content_part", self.settings.delta_size, 0
        try:
            if size is not None:
                yield self._event("thread.item.added", item=item_data(item))
                yield self._update(item, f"{part}.added", content_index=0, content=output_text(""))
                while written < len(text):
                    delta = text[written : written + (size or len(text))]
                    written += len(delta)
                    yield self._update(item, f"{part}.text_delta", content_index=0, delta=delta)
                yield self._update(item, f"{part}.done", content_index=0, content=output_text(text))
        except GeneratorExit:
            # openai-chatkit's server stores a pending message when its client hangs up.
            if text[:written].strip():
                item.fields["content"] = [output_text(text[:written])]
                self.thread.items.append(item)
            raise
        item.fields["content"] = [output_text(text)]
        if self.settings.unknown_events:
            item.fields["content"].append({"type": "output_hologram", "depth": 3})
        yield self._done(item)

    def _extra_events(self, name: str) -> Steps:
        """The events of a list in ``extras.json``; "new" makes the item that the next ones name."""
        item = self.thread.items[-1]
        for kind, data in read_data("extras.json")[name]:
            if kind == "new":
                item = self._new(**data)
                item.rest_fields = item.fields.pop("rest_fields", None)
            elif kind == "thread.item.updated":
                yield self._update(item, **data)
            elif kind == "thread.item.done":
                yield self._done(item)
            elif kind == "thread.item.removed":
                self.thread.items.remove(item)
                yield self._event(kind, item_id=item.id)
            elif kind.startswith("thread.item."):
                item.fields |= data
                yield self._event(kind, item=item_data(item))
            else:
                yield self._event(kind, **data)

    def _new(self, kind: str, **fields: Any) -> Item:
        return new_item(self.store, self.thread, kind, **fields, **self._mood)

    def _event(self, kind: str, **fields: Any) -> bytes:
        return f"data: {dumps({'type': kind, **fields, **self._mood})}\n\n".encode()

    def _done(self, item: Item) -> bytes:
        self.thread.items.append(item)
        return self._event("thread.item.done", item=item_data(item))

    def _update(self, item: Item, kind: str, **fields: Any) -> bytes:
        update = {"type": kind, **fields}
        return self._event("thread.item.updated", item_id=item.id, update=update)
