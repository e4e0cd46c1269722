"""One turn of a thread as a stream of events: the user's message, and the workflow's run for it.

The events have the names, fields and order of ``openai-chatkit``'s own server. An item is stored
before the event that announces it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from copy import copy
from typing import Any, TypeAlias

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ._store import Store, Thread
from ._workflow import Data, answer_text, dumps, output_text, read_data, step_texts

# Events as bytes, and monotonic times to wait for.
Steps: TypeAlias = Generator[bytes | float, None, None]

SCRIPTS: Data = read_data("events.json")
_tasks: set[asyncio.Task[None]] = set()  # the event loop holds only weak references


class Turn(StreamingResponse):
    """One turn of a thread, on its way to the client."""

    def __init__(self, store: Store, thread: Thread, message: Data, version: str | None) -> None:
        super().__init__((), headers={"cache-control": "no-cache"}, media_type="text/event-stream")
        self._store, self._thread, self._settings = store, thread, copy(store)
        self._mood = {"mood": "curious"} if store.unknown_events else {}
        self.message = self._new("user_message", **message)
        self._posts = self._run_workflow(version)
        self._started = time.monotonic()
        self._steps = self._make_steps()
        thread.items.append(self.message)

    def _run_workflow(self, version: str | None) -> list[str | None]:
        """The steps of a version of the workflow, and its answer or ``None``."""
        settings, text = self._settings, "".join(part["text"] for part in self.message["content"])
        self._store.runs += 1
        steps = step_texts(text, settings.lang) if settings.steps is True else settings.steps or ()
        # The API accepts the version "latest", and its run fails.
        kind = "error" if version == "latest" else settings.answer
        answer = kind(text) if callable(kind) else answer_text(kind, text, settings.lang)
        return [*steps, answer if settings.stream_error is None else None]

    def hang_up(self) -> None:
        """End the stream: the run goes on without a client, or is cancelled."""
        if self._thread.hosted or self._settings.survives_hang_up:
            task = asyncio.get_running_loop().create_task(_finish(self._steps))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            self._steps.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # After the request's body, the next message is the client's hang-up.
        disconnect = asyncio.ensure_future(receive())
        for step in self._steps_with_faults():
            if isinstance(step, bytes):
                await send({"type": "http.response.body", "body": step, "more_body": True})
                await asyncio.sleep(0)  # let the hang-up arrive
            elif step is not None:
                await asyncio.wait({disconnect}, timeout=max(0.0, step - time.monotonic()))
            if step is None or disconnect.done():
                self.hang_up()
                break  # uvicorn breaks the connection of a response without a last chunk
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        disconnect.cancel()

    def _steps_with_faults(self) -> Generator[bytes | float | None, None, None]:
        """The steps with their comments and faults; ``None`` breaks the connection."""
        taken = [self._store.take_fault(name) for name in ("cut", "stall")]
        faults: list[tuple[int, float | None]] = [fault for fault in taken if fault is not None]
        faults.sort(key=lambda fault: fault[0])
        every, sent = self._settings.keep_alive, 0
        for step in self._steps:
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
                yield None if seconds is None else time.monotonic() + seconds
                data, sent = data[at - sent :], at
            sent = end
            yield data

    def _make_steps(self) -> Steps:
        thread, settings = self._thread, self._settings
        if len(thread.items) == 1:
            yield self._event("thread.created", thread=thread.view())
        yield self._event("thread.item.done", item=self.message)
        yield self._event("stream_options", stream_options={"allow_cancel": True})
        if thread.hosted and "title" not in thread.data:
            thread.data["title"] = "Simulated training program"
            yield self._event("thread.updated", thread=thread.view())
        if settings.notice is not None:
            yield self._event("notice", level="info", message=settings.notice)
        for name in ("every_event", "unknown_events"):
            if getattr(settings, name):
                yield from self._play(name)
        count = len(self._posts)
        for stage, post in enumerate(self._posts, start=1):
            yield self._event("progress_update", icon="bolt", text=f"Step {stage} of {count}")
            yield from self._play("work", self._started + settings.delay * stage / count)
            if post is not None:
                yield from self._assistant_message(post)
        if settings.stream_error is not None:
            # openai-chatkit writes the first for a CustomStreamError, the second for any other.
            custom = {"code": "custom", "message": settings.stream_error}
            error = custom if settings.stream_error else {"code": "stream.error"}
            yield self._event("error", **error, allow_retry=settings.allow_retry)
        elif settings.end_of_turn:
            yield from self._play("end_of_turn")

    def _assistant_message(self, text: str) -> Steps:
        item = self._new("assistant_message", content=[])
        size, written = self._settings.delta_size, 0
        try:
            if size is not None:
                yield self._event("thread.item.added", item=item)
                yield self._part(item, "added", content=output_text(""))
                while written < len(text):
                    delta = text[written : written + (size or len(text))]
                    written += len(delta)
                    yield self._part(item, "text_delta", delta=delta)
                yield self._part(item, "done", content=output_text(text))
        except GeneratorExit:
            # openai-chatkit's server stores a pending message when its client hangs up.
            if text[:written].strip():
                item["content"] = [output_text(text[:written])]
                self._thread.items.append(item)
            raise
        item["content"] = [output_text(text)]
        if self._settings.unknown_events:
            item["content"].append({"type": "output_hologram", "depth": 3})
        self._thread.items.append(item)
        yield self._event("thread.item.done", item=item)

    def _part(self, item: Data, kind: str, **fields: Any) -> bytes:
        """An update of the one content part of an assistant's message."""
        update = {"type": f"assistant_message.content_part.{kind}", "content_index": 0, **fields}
        return self._event("thread.item.updated", item_id=item["id"], update=update)

    def _play(self, name: str, until: float = 0.0) -> Steps:
        """The events of a list in ``events.json``; an item with a type is a new one."""
        items = self._thread.items
        item = items[-1]
        for kind, data in SCRIPTS[name]:
            changes = data.get("item", {})
            item = self._new(**changes) if "type" in changes else item
            item.update(changes)
            if kind == "thread.item.done":
                items.append(item)
            elif kind == "thread.item.removed":
                items.remove(item)
            filled = {"item": item, "item_id": item["id"]}
            fields = {key: filled.get(key, data[key]) for key in data}
            yield until if kind == "wait" else self._event(kind, **fields)

    def _new(self, type: str, **fields: Any) -> Data:
        prefix = "cthi" if self._thread.hosted else "msg"
        new = self._store.new(prefix, thread_id=self._thread.data["id"], type=type)
        return {**new, **fields, **self._mood}

    def _event(self, kind: str, **fields: Any) -> bytes:
        return f"data: {dumps({'type': kind, **fields, **self._mood})}\n\n".encode()


async def _finish(steps: Steps) -> None:
    for step in steps:
        # Without a delay the run ends before the loop reads the next request.
        if not isinstance(step, bytes) and (rest := step - time.monotonic()) > 0:
            await asyncio.sleep(rest)
