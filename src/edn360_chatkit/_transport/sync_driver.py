"""The sync driver, and the shell around a run that it drives."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

import httpx

from .._effects import Effect, Emit, Emitting, Open, Read, Request, Response, Send, Sleep, Stream
from .base import BaseDriver
from .exchange import Content, Exchange, limit_response, response_of
from .home import sync_home
from .library import ClientFactory, HTTPClient, library_of
from .limits import TimeLimit, TooLargeError, TransportSettings
from .operation import Steps
from .pool import (
    SHARD_SIZE,
    Place,
    SyncPool,
    close_dropped,
    dropped,
)
from .streams import (
    SyncStream,
    is_event_stream,
)

T = TypeVar("T")
E = TypeVar("E")


class OperationRun(Generic[E, T]):
    """A run under way: iterate over its events, then ask for its response.

    Use it as a context manager, so that a run that is left early closes its connection.
    """

    def __init__(self, driver: SyncDriver, operation: Emitting[E, T], deadline: float) -> None:
        self._driver = driver
        self._steps = Steps(operation, deadline)

    def __enter__(self) -> OperationRun[E, T]:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(exc)

    def __iter__(self) -> OperationRun[E, T]:
        return self

    def __next__(self) -> E:
        steps = self._steps
        try:
            while (effect := steps.effect()) is not None:
                if isinstance(effect, Emit):
                    steps.succeed(None)
                    return effect.event
                try:
                    steps.succeed(self._driver.perform(effect, steps.until))
                except BaseException as error:
                    steps.fail(error)
        finally:
            if steps.finished:
                self._leave(None)
        raise StopIteration

    def get_response(self) -> T:
        """Wait for the rest of the run.

        Returns:
            The response.

        Raises:
            ChatKitError: As the call that runs it to its end does.
        """
        for _ in self:
            pass
        return self._steps.response()

    def close(self) -> None:
        """Stop waiting for the run, and close its connection."""
        self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        try:
            self._steps.abort(error)
        finally:
            if streams := self._steps.open_streams():
                self._driver.close_streams(streams)

    def __del__(self) -> None:
        if streams := self._steps.open_streams():
            self._driver.drop(streams)


class SyncDriver(BaseDriver[SyncPool]):
    """Runs operations on an ``httpx.Client``; safe to share between threads.

    Args:
        settings: The client's settings.
        http_client: The caller's HTTP client. It is never closed here.

    Raises:
        ConfigurationError: The HTTP client is another object, or can't be set up.
    """

    def __init__(self, settings: TransportSettings, http_client: HTTPClient | None) -> None:
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
        place: Place[HTTPClient] | None = None
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
        self, place: Place[HTTPClient], pool: SyncPool, exchange: Exchange, *, streaming: bool
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
