"""Runs and clients that are dropped: their streams are closed later, without blocking requests."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import anyio
import pytest

from edn360_chatkit._effects import Emitting, Operation, Request, Stream, emit, open_stream, read
from edn360_chatkit._transport import AsyncDriver, SyncDriver
from edn360_chatkit._transport.pending import Home, finish
from edn360_chatkit._transport.pool import close_items, drop, take_dropped
from tests.support.patience import PATIENCE, becomes_true, eventually
from tests.support.raw_server import Exchange, raw_server, reply
from tests.support.transport import STREAM_HEAD, first_events, get, settings, status

from .servers import counting_server, open_streams, watched


def test_dropped_run_is_closed_later() -> None:
    with open_streams() as server:
        driver = SyncDriver(settings(server.server_url), None)
        run = driver.watch(watched(server.server_url))
        next(run)
        cycle: list[object] = [run]
        cycle.append(cycle)
        (pool,) = driver._pools.values()
        (stream,) = pool.streams
        del run, cycle
        gc.collect()
        assert pool.streams == {stream}
        driver.run(first_events(server.server_url))
        assert eventually(lambda: stream not in pool.streams)
        driver.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_dropped_async_run_is_closed_later(backend: str) -> None:
    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        run = driver.watch(watched(url))
        await anext(run)
        (pool,) = driver._pools.values()
        (stream,) = pool.streams
        del run
        gc.collect()
        assert pool.streams == {stream}
        await driver.run(first_events(url))
        assert await becomes_true(lambda: stream not in pool.streams)
        await driver.aclose()

    with open_streams() as server:
        anyio.run(main, server.server_url, backend=backend)


def test_dropped_client_is_closed_by_another() -> None:
    connections: list[socket.socket] = []

    def answer(exchange: Exchange) -> Iterable[bytes]:
        connections.append(exchange.connection)
        yield reply({})

    with raw_server(answer) as server:
        driver = SyncDriver(settings(server.server_url), None)
        driver.run(get(server.server_url))
        del driver
        gc.collect()
        time.sleep(0.1)
        assert connections[0].fileno() >= 0
        other = SyncDriver(settings(server.server_url), None)
        other.run(get(server.server_url))
        # The server closes its end when the other end is closed.
        assert eventually(lambda: connections[0].fileno() < 0)
        other.close()


class SlowItem:
    """A dropped stream whose connection takes long to close."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.may_end = threading.Event()
        self.has_ended = threading.Event()

    async def close(self) -> None:
        assert await becomes_true(self.may_end.is_set)
        self.has_ended.set()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_request_does_not_wait_for_dropped_streams(backend: str) -> None:
    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        item = SlowItem(driver.network.home())
        drop(item)
        # The item waits for longer than this deadline.
        assert await driver.run(status(url), deadline=PATIENCE / 2) == 200
        item.may_end.set()
        assert await becomes_true(item.has_ended.is_set)
        await driver.aclose()

    with counting_server() as server:
        anyio.run(main, server.server_url, backend=backend)


class Waiting:
    """The streams that a client holds for a run that is not followed yet."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.stream: Stream | None = None

    def send(self) -> Operation[None]:
        stream = yield from open_stream(Request("POST", self._url))
        assert isinstance(stream, Stream)
        stream.keep_open = True
        self.stream = stream

    def follow(self) -> Emitting[str, None]:
        assert self.stream is not None
        self.stream.keep_open = False
        yield from emit("early", self.stream)
        yield from read(self.stream)

    def run(self) -> Emitting[str, None]:
        yield from self.send()
        try:
            yield from emit("sent")
        finally:
            assert self.stream is not None
            self.stream.keep_open = False


def test_unread_stream_is_closed() -> None:
    def fail(event: str) -> None:
        raise ZeroDivisionError

    with open_streams() as server:
        driver = SyncDriver(settings(server.server_url), None)
        waiting = Waiting(server.server_url)
        driver.run(waiting.send())
        with pytest.raises(ZeroDivisionError):
            driver.run(waiting.follow(), fail)
        assert not driver._pool().streams
        driver.close()


def test_run_dropped_at_event_closes_stream() -> None:
    with open_streams() as server:
        driver = SyncDriver(settings(server.server_url), None)
        pool = driver._pool()
        for _ in driver.watch(Waiting(server.server_url).run()):
            break
        gc.collect()
        finish(close_items(take_dropped(pool.home)))
        # A thread of another test may have closed the stream.
        assert eventually(lambda: not pool.streams)
        driver.close()


def test_stream_of_a_dropped_run_is_closed() -> None:
    """The stream opens after the run is dropped."""
    dropped, closed = threading.Event(), threading.Event()

    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        run = driver.watch(Waiting(url).run())
        while not server.requests:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(anext(run), 0.05)
        del run
        gc.collect()
        dropped.set()
        assert await becomes_true(closed.is_set)
        await driver.aclose()

    def answer(exchange: Exchange) -> Iterable[bytes]:
        dropped.wait(PATIENCE)
        yield STREAM_HEAD + b"data: x\n\n"
        with suppress(OSError):
            exchange.connection.recv(1)
        closed.set()

    with raw_server(answer) as server:
        asyncio.run(main(server.server_url))
