"""The I/O of async clients: under asyncio or trio, with anyio.

Imported when the first async client is made: sync clients do without asyncio and anyio.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from typing import Any, ClassVar

import anyio
import anyio.lowlevel
import httpx

from .limits import TimeLimit
from .pending import CLOSING_SECONDS, Closable, Home, Pending, Perform, Step

# asyncio keeps only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


def async_home() -> Home:
    """The current process and event loop."""
    if _in_asyncio():
        return os.getpid(), asyncio.get_running_loop()
    import trio

    return os.getpid(), trio.lowlevel.current_trio_token()


def _in_asyncio() -> bool:
    try:
        # In trio's guest mode, the loop of asyncio runs as well, but has no current task.
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class TaskPending(Pending):
    """An async effect, in a task of its own.

    A cancellation of asyncio's (``task.cancel()``) that strikes inside httpcore loses a
    connection. Here it strikes only the task that waits: the effect goes on, or a cancel scope of
    anyio ends it.
    """

    def __init__(self, perform: Perform) -> None:
        super().__init__()
        self.home: Home = async_home()
        self._perform = perform
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        if _in_asyncio():
            task = asyncio.get_running_loop().create_task(self._run())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            import trio

            trio.lowlevel.spawn_system_task(self._run, context=copy_context())

    async def wait(self) -> None:
        await self._done.wait()

    def cancel(self) -> None:
        self.is_cancelled = not self._done.is_set()
        self._scope.cancel()

    def remainder(self) -> Closable:
        return self

    async def close(self) -> None:
        """Cancel the effect."""
        self.cancel()

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
    Places: ClassVar[Any] = anyio.Semaphore

    def limited(self, limit: TimeLimit) -> AbstractContextManager[None]:
        return limit.on_this_task()

    def home(self) -> Home:
        return async_home()

    def start(self, perform: Perform) -> Pending:
        return TaskPending(perform)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def yield_to_others(self) -> None:
        await anyio.lowlevel.checkpoint()

    def start_aside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        TaskPending(lambda _: work())

    async def close_soon(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        # In a task of its own: TLS may wait for the server's answer.
        self.start_aside(work)

    async def wait_for_end(self, pending: Pending, seconds: float | None) -> None:
        """Wait for the end of an effect, also where the caller is cancelled."""
        with anyio.move_on_after(seconds, shield=True):
            await pending.wait()

    async def take_place(self, places: Any, limit: TimeLimit) -> None:
        try:
            places.acquire_nowait()
        except anyio.WouldBlock:
            await places.acquire()

    def trace(self, step: Step) -> Any:
        async def take(event: str, info: Mapping[str, Any]) -> None:
            step(event, info)

        return take

    async def send(self, http: Any, message: httpx.Request, auth: Any) -> httpx.Response:
        response: httpx.Response = await http.send(
            message, stream=True, auth=auth, follow_redirects=False
        )
        return response

    def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        return response.aiter_bytes()

    async def next_chunk(self, chunks: Any) -> bytes | None:
        return await anext(chunks, None)

    async def close(self, item: Any, chunks: Any = None) -> None:
        if chunks is not None:
            # trio warns of generators that are dropped at a yield. A cancelled scope ends each of
            # them at its next read; the shield keeps an outer cancellation out of it.
            with suppress(Exception), anyio.CancelScope(shield=True), anyio.CancelScope() as scope:
                scope.cancel()
                async for _ in chunks:
                    pass
        with suppress(Exception), anyio.move_on_after(CLOSING_SECONDS, shield=True):
            await item.aclose()
