"""A turn on its way to the client as server-sent events, with the faults that are set for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ._store import Store
from ._turns import Steps, Turn

# The event loop holds only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


class EventStream(Response):
    """A turn as a stream; ``survives_hang_up`` says whether its run goes on without a client."""

    media_type = "text/event-stream"

    def __init__(self, turn: Turn, store: Store, *, survives_hang_up: bool) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-cache"})
        self._turn = turn
        self._store = store
        self._survives_hang_up = survives_hang_up

    def hang_up(self) -> None:
        """End the stream: the run goes on without a client, or is cancelled."""
        if not self._survives_hang_up:
            return self._turn.cancel()
        task = asyncio.get_running_loop().create_task(_finish(self._turn))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        disconnect = asyncio.get_running_loop().create_task(_wait_for_disconnect(receive))
        try:
            for step in self._body():
                if isinstance(step, float):
                    rest = max(0.0, step - time.monotonic())
                    await asyncio.wait({disconnect}, timeout=rest)
                elif step:
                    await send({"type": "http.response.body", "body": step, "more_body": True})
                    # Give the task that waits for the client's hang-up a turn.
                    await asyncio.sleep(0)
                if disconnect.done():
                    raise ConnectionResetError
        except ConnectionResetError:
            # uvicorn breaks the connection of a response without a last chunk.
            return self.hang_up()
        finally:
            disconnect.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _body(self) -> Iterable[bytes | float]:
        cut, stall = self._store.take_stream_faults()
        steps = iter(self._turn)
        if self._turn.settings.keep_alive:
            steps = _with_comments(steps, self._turn.settings.keep_alive)
        if stall is not None:
            steps = _with_stall(steps, *stall)
        return steps if cut is None else _with_cut(steps, cut)


def _with_comments(steps: Iterator[bytes | float], every: float) -> Steps:
    for step in steps:
        while isinstance(step, float) and (now := time.monotonic()) + every < step:
            yield now + every
            yield b": keep-alive\n\n"
        yield step


def _with_stall(steps: Iterator[bytes | float], at: int, seconds: float) -> Steps:
    for step in steps:
        if isinstance(step, bytes):
            if 0 <= at <= len(step):
                yield step[:at]
                yield time.monotonic() + seconds
                yield step[at:]
                at = -1
                continue
            at -= len(step)
        yield step


def _with_cut(steps: Iterator[bytes | float], at: int) -> Steps:
    for step in steps:
        if isinstance(step, bytes):
            yield step[:at]
            if len(step) >= at:
                raise ConnectionResetError
            at -= len(step)
        else:
            yield step


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finish(turn: Turn) -> None:
    for step in turn:
        await asyncio.sleep(max(0.0, step - time.monotonic()) if isinstance(step, float) else 0)
