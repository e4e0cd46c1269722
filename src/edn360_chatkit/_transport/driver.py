"""The sync and the async driver: they perform the effects of an operation."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
import httpx

from .._effects import Effect, Emitting, Open, Read, Request, Response, Send, Sleep, Stream
from ..errors import ChatKitError, ConfigurationError
from .exchange import Content, Exchange, limit_response, response_of
from .failures import closed_error, deadline_error, drop_tracebacks, meaning_of
from .home import Home, async_home, is_over, sync_home
from .library import AsyncHttpClient, ClientFactory, HttpClient, HttpLibrary, library_of
from .limits import TimeLimit, TooLargeError, TransportSettings
from .operation import AsyncOperationRun, OperationRun
from .pool import (
    SHARD_SIZE,
    AsyncPool,
    Place,
    SyncPool,
    close_dropped,
    close_dropped_async,
    dropped,
    dropped_async,
    forget_closed_loops,
)
from .streams import (
    CLOSING_SECONDS,
    AsyncStream,
    SyncStream,
    close_response,
    is_event_stream,
)
from .tasks import Pause, Pending, TaskPending

T = TypeVar("T")
E = TypeVar("E")
P = TypeVar("P", SyncPool, AsyncPool)


class _Driver(Generic[P]):
    """What the two drivers share.

    A pool belongs to one process and one event loop; another one gets a pool of its own. After an
    exception that struck inside httpx, the pool is replaced as a whole.
    """

    def __init__(self, settings: TransportSettings, library: HttpLibrary) -> None:
        self._settings = settings
        self._library = library
        self._closed = False
        self._pools: dict[Home, P] = {}
        # Where the caller's HTTP client first used a network.
        self._network_home: Home | None = None

    def _exchange(self, request: Request, until: float, pool: P) -> Exchange:
        """Begin with a request.

        Raises:
            ChatKitError: It is refused before anything is sent.
        """
        if self._closed:
            raise closed_error()
        if time.monotonic() >= until:
            raise deadline_error(may_have_arrived=False)
        if not pool.owned and self._network_home not in (None, pool.home):
            raise ConfigurationError(
                "The http_client was used in another process or event loop, where its connections "
                "belong. Make a client in each; nothing was sent."
            )
        return Exchange(request, self._settings, self._library, deadline=until, owned=pool.owned)

    def _note_network(self, exchange: Exchange, pool: P) -> None:
        # Only a transport with real connections reports its steps.
        if exchange.traced and self._network_home is None:
            self._network_home = pool.home

    def _result_of(
        self,
        error: BaseException,
        exchange: Exchange,
        pool: P,
        handled: BaseException | None,
        closed: bool,
    ) -> Response:
        """The response that an exception stands for; else raises its meaning.

        Args:
            error: The exception.
            exchange: The request that it ended.
            pool: The pool of the request; replaced if the exception is a foreign one.
            handled: The exception that the caller was handling before; it stays as it is.
            closed: Whether the HTTP client is closed.
        """
        meaning = meaning_of(error, exchange, closed=closed)
        if isinstance(meaning, Response):
            return meaning
        if meaning is error:
            raise error
        if meaning is not None:
            drop_tracebacks(error, handled)
            raise meaning from error
        if pool.owned:
            # Below a client of ours there is no code of the caller's to debug.
            drop_tracebacks(error, handled)
            if self._pools.get(pool.home) is pool:
                self._pools.pop(pool.home, pool).retire()
        raise error

    def _pause(self, seconds: float, until: float) -> float:
        if seconds > until - time.monotonic():
            raise deadline_error(may_have_arrived=False)
        return seconds


class SyncDriver(_Driver[SyncPool]):
    """Runs operations on an ``httpx.Client``; safe to share between threads.

    Args:
        settings: The client's settings.
        http_client: The caller's HTTP client. It is never closed here.

    Raises:
        ConfigurationError: The HTTP client is another object, or can't be set up.
    """

    def __init__(self, settings: TransportSettings, http_client: HttpClient | None) -> None:
        super().__init__(settings, library_of(http_client, "Client"))
        self._http_client = http_client
        self._make = None
        if http_client is None:
            self._make = ClientFactory(httpx.Client, settings.url, SHARD_SIZE)

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

    def perform(self, effect: Effect[object], until: float) -> object:
        """Perform one effect.

        Args:
            effect: The effect.
            until: When the operation's time is over, on the monotonic clock.
        """
        if isinstance(effect, (Send, Open)):
            return self._send(effect.request, until, streaming=isinstance(effect, Open))
        if isinstance(effect, Read):
            return self._read(effect.stream, until)
        if isinstance(effect, Sleep):
            time.sleep(self._pause(effect.seconds, until))
            return None
        return time.monotonic()

    def close(self) -> None:
        """Close the open streams, and the HTTP client if it is ours."""
        self._closed = True
        for pool in list(self._pools.values()):
            pool.close()
        close_dropped()

    def close_streams(self, streams: list[Stream]) -> None:
        """Close streams that an operation has left open."""
        for stream in streams:
            assert isinstance(stream, SyncStream)
            stream.close()

    def drop(self, streams: list[Stream]) -> None:
        """Close streams later; for finalizers."""
        dropped.extend(stream for stream in streams if isinstance(stream, SyncStream))

    def __del__(self) -> None:
        dropped.extend(getattr(self, "_pools", {}).values())

    def _pool(self) -> SyncPool:
        home = sync_home()
        pool = self._pools.get(home)
        if pool is None:
            pool = self._pools.setdefault(home, SyncPool(home, self._make, self._http_client))
        return pool

    def _send(self, request: Request, until: float, *, streaming: bool) -> object:
        if dropped:
            close_dropped()
        pool = self._pool()
        exchange, handled = self._exchange(request, until, pool), sys.exc_info()[1]
        place: Place[HttpClient] | None = None
        answer: object = None
        try:
            place = pool.enter(exchange, streaming=streaming)
            answer = self._answer(place, pool, exchange, streaming=streaming)
        except BaseException as error:
            closed = self._closed or (place is not None and place.http.is_closed)
            answer = self._result_of(error, exchange, pool, handled, closed)
        finally:
            exchange.remove_credential()
            self._note_network(exchange, pool)
            if place is not None and not isinstance(answer, Stream):
                place.release()
        return answer

    def _answer(
        self, place: Place[HttpClient], pool: SyncPool, exchange: Exchange, *, streaming: bool
    ) -> SyncStream | Response:
        message = exchange.message(place.http, is_async=False)
        with exchange.limit.on_this_thread():
            # Redirects are not followed: they would carry key and data to another place.
            response = place.http.send(
                message, stream=True, auth=exchange.authorize, follow_redirects=False
            )
        limit_response(response)
        size = self._settings.max_response_bytes
        if streaming and is_event_stream(response):
            stream = SyncStream(response, exchange, size, pool.home)
            stream.keep_in(pool.streams, place.release)
            return stream
        content = Content(size)
        try:
            chunks = response.iter_bytes()
            with exchange.limit.on_this_thread():
                while content.add(next(chunks, None)):
                    exchange.limit.check()
            return content.response(response, exchange.request)
        except TooLargeError:
            return response_of(response, exchange.request, None)
        finally:
            response.close()

    def _read(self, stream: Stream, until: float) -> tuple[str, ...] | None:
        assert isinstance(stream, SyncStream)
        pool = self._pool()
        stream.check_home(pool.home)
        handled = sys.exc_info()[1]
        stream.exchange.deadline = until
        try:
            return stream.read(TimeLimit(until))
        except BaseException as error:
            self._result_of(error, stream.exchange, pool, handled, self._closed)
            raise


class AsyncDriver(_Driver[AsyncPool]):
    """Runs operations on an ``httpx.AsyncClient``, under asyncio or trio.

    Args:
        settings: The client's settings.
        http_client: The caller's HTTP client. It is never closed here.

    Raises:
        ConfigurationError: The HTTP client is another object, or can't be set up.
    """

    def __init__(self, settings: TransportSettings, http_client: AsyncHttpClient | None) -> None:
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
        place: Place[AsyncHttpClient] | None = None
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
        place: Place[AsyncHttpClient],
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
