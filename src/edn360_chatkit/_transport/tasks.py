"""Async effects run in tasks of their own.

A cancellation of asyncio's (``task.cancel()``) that strikes inside httpcore loses a connection.
Here it strikes only the task that waits. The effect goes on, or a cancel scope of anyio ends it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeAlias

import anyio

Home: TypeAlias = tuple[int, object]
"""Where connections belong: a process id and an event loop, which is ``None`` for sync ones."""

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
    """An effect that was started; this class is for one that has ended.

    Attributes:
        value: The result.
        error: The exception, if the effect failed.
        is_cancelled: Whether :meth:`cancel` was called while the effect was in flight.
    """

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
    """An effect in a task of its own.

    Attributes:
        home: The event loop that it runs in.
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
