"""The async driver, and the shell around a run that it drives."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

import anyio
import httpx

from .._effects import Effect, Emit, Emitting, Open, Read, Request, Response, Send, Sleep, Stream
from ..errors import ChatKitError
from .base import BaseDriver
from .exchange import Content, Exchange, response_of
from .home import Home, async_home, is_over
from .library import AsyncHTTPClient, ClientFactory, library_of
from .limits import TimeLimit, TooLargeError, TransportSettings
from .operation import Steps
from .pool import (
    SHARD_SIZE,
    AsyncPool,
    Place,
    close_dropped_async,
    dropped_async,
    forget_closed_loops,
)
from .streams import (
    CLOSING_SECONDS,
    AsyncStream,
    close_response,
    is_event_stream,
)
from .tasks import Pause, Pending, TaskPending

T = TypeVar("T")
E = TypeVar("E")


class AsyncOperationRun(Generic[E, T]):
    """:class:`OperationRun` for ``async with`` and ``async for``.

    A wait for the next event that is cancelled, as by ``asyncio.wait_for(anext(run), 5)``, leaves
    the run as it is: the next one waits for the same request.
    """

    def __init__(self, driver: AsyncDriver, operation: Emitting[E, T], deadline: float) -> None:
        self._driver = driver
        self._steps = Steps(operation, deadline)
        self._pending: Pending | None = None

    async def __aenter__(self) -> AsyncOperationRun[E, T]:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave(exc)

    def __aiter__(self) -> AsyncOperationRun[E, T]:
        return self

    async def __anext__(self) -> E:
        steps = self._steps
        try:
            while (effect := steps.effect()) is not None:
                if isinstance(effect, Emit):
                    steps.succeed(None)
                    return effect.event
                if self._pending is None:
                    self._pending = self._driver.start(effect, steps.until)
                await self._pending.wait()
                self._settle()
        finally:
            if steps.finished:
                await self._leave(None)
        raise StopAsyncIteration

    def _settle(self) -> None:
        pending, self._pending = self._pending, None
        assert pending is not None
        if pending.error is None:
            self._steps.succeed(pending.value)
        else:
            self._steps.fail(pending.error)

    async def get_response(self) -> T:
        """Wait for the rest of the run; see :meth:`OperationRun.get_response`."""
        async for _ in self:
            pass
        return self._steps.response()

    async def aclose(self) -> None:
        """Stop waiting for the run, and close its connection."""
        await self._leave(None)

    async def _leave(self, error: BaseException | None) -> None:
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.cancel()
            self._steps.abort(error)
        finally:
            if pending is not None:
                await self._driver.wait_for_end(pending)
                self._steps.adopt(pending.value)
            if streams := self._steps.open_streams():
                await self._driver.close_streams(streams)

    def __del__(self) -> None:
        streams = self._steps.open_streams()
        if streams or self._pending is not None:
            self._driver.drop(streams, self._pending)


class AsyncDriver(BaseDriver[AsyncPool]):
    """Runs operations on an ``httpx.AsyncClient``, under asyncio or trio.

    Args:
        settings: The client's settings.
        http_client: The caller's HTTP client. It is never closed here.

    Raises:
        ConfigurationError: The HTTP client is another object, or can't be set up.
    """

    def __init__(self, settings: TransportSettings, http_client: AsyncHTTPClient | None) -> None:
        super().__init__(settings, library_of(http_client, "AsyncClient"))
        self._http_client = http_client
        self._make = None
        if http_client is None:
            self._make = ClientFactory(httpx.AsyncClient, settings.url, SHARD_SIZE)

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

    def start(self, effect: Effect[object], until: float) -> Pending:
        """Start one effect.

        Args:
            effect: The effect.
            until: When the operation's time is over, on the monotonic clock.
        """
        try:
            if isinstance(effect, (Send, Open)):
                request, streaming = effect.request, isinstance(effect, Open)
                return TaskPending(
                    lambda task: self._send(request, until, task, streaming=streaming)
                )
            if isinstance(effect, Read):
                stream = effect.stream
                return TaskPending(lambda task: self._read(stream, until, task))
            if isinstance(effect, Sleep):
                return Pause(self._pause(effect.seconds, until))
        except ChatKitError as error:
            return Pending(error=error)
        return Pending(time.monotonic())

    async def wait_for_end(self, pending: Pending) -> None:
        """Wait a moment for the end of an effect that was cancelled."""
        with anyio.move_on_after(CLOSING_SECONDS, shield=True):
            await pending.wait()

    async def aclose(self) -> None:
        """Close the open streams, and the HTTP client if it is ours."""
        self._closed = True
        home = async_home()
        pool = self._pools.get(home)
        # In a task of its own: a cancellation must not strike inside httpx.
        closing = TaskPending(lambda _: self._close(pool, home))
        with anyio.CancelScope(shield=True):
            await closing.wait()

    async def close_streams(self, streams: list[Stream]) -> None:
        """Close streams that an operation has left open."""
        await self.wait_for_end(TaskPending(lambda _: _close_streams(streams)))

    def drop(self, streams: list[Stream], pending: Pending | None) -> None:
        """Close streams, and cancel an effect, later; for finalizers."""
        dropped_async.extend(stream for stream in streams if isinstance(stream, AsyncStream))
        if isinstance(pending, TaskPending):
            dropped_async.append(pending)

    def __del__(self) -> None:
        dropped_async.extend(getattr(self, "_pools", {}).values())

    async def _close(self, pool: AsyncPool | None, home: Home) -> None:
        if pool is not None:
            await pool.close()
        await close_dropped_async(home)

    def _pool(self) -> AsyncPool:
        home = async_home()
        pool = self._pools.get(home)
        if pool is None:
            for old in [old for old in self._pools if is_over(old)]:
                self._pools.pop(old, None)
            forget_closed_loops()
            pool = self._pools.setdefault(home, AsyncPool(home, self._make, self._http_client))
        return pool

    async def _send(
        self, request: Request, until: float, task: TaskPending, *, streaming: bool
    ) -> object:
        pool = self._pool()
        if dropped_async:
            await close_dropped_async(pool.home)
        exchange, handled = self._exchange(request, until, pool), sys.exc_info()[1]
        place: Place[AsyncHTTPClient] | None = None
        answer: object = None
        try:
            with exchange.limit.on_this_task():
                place = await pool.enter(streaming=streaming)
                answer = await self._answer(place, pool, exchange, streaming=streaming)
        except BaseException as error:
            if task.is_cancelled:
                raise
            closed = self._closed or (place is not None and place.http.is_closed)
            answer = self._result_of(error, exchange, pool, handled, closed)
        finally:
            exchange.remove_credential()
            self._note_network(exchange, pool)
            if place is not None and not isinstance(answer, Stream):
                place.release()
        return answer

    async def _answer(
        self,
        place: Place[AsyncHTTPClient],
        pool: AsyncPool,
        exchange: Exchange,
        *,
        streaming: bool,
    ) -> AsyncStream | Response:
        message = exchange.message(place.http, is_async=True)
        # Redirects are not followed: they would carry key and data to another place.
        response = await place.http.send(
            message, stream=True, auth=exchange.authorize, follow_redirects=False
        )
        size = self._settings.max_response_bytes
        if streaming and is_event_stream(response):
            stream = AsyncStream(response, exchange, size, pool.home)
            stream.keep_in(pool.streams, place.release)
            return stream
        content = Content(size)
        chunks = response.aiter_bytes()
        try:
            while content.add(await anext(chunks, None)):
                exchange.limit.check()
            await response.aclose()
            return content.response(response, exchange.request)
        except BaseException as error:
            await close_response(response, chunks)
            if isinstance(error, TooLargeError):
                return response_of(response, exchange.request, None)
            raise

    async def _read(
        self, stream: Stream, until: float, task: TaskPending
    ) -> tuple[str, ...] | None:
        assert isinstance(stream, AsyncStream)
        pool = self._pool()
        stream.check_home(pool.home)
        handled = sys.exc_info()[1]
        stream.exchange.deadline = until
        try:
            return await stream.read(TimeLimit(until))
        except BaseException as error:
            if not task.is_cancelled:
                self._result_of(error, stream.exchange, pool, handled, self._closed)
            raise


async def _close_streams(streams: list[Stream]) -> None:
    for stream in streams:
        assert isinstance(stream, AsyncStream)
        await stream.close()
