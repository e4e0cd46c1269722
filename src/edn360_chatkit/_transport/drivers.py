"""The two drivers: they run an operation, or hand it out to be watched."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from .._effects import Emitting
from .driver import BaseDriver
from .library import AsyncHTTPClient, HTTPClient
from .limits import TransportSettings
from .network import AsyncNetwork, SyncNetwork, finish
from .operation import AsyncOperationRun, OperationRun

T = TypeVar("T")
E = TypeVar("E")


class SyncDriver(BaseDriver):
    """Runs operations on an ``httpx.Client``; safe to share between threads."""

    def __init__(self, settings: TransportSettings, http_client: HTTPClient | None) -> None:
        super().__init__(settings, SyncNetwork(), "Client", http_client)

    def run(
        self,
        operation: Emitting[E, T],
        on_event: Callable[[E], object] | None = None,
        *,
        deadline: float | None = None,
    ) -> T:
        """Run an operation to its end.

        Args:
            operation: The operation.
            on_event: Called with each event.
            deadline: How long it may take, in seconds; the client's by default.
        """
        with self.watch(operation, deadline=deadline) as run:
            for event in run:
                if on_event is not None:
                    on_event(event)
            return run.get_response()

    def watch(
        self, operation: Emitting[E, T], *, deadline: float | None = None
    ) -> OperationRun[E, T]:
        """Run an operation step by step, with an iterator over its events."""
        return OperationRun(self, operation, deadline or self._settings.deadline)

    def close(self) -> None:
        """Close the open streams, and the HTTP client if it is ours."""
        finish(self._close())


class AsyncDriver(BaseDriver):
    """Runs operations on an ``httpx.AsyncClient``, under asyncio or trio."""

    def __init__(self, settings: TransportSettings, http_client: AsyncHTTPClient | None) -> None:
        super().__init__(settings, AsyncNetwork(), "AsyncClient", http_client)

    async def run(
        self,
        operation: Emitting[E, T],
        on_event: Callable[[E], Awaitable[object] | object] | None = None,
        *,
        deadline: float | None = None,
    ) -> T:
        """Run an operation to its end; ``on_event`` may be a coroutine function."""
        async with self.watch(operation, deadline=deadline) as run:
            async for event in run:
                if on_event is not None:
                    result = on_event(event)
                    if inspect.isawaitable(result):
                        await result
            return await run.get_response()

    def watch(
        self, operation: Emitting[E, T], *, deadline: float | None = None
    ) -> AsyncOperationRun[E, T]:
        """Run an operation step by step, with an iterator over its events."""
        return AsyncOperationRun(self, operation, deadline or self._settings.deadline)

    async def aclose(self) -> None:
        """Close the open streams, and the HTTP client if it is ours."""
        with anyio.CancelScope(shield=True):
            await self._close()
