"""The I/O of async clients: under asyncio or trio, with anyio.

The first async client imports it: sync clients need neither asyncio nor anyio.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import Any, ClassVar

import anyio
import httpx

from .limits import TimeLimit
from .pending import CLOSING_SECONDS, Home, Pending, Perform, Step

GRACE = 0.05
"""The seconds from a time limit to the cancellation, so that httpx's own timeouts come first."""

# asyncio keeps only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


class TaskPending(Pending):
    """An async effect, in its own task.

    A native cancellation (``task.cancel()``) inside httpcore loses a connection. Here it hits only
    the task that waits: the effect continues, or anyio's cancel scope ends it.
    """

    def __init__(self, perform: Perform, home: Home) -> None:
        super().__init__()
        self.home = home
        self._perform = perform
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        loop = home[1]
        if isinstance(loop, asyncio.AbstractEventLoop):
            task = loop.create_task(self._run())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            import trio

            trio.lowlevel.spawn_system_task(self._run, context=copy_context())

    @property
    def in_flight(self) -> bool:
        return not self._done.is_set()

    def limit(self, seconds: float) -> None:
        self._scope.deadline = anyio.current_time() + seconds + GRACE

    def is_late(self, error: BaseException) -> bool:
        return self._scope.cancel_called and isinstance(error, anyio.get_cancelled_exc_class())

    async def wait(self) -> None:
        await self._done.wait()

    async def wait_shielded(self, seconds: float | None = None) -> None:
        with anyio.move_on_after(seconds, shield=True):
            await self._done.wait()

    async def close(self) -> None:
        self.is_cancelled = self.in_flight
        self._scope.cancel()

    async def _run(self) -> None:
        try:
            with self._scope:
                self.value = await self._perform(self)
        except BaseException as error:
            # The task that waits raises it.
            self.error = error
        finally:
            self._done.set()


class AsyncNetwork:
    """I/O under asyncio or trio, on an ``httpx.AsyncClient``; see ``SyncNetwork``."""

    kind: ClassVar[str] = "AsyncClient"
    transport: ClassVar[str] = "AsyncHTTPTransport"
    Places: ClassVar[Any] = anyio.Semaphore

    def home(self) -> Home:
        # In trio's guest mode, the loop of asyncio runs as well, but has no current task.
        with suppress(RuntimeError):
            if asyncio.current_task() is not None:
                return os.getpid(), asyncio.get_running_loop()
        import trio

        return os.getpid(), trio.lowlevel.current_trio_token()

    def start(self, perform: Perform) -> Pending:
        return TaskPending(perform, self.home())

    start_aside = start

    def at_end(self, close: Callable[[], Any]) -> Callable[[], Any]:
        home = self.home()

        async def wait_for_end() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                # A forked child has a copy of the event loop.
                if home == self.home():
                    await close()

        # At the end of their loops, asyncio and trio close async generators.
        generator = wait_for_end()
        with suppress(StopIteration):
            generator.__anext__().send(None)
        return generator.aclose

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def take_place(self, places: Any, limit: TimeLimit) -> None:
        try:
            places.acquire_nowait()
        except anyio.WouldBlock:
            await places.acquire()

    def trace(self, step: Step) -> Any:
        async def take(event: str, info: Mapping[str, Any]) -> None:
            step(event, info)

        return take

    async def send(self, http: Any, message: httpx.Request, *, owned: bool) -> httpx.Response:
        response: httpx.Response = await (
            http.handle_async_request(message)
            if owned
            else http.send(message, stream=True, auth=None, follow_redirects=False)
        )
        return response

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        return response.aiter_bytes()

    async def next_chunk(self, chunks: Any) -> bytes | None:
        return await anext(chunks, None)

    async def close(self, item: Any, chunks: Any = None) -> None:
        if chunks is not None:
            # trio warns of generators that are dropped at a yield. The cancelled scope ends each of
            # them at its next read; the shield keeps outer cancellations away.
            with suppress(Exception), anyio.CancelScope(shield=True), anyio.CancelScope() as scope:
                scope.cancel()
                async for _ in chunks:
                    pass
        with suppress(Exception), anyio.move_on_after(CLOSING_SECONDS, shield=True):
            await item.aclose()
