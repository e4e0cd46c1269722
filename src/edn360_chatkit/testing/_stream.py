"""A user's message and the workflow's run for it, as a stream of events.

The events have the names, fields and order of ``openai-chatkit``'s server. An item is stored before
its event is sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable
from copy import copy
from itertools import chain
from typing import Any, TypeAlias

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ._store import Store, Thread
from ._workflow import Data, answer_text, dumps, output_text, read_data, step_texts

Steps: TypeAlias = Generator[bytes | float, None, None]
"""Events as bytes, and monotonic times until which the run waits."""

COMMENT = b": keep-alive\n\n"
SCRIPTS: Data = read_data("events.json")
_tasks: set[asyncio.Task[None]] = set()  # the event loop has only weak references


class Turn(StreamingResponse):
    """The response to a user's message."""

    def __init__(self, store: Store, thread: Thread, message: Data, version: str | None) -> None:
        super().__init__((), headers={"cache-control": "no-cache"}, media_type="text/event-stream")
        self._store, self._thread, self._settings = store, thread, copy(store)
        self._unknown_field = {"mood": "curious"} if store.unknown_events else {}
        self.message = self._new("user_message", **message)
        self._messages = self._run_workflow(version)
        self._started = self._until = time.monotonic()
        self._steps = self._make_steps()
        # Count the run last: a test that waits for it finds its message.
        thread.items.append(self.message)
        store.runs += 1

    def _run_workflow(self, version: str | None) -> list[str | None]:
        """The texts of the workflow's messages. The last text is the answer, or ``None``."""
        settings, text = self._settings, "".join(part["text"] for part in self.message["content"])
        steps = step_texts(text, settings.lang) if settings.steps is True else settings.steps or ()
        # The API accepts the version "latest", and its run fails.
        kind = "error" if version == "latest" else settings.answer
        answer = kind(text) if callable(kind) else answer_text(kind, text, settings.lang)
        return [*steps, answer if settings.stream_error is None else None]

    def hang_up(self) -> None:
        """End the stream. The run continues without a client, or is cancelled."""
        if self._thread.hosted or self._settings.survives_hang_up:
            task = asyncio.get_running_loop().create_task(
                _finish(chain([self._until], self._steps))
            )
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            self._steps.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # The request has been read, so the next message is the client's hang-up.
        disconnect = asyncio.ensure_future(receive())
        for step in self._steps_with_faults():
            if isinstance(step, bytes):
                await send({"type": "http.response.body", "body": step, "more_body": True})
                await asyncio.sleep(0)  # a hang-up can arrive now
            elif step is not None:
                await asyncio.wait({disconnect}, timeout=max(0.0, step - time.monotonic()))
            if step is None or disconnect.done():
                self.hang_up()
                break  # without a last chunk, uvicorn breaks the connection
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        disconnect.cancel()

    def _steps_with_faults(self) -> Generator[bytes | float | None, None, None]:
        """The steps, comments and faults of the stream; ``None`` breaks the connection."""
        faults, position = self._store.next_stream_faults(), 0
        for step in self._steps_with_comments():
            if not isinstance(step, bytes) or step is COMMENT:
                yield step
                continue
            data, end = step, position + len(step)
            while faults and faults[0].position <= end:
                fault = faults.pop(0)
                yield data[: fault.position - position]
                yield None if fault.seconds is None else time.monotonic() + fault.seconds
                data, position = data[fault.position - position :], fault.position
            position = end
            yield data

    def _steps_with_comments(self) -> Steps:
        """The steps, with comments that keep a waiting stream open."""
        interval = self._settings.keep_alive
        for step in self._steps:
            if not isinstance(step, bytes):
                self._until = step  # also after a hang-up in this wait
                while interval and time.monotonic() + interval < step:
                    yield time.monotonic() + interval
                    yield COMMENT
            yield step

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
        count = len(self._messages)
        for number, text in enumerate(self._messages, start=1):
            yield self._event("progress_update", icon="bolt", text=f"Step {number} of {count}")
            yield from self._play("work", self._started + settings.delay * number / count)
            if text is not None:
                yield from self._assistant_message(text)
        if settings.stream_error is not None:
            # openai-chatkit sends no message if an exception is not its CustomStreamError.
            custom = {"code": "custom", "message": settings.stream_error}
            error = custom if settings.stream_error else {"code": "stream.error"}
            yield self._event("error", **error, allow_retry=settings.allow_retry)
        elif settings.end_of_turn:
            yield from self._play("end_of_turn")

    def _assistant_message(self, text: str) -> Steps:
        item = self._new("assistant_message", content=[])
        if self._settings.delta_size is not None:
            yield from self._deltas(item, text)
        item["content"] = [output_text(text)]
        if self._settings.unknown_events:
            item["content"].append({"type": "output_hologram", "depth": 3})
        self._thread.items.append(item)
        yield self._event("thread.item.done", item=item)

    def _deltas(self, item: Data, text: str) -> Steps:
        """The updates of an assistant's message.

        After a hang-up its text so far is stored, as in openai-chatkit's server.
        """
        size, position = self._settings.delta_size or len(text), 0
        try:
            yield self._event("thread.item.added", item=item)
            yield self._part(item, "added", content=output_text(""))
            while position < len(text):
                delta = text[position : position + size]
                position += len(delta)
                yield self._part(item, "text_delta", delta=delta)
            yield self._part(item, "done", content=output_text(text))
        except GeneratorExit:
            if text[:position].strip():
                item["content"] = [output_text(text[:position])]
                self._thread.items.append(item)
            raise

    def _part(self, item: Data, kind: str, **fields: Any) -> bytes:
        """An update of the single content part of an assistant's message."""
        update = {"type": f"assistant_message.content_part.{kind}", "content_index": 0, **fields}
        return self._event("thread.item.updated", item_id=item["id"], update=update)

    def _play(self, name: str, until: float = 0.0) -> Steps:
        """The events of a script in ``events.json``. An item with a type is a new item."""
        items = self._thread.items
        item = items[-1]
        for kind, data in SCRIPTS[name]:
            if kind == "wait":
                yield until
                continue
            changes = data.get("item", {})
            item = self._new(**changes) if "type" in changes else item
            item.update(changes)
            if kind == "thread.item.done":
                items.append(item)
            elif kind == "thread.item.removed":
                items.remove(item)
            values = {**data, "item": item, "item_id": item["id"]}
            yield self._event(kind, **{name: values[name] for name in data})

    def _new(self, type: str, **fields: Any) -> Data:
        prefix = "cthi" if self._thread.hosted else "msg"
        new = self._store.new(prefix, thread_id=self._thread.data["id"], type=type)
        return {**new, **fields, **self._unknown_field}

    def _event(self, kind: str, **fields: Any) -> bytes:
        return f"data: {dumps({'type': kind, **fields, **self._unknown_field})}\n\n".encode()


async def _finish(steps: Iterable[bytes | float]) -> None:
    """Finish a run without a client."""
    for step in steps:
        # Without a delay, the run ends before the event loop reads the next request.
        if not isinstance(step, bytes) and (rest := step - time.monotonic()) > 0:
            await asyncio.sleep(rest)
