"""A turn on its way to the client as server-sent events, with the faults that are set for it."""

from __future__ import annotations

import asyncio
import time

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ._store import Store
from ._turns import Turn

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
        if self._survives_hang_up:
            task = asyncio.get_running_loop().create_task(_finish(self._turn))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            self._turn.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        disconnect = asyncio.get_running_loop().create_task(_wait_for_disconnect(receive))
        connection = _Connection(send, disconnect, self._store)
        try:
            for step in self._turn:
                if isinstance(step, bytes):
                    await connection.write(step)
                else:
                    await connection.wait(step, self._turn.settings.keep_alive)
        except _HungUpError:
            self.hang_up()
            # uvicorn breaks the connection of a response without a last chunk.
            return
        finally:
            disconnect.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finish(turn: Turn) -> None:
    for step in turn:
        await asyncio.sleep(0 if isinstance(step, bytes) else max(0.0, step - time.monotonic()))


class _HungUpError(Exception):
    """The connection is closed."""


class _Connection:
    """The connection of one stream; it breaks and pauses where the store says."""

    def __init__(self, send: Send, disconnect: asyncio.Task[None], store: Store) -> None:
        self._send = send
        self._disconnect = disconnect
        self._cut, self._stall = store.take_stream_faults()
        self._sent = 0

    async def write(self, data: bytes) -> None:
        if self._stall is not None and self._sent + len(data) >= self._stall[0]:
            (at, seconds), self._stall = self._stall, None
            size = at - self._sent
            await self._write(data[:size])
            data = data[size:]
            await self.wait(time.monotonic() + seconds)
        await self._write(data)

    async def wait(self, until: float, keep_alive: float = 0.0) -> None:
        """Wait until a monotonic time; write a comment every ``keep_alive`` seconds, 0 for none."""
        while (rest := until - time.monotonic()) > 0:
            await asyncio.wait({self._disconnect}, timeout=min(rest, keep_alive or rest))
            if self._disconnect.done():
                raise _HungUpError
            if keep_alive and time.monotonic() < until:
                await self.write(b": keep-alive\n\n")

    async def _write(self, data: bytes) -> None:
        cut = self._cut is not None and self._sent + len(data) >= self._cut
        if self._cut is not None and cut:
            data = data[: self._cut - self._sent]
        self._sent += len(data)
        if data:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        # Give the task that waits for the client's hang-up a turn.
        await asyncio.sleep(0)
        if cut or self._disconnect.done():
            raise _HungUpError
