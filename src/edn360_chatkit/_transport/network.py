"""The I/O in which sync and async differ; all other code is written once, as coroutines.

Those of :class:`SyncNetwork` never suspend, so that :func:`finish` runs them to their end.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeAlias, TypeVar

import anyio
import anyio.lowlevel
import httpx

from .limits import OutOfTimeError, TimeLimit, limit_network_stream

T = TypeVar("T")

Home: TypeAlias = tuple[int, object]
"""Where connections belong: a process id and an event loop, which is ``None`` for sync ones."""

CLOSING_SECONDS = 1.0
"""How long closing a stream may take, in seconds."""
_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")

Step: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Takes in a step of a request, as httpx's ``trace`` extension reports it."""


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("A sync coroutine was suspended.")


# asyncio keeps only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


def async_home() -> Home:
    """The current process and event loop."""
    if _in_asyncio():
        return os.getpid(), asyncio.get_running_loop()
    import trio

    return os.getpid(), trio.lowlevel.current_trio_token()


def is_over(home: Home) -> bool:
    """Whether the event loop is closed; trio does not say."""
    return isinstance(home[1], asyncio.AbstractEventLoop) and home[1].is_closed()


def _in_asyncio() -> bool:
    try:
        # In trio's guest mode, the loop of asyncio runs as well, but has no current task.
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


class Pending:
    """An effect that was started, with its value or error; this class is for one that has ended."""

    def __init__(self, value: object = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error
        self.is_cancelled = False

    async def wait(self) -> None:
        """Wait for the end; a cancelled wait leaves the effect in flight."""

    def cancel(self) -> None:
        """Cancel the effect."""


Perform: TypeAlias = Callable[[Pending], Coroutine[Any, Any, object]]
"""Performs an effect; it takes the effect's own ``Pending``."""


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


class SyncNetwork:
    """Blocking I/O, on an ``httpx.Client``."""

    kind = "Client"
    Places: Any = threading.Semaphore
    limited = staticmethod(TimeLimit.on_this_thread)

    def home(self) -> Home:
        """The current process."""
        return os.getpid(), None

    def start(self, perform: Perform) -> Pending:
        """Perform an effect."""
        pending = Pending()
        try:
            pending.value = finish(perform(pending))
        except BaseException as error:
            pending.error = error
        return pending

    def start_aside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do work on a daemon thread: after an interruption, httpx may hold a lock for ever."""
        with suppress(RuntimeError):  # no new threads at the interpreter's end
            threading.Thread(target=lambda: finish(work()), daemon=True).start()

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        time.sleep(seconds)

    async def wait_for_end(self, pending: Pending, seconds: float | None) -> None:
        """Do nothing: a sync effect has ended."""

    async def take_place(self, places: Any, limit: TimeLimit) -> None:
        """Wait for a place."""
        if not places.acquire(timeout=limit.left()):
            raise OutOfTimeError

    def trace(self, step: Step) -> Step:
        """The ``trace`` extension of a request."""

        def take(event: str, info: Mapping[str, Any]) -> None:
            step(event, info)
            if event.endswith(_CONNECTED):
                limit_network_stream(info["return_value"])

        return take

    async def send(self, http: Any, message: httpx.Request, auth: Any) -> httpx.Response:
        """Send a request. Redirects are not followed: they would carry the key elsewhere."""
        response: httpx.Response = http.send(
            message, stream=True, auth=auth, follow_redirects=False
        )
        # A connection that was open before has had no trace.
        if (stream := response.extensions.get("network_stream")) is not None:
            limit_network_stream(stream)
        return response

    def chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The response's body."""
        return response.iter_bytes()

    async def next_chunk(self, chunks: Any) -> bytes | None:
        """The next chunk of a body; ``None`` at its end."""
        return next(chunks, None)

    async def yield_to_others(self) -> None:
        """Do nothing: threads run by themselves."""

    async def close(self, item: Any, chunks: Any = None) -> None:
        """Close an HTTP client, or a response and the iterator over its body."""
        with suppress(Exception):
            item.close()


class AsyncNetwork:
    """I/O under asyncio or trio, on an ``httpx.AsyncClient``; see :class:`SyncNetwork`."""

    kind = "AsyncClient"
    Places: Any = anyio.Semaphore
    limited = staticmethod(TimeLimit.on_this_task)
    home = staticmethod(async_home)
    start = staticmethod(TaskPending)
    sleep = staticmethod(anyio.sleep)
    yield_to_others = staticmethod(anyio.lowlevel.checkpoint)

    def start_aside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        TaskPending(lambda _: work())

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


Network: TypeAlias = SyncNetwork | AsyncNetwork
