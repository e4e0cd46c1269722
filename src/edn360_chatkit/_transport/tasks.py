"""Async effects run in tasks of their own.

A cancellation of asyncio's (``task.cancel()``) that strikes inside httpcore loses a connection.
Here it strikes only the task that waits; the effect goes on, or is cancelled by a cancel scope of
anyio, which httpcore handles cleanly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context

import anyio
import anyio.lowlevel

from .home import Home, async_home, in_asyncio
from .streams import AsyncStream

# asyncio keeps only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


class Pending:
    """An effect that was started. This one has its result already.

    Attributes:
        value: The result.
        error: The exception, if the effect failed.
    """

    def __init__(self, value: object = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error

    async def wait(self) -> None:
        """Wait for the end; a cancelled wait leaves the effect in flight."""
        await anyio.lowlevel.checkpoint()

    def cancel(self) -> None:
        """Cancel the effect; its result is closed if it is a stream."""


class Pause(Pending):
    """A pause. A second wait goes on with what is left of it."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.monotonic() + seconds

    async def wait(self) -> None:
        await anyio.sleep(max(0.0, self._end - time.monotonic()))


class TaskPending(Pending):
    """An effect in a task of its own.

    Attributes:
        home: The event loop that it runs in.
        is_cancelled: Whether it was cancelled by :meth:`cancel`.
    """

    def __init__(self, perform: Callable[[TaskPending], Awaitable[object]]) -> None:
        super().__init__()
        self.home: Home = async_home()
        self.is_cancelled = False
        self._perform = perform
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        if in_asyncio():
            task = asyncio.get_running_loop().create_task(self._run())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)
        else:
            import trio

            trio.lowlevel.spawn_system_task(self._run, context=copy_context())

    async def wait(self) -> None:
        await self._done.wait()

    def cancel(self) -> None:
        self.is_cancelled = True
        self._scope.cancel()

    async def close(self) -> None:
        """Cancel the effect, and close its result if it is a stream."""
        self.cancel()
        if isinstance(self.value, AsyncStream):
            await self.value.close()

    async def _run(self) -> None:
        try:
            with self._scope:
                self.value = await self._perform(self)
            if self.is_cancelled and isinstance(self.value, AsyncStream):
                await self.value.close()
        except BaseException as error:
            # The task that waits raises it.
            self.error = error
        finally:
            self._done.set()
