"""A turn on its way to the client, and what can happen to it on the way."""

from __future__ import annotations

import asyncio
import time

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ._host import Host, Stall
from ._turns import Turn, Wait

# The event loop itself holds its tasks only weakly.
_going_on: set[asyncio.Task[None]] = set()


class EventStream(Response):
    """A turn as server-sent events, which carries its run out as it is sent.

    What a hang-up means for the run is the server's to say: hosted it goes on and its items are
    stored, self-hosted it is cancelled where it stands.
    """

    media_type = "text/event-stream"

    def __init__(self, turn: Turn, host: Host, *, survives_hang_up: bool) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-cache"})
        self._turn = turn
        self._host = host
        self._survives_hang_up = survives_hang_up

    def hang_up(self) -> None:
        """Go on without the client, or do not."""
        if self._survives_hang_up:
            task = asyncio.get_running_loop().create_task(_carry_on(self._turn))
            _going_on.add(task)
            task.add_done_callback(_going_on.discard)
        else:
            self._turn.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        hung_up = asyncio.get_running_loop().create_task(_hang_up(receive))
        line = _Line(send, hung_up, self._host.take_cut(), self._host.take_stall())
        try:
            for step in self._turn:
                if isinstance(step, Wait):
                    await line.wait(step.until, self._turn.settings.keep_alive)
                else:
                    await line.write(step)
        except _Gone:
            self.hang_up()
            # The response has no last chunk now. uvicorn sends what it has and closes the
            # connection of such a response, which clients see as one that broke.
            return
        finally:
            hung_up.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _carry_on(turn: Turn) -> None:
    for step in turn:
        await asyncio.sleep(
            max(0.0, step.until - time.monotonic()) if isinstance(step, Wait) else 0
        )


class _Gone(Exception):  # noqa: N818  (no error: this is what happens to connections)
    """Nobody is at the other end any more."""


class _Line:
    """The connection, with the faults that are set for it.

    Args:
        send: Writes to it.
        hung_up: Done when the client has hung up.
        cut: After how many bytes of the body it breaks.
        stall: After how many bytes it pauses, and for how long.
    """

    def __init__(
        self, send: Send, hung_up: asyncio.Task[None], cut: int | None, stall: Stall | None
    ) -> None:
        self._send = send
        self._hung_up = hung_up
        self._cut = cut
        self._stall = stall
        self._sent = 0

    async def write(self, data: bytes) -> None:
        stall = self._stall
        if stall is not None and self._sent + len(data) >= stall.at:
            self._stall = None
            ahead = stall.at - self._sent
            await self._put(data[:ahead])
            data = data[ahead:]
            await self.wait(time.monotonic() + stall.seconds)
        await self._put(data)

    async def wait(self, until: float, keep_alive: float = 0.0) -> None:
        """Wait until a time, with a comment now and then if ``keep_alive`` seconds are given."""
        while (left := until - time.monotonic()) > 0:
            await asyncio.wait({self._hung_up}, timeout=min(left, keep_alive or left))
            if self._hung_up.done():
                raise _Gone
            if keep_alive and time.monotonic() < until:
                await self.write(b": keep-alive\n\n")

    async def _put(self, data: bytes) -> None:
        cut = self._cut is not None and self._sent + len(data) >= self._cut
        if self._cut is not None and cut:
            data = data[: self._cut - self._sent]
        self._sent += len(data)
        if data:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        # Others get their turn, among them the one who notices that the client has hung up.
        await asyncio.sleep(0)
        if cut or self._hung_up.done():
            raise _Gone
