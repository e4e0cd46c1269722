"""Operations in flight, and the drivers that run them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

from .._effects import Effect, Emit, Emitting, Now, Read
from ..errors import ChatKitError
from .base_driver import BaseDriver
from .library import AsyncHTTPClient, HTTPClient
from .limits import TransportSettings
from .network import SyncNetwork
from .pending import CLOSING_SECONDS, NO_EFFECT, Pending, finish
from .pool import drop
from .streams import OpenStream

T = TypeVar("T")
E = TypeVar("E")


class BaseRun(Generic[E, T]):
    """An operation in flight, written once for sync and async."""

    def __init__(self, driver: BaseDriver, operation: Emitting[E, T], deadline: float) -> None:
        self._driver = driver
        self._operation = operation
        self._deadline = deadline
        self._until: float | None = None
        self._finished = False
        # The last effect, and the result of the operation.
        self._pending: Pending = NO_EFFECT
        self._outcome: Pending | None = None
        self._streams: set[OpenStream] = set()

    async def _next(self) -> Emit[E] | None:
        """The next event; ``None`` when the operation has returned."""
        try:
            while not self._finished:
                # If this wait is cancelled, the next wait continues with its effect.
                await self._pending.wait()
                self._adopt(self._pending.value)
                effect = self._step()
                if isinstance(effect, (Emit, Read)):
                    self._adopt(effect.stream)
                if isinstance(effect, Emit):
                    return effect
                if effect is not None:
                    assert self._until is not None
                    self._pending = self._driver.start(effect, self._until)
            return None
        finally:
            if self._finished:
                await self._leave(None)

    def _step(self) -> Effect[E] | None:
        """Run the operation up to its next effect; ``None`` when it has returned."""
        if self._until is None:
            self._until = time.monotonic() + self._deadline
        result, self._pending = self._pending, NO_EFFECT
        # Without this, the exception's frames would keep it alive.
        error, result.error = result.error, None
        try:
            if error is None:
                effect = self._operation.send(result.value)
            else:
                effect = self._operation.throw(error)
                if not isinstance(error, ChatKitError):
                    # A foreign exception ends the operation, even if the operation catches it.
                    self._operation.close()
                    raise error
            while isinstance(effect, Now):
                effect = self._operation.send(time.monotonic())
            return effect
        except StopIteration as stop:
            self._outcome, self._finished = Pending(stop.value), True
            return None
        except BaseException as raised:
            self._outcome, self._finished = Pending(error=raised), True
            raise

    async def _leave(self, error: BaseException | None) -> None:
        """End the operation at its current effect, by ``error`` if it is set; close its streams."""
        pending, self._pending = self._pending, NO_EFFECT
        if self._finished and pending is NO_EFFECT and not self._streams:
            return
        try:
            await pending.close()
            if not self._finished:
                self._abort(error)
        finally:
            try:
                await pending.wait_shielded(CLOSING_SECONDS)
            finally:
                # A second task.cancel() ends the waits, but not the closing.
                self._adopt(pending.value)
                if streams := self._open_streams():
                    await self._driver.close_items(streams)

    def _abort(self, error: BaseException | None) -> None:
        self._finished = True
        if error is not None and not isinstance(error, (ChatKitError, GeneratorExit)):
            # The operation may add a note to it.
            traceback = error.__traceback__
            try:
                self._operation.throw(error)
            except BaseException as raised:
                # A generator turns a StopIteration into a RuntimeError.
                if raised is not error and not isinstance(error, StopIteration):
                    raise
            finally:
                error.__traceback__ = traceback
        self._operation.close()

    def _response(self) -> T:
        if self._outcome is None:
            raise ChatKitError(
                "The run was left before its response arrived. Get it inside the with block, or "
                "resume the run with poll_response(run): the MessageSentEvent has its reference."
            )
        if self._outcome.error is not None:
            raise self._outcome.error
        return cast("T", self._outcome.value)

    def _adopt(self, value: object) -> None:
        if isinstance(value, OpenStream):
            self._streams.add(value)

    def _open_streams(self) -> list[OpenStream]:
        streams = [stream for stream in self._streams if not stream.keep_open]
        self._streams.clear()
        return streams

    def __del__(self) -> None:
        # The operation's ``finally`` blocks release its streams.
        self._operation.close()
        if self._pending.in_flight:
            # The effect closes the stream that it opens.
            self._pending.is_cancelled = True
            drop(self._pending)
        self._adopt(self._pending.value)
        for stream in self._open_streams():
            drop(stream)


class OperationRun(BaseRun[E, T]):
    """A run in flight: iterate over its events, then ask for its response.

    Use it as a context manager, so that a run that is left early closes its connection.
    """

    def __enter__(self) -> OperationRun[E, T]:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        finish(self._leave(error))

    def __iter__(self) -> OperationRun[E, T]:
        return self

    def __next__(self) -> E:
        if (emit := finish(self._next())) is None:
            raise StopIteration
        return emit.event

    def get_response(self) -> T:
        """Wait for the rest of the run.

        Returns:
            The response.

        Raises:
            ChatKitError: The run failed, as in ``run_workflow``.
        """
        for _ in self:
            pass
        return self._response()

    def close(self) -> None:
        """Stop waiting for the run, and close its connection."""
        finish(self._leave(None))


class AsyncOperationRun(BaseRun[E, T]):
    """:class:`OperationRun` for ``async with`` and ``async for``.

    If a wait for an event is cancelled, as by ``asyncio.wait_for(anext(run), 5)``, the run stays
    usable: the next wait continues with its request.
    """

    async def __aenter__(self) -> AsyncOperationRun[E, T]:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        await self._leave(error)

    def __aiter__(self) -> AsyncOperationRun[E, T]:
        return self

    async def __anext__(self) -> E:
        if (emit := await self._next()) is None:
            raise StopAsyncIteration
        return emit.event

    async def get_response(self) -> T:
        """Wait for the rest of the run; see :meth:`OperationRun.get_response`."""
        async for _ in self:
            pass
        return self._response()

    async def aclose(self) -> None:
        """Stop waiting for the run, and close its connection."""
        await self._leave(None)


class SyncDriver(BaseDriver):
    """Runs operations on an ``httpx.Client``; safe to share between threads."""

    def __init__(self, settings: TransportSettings, http_client: HTTPClient | None) -> None:
        super().__init__(settings, SyncNetwork(), http_client)

    def run(
        self,
        operation: Emitting[E, T],
        on_event: Callable[[E], object] | None = None,
        *,
        deadline: float | None = None,
    ) -> T:
        """Run an operation to its end, within ``deadline`` seconds; the client's by default."""
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
        from .async_network import AsyncNetwork

        super().__init__(settings, AsyncNetwork(), http_client)

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
                result = None if on_event is None else on_event(event)
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
        import anyio

        with anyio.CancelScope(shield=True):
            await self._close()
