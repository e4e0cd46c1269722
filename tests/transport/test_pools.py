"""Pools are replaced as a whole, and belong to one process and one event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import count
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from edn360_chatkit import APIConnectionError, APITimeoutError, ConfigurationError
from edn360_chatkit._effects import Emitting, Operation, Request, Stream, emit, open_stream, read
from edn360_chatkit._transport import AsyncDriver, SyncDriver
from edn360_chatkit._transport.limits import TimeLimit
from edn360_chatkit._transport.network import SyncNetwork
from edn360_chatkit._transport.pending import NO_EFFECT, Home, finish
from edn360_chatkit._transport.pool import (
    REQUEST_SHARD_SIZE,
    Pool,
    close_items,
    drop,
    forget_closed_loops,
    take_dropped,
)
from tests.support.patience import PATIENCE, Hold, becomes_true, eventually
from tests.support.raw_server import Exchange, RawServer, raw_server, reply
from tests.support.transport import STREAM_HEAD, first_events, get, settings, status

LIBRARIES = [httpx, httpx2]


def ports(server: RawServer) -> set[int]:
    """The clients' ports, which count the connections to the server."""
    return set(ports_by_server[id(server)])


ports_by_server: dict[int, list[int]] = {}


@contextmanager
def counting_server(wait: Callable[[], object] = int) -> Iterator[RawServer]:
    """Answer each request with its path after a wait, and record the connections."""
    connections: list[int] = []

    def answer(exchange: Exchange) -> Iterable[bytes]:
        connections.append(exchange.connection.getpeername()[1])
        wait()
        yield reply({"path": exchange.line.partition(" ")[2]})

    with raw_server(answer) as server:
        ports_by_server[id(server)] = connections
        yield server
        del ports_by_server[id(server)]


def forget_loops() -> None:
    """Suppress Python's warning about connections of an ended event loop: they can't be closed."""
    forget_closed_loops()
    gc.collect()


def open_streams() -> Any:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield STREAM_HEAD + b"data: x\n\n"
        with suppress(OSError):
            exchange.connection.recv(1)

    return raw_server(answer)


def watched(url: str) -> Emitting[str, None]:
    """Emits the events of a stream."""
    stream = yield from open_stream(Request("POST", url))
    assert isinstance(stream, Stream)
    while (batch := (yield from read(stream))) is not None:
        for event in batch:
            yield from emit(event)


def kept_stream(url: str) -> Operation[Stream]:
    """Opens a stream for a later operation."""
    stream = yield from open_stream(Request("POST", url))
    assert isinstance(stream, Stream)
    stream.keep_open = True
    return stream


def read_on(stream: Stream) -> Operation[tuple[str, ...] | None]:
    return (yield from read(stream))


# --- replaced after an interruption ---------------------------------------------------------------


def test_interruption_replaces_the_pool() -> None:
    numbers, left = count(1), threading.Event()

    def strike(*args: object) -> None:
        raise KeyboardInterrupt

    def interrupt_second_request() -> None:
        if next(numbers) == 2:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
            left.wait(PATIENCE)

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with counting_server(interrupt_second_request) as server:
            driver = SyncDriver(settings(server.server_url), None)
            driver.run(get(server.server_url))
            pool = driver._pool()
            with pytest.raises(KeyboardInterrupt):
                driver.run(get(server.server_url))
            left.set()
            driver.run(get(server.server_url))
            assert driver._pool() is not pool
            assert len(ports(server)) == 2
            driver.close()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_request_in_flight_ends_on_the_old_pool() -> None:
    hold = Hold()
    with raw_server(hold) as server, ThreadPoolExecutor(1) as threads:
        driver = SyncDriver(settings(server.server_url), None)
        result = threads.submit(driver.run, status(server.server_url))
        assert hold.arrived.wait(PATIENCE)
        (pool,) = driver._pools.values()
        driver._pools.clear()
        pool.retire()
        hold.released.set()
        assert driver.run(status(server.server_url)) == 200
        assert result.result() == 200
        driver.close()


def test_late_request_of_a_replaced_pool_is_not_cut() -> None:
    """Another thread has taken the pool, but not yet a place, when the pool is replaced."""
    pool = Pool(SyncNetwork(), lambda kept: httpx.HTTPTransport(), None)
    limit = TimeLimit(time.monotonic() + PATIENCE, NO_EFFECT)
    pool.retire()
    late = finish(pool.enter(limit, streaming=True))
    finish(pool.close())
    assert pool._shards == [late]
    pool.leave(late)
    assert eventually(lambda: not pool._shards)


def test_lock_that_an_interruption_left_blocks_nothing() -> None:
    http = httpx.HTTPTransport()
    pool = Pool(SyncNetwork(), lambda kept: http, None)
    limit = TimeLimit(time.monotonic() + PATIENCE, NO_EFFECT)
    pool.leave(finish(pool.enter(limit, streaming=False)))
    lock = http._pool._optional_thread_lock
    with lock:
        thread = threading.Thread(target=pool.retire, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive()


# --- native cancellation --------------------------------------------------------------------------


def test_native_cancellations_lose_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has two connections, so that the loss of a connection shows soon."""
    monkeypatch.setattr("edn360_chatkit._transport.pool.MAX_CONNECTIONS", 2)
    draw = random.Random(1)

    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        for _ in range(60):
            tasks = [asyncio.create_task(driver.run(get(url))) for _ in range(5)]
            for task in tasks:
                await asyncio.sleep(draw.uniform(0, 0.002))
                task.cancel()
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert [await driver.run(status(url)) for _ in range(4)] == [200] * 4
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await driver.aclose()

    with counting_server() as server:
        asyncio.run(main(server.server_url))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_wait_leaves_the_run_usable(backend: str) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        time.sleep(0.3)
        yield STREAM_HEAD + b"data: x\n\n"
        time.sleep(0.3)
        yield b"data: y\n\n"
        time.sleep(2)

    async def main(url: str) -> list[str]:
        driver = AsyncDriver(settings(url), None)
        events: list[str] = []
        async with driver.watch(watched(url)) as run:
            while len(events) < 2:
                with anyio.move_on_after(0.05):
                    events.append(await anext(run))
        await driver.aclose()
        return events

    with raw_server(answer) as server:
        assert anyio.run(main, server.server_url, backend=backend) == ["x", "y"]
        assert server.requests == ["POST /chatkit"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_left_run_has_ended_its_request(backend: str) -> None:
    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        async with driver.watch(get(url)) as run:
            while not server.requests:
                with anyio.move_on_after(0.05):
                    await anext(run)
            (shard,) = driver._pool()._shards
            assert shard.used == 1
        assert shard.used == 0
        await driver.aclose()

    # It never answers.
    with raw_server(lambda exchange: [exchange.connection.recv(1)]) as server:
        anyio.run(main, server.server_url, backend=backend)
        assert server.requests == ["GET /chatkit"]


def test_wait_for_is_a_heartbeat() -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        time.sleep(0.3)
        yield STREAM_HEAD + b"data: x\n\n"
        time.sleep(2)

    async def main(url: str) -> str:
        driver = AsyncDriver(settings(url), None)
        async with driver.watch(watched(url)) as run:
            while True:
                with suppress(asyncio.TimeoutError):
                    event = await asyncio.wait_for(anext(run), 0.05)
                    break
        await driver.aclose()
        return event

    with raw_server(answer) as server:
        assert asyncio.run(main(server.server_url)) == "x"
        assert server.requests == ["POST /chatkit"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_context_variables_reach_the_http_client(backend: str) -> None:
    variable: ContextVar[str] = ContextVar("variable")
    values: list[str] = []

    async def hook(request: Any) -> None:
        values.append(variable.get())

    async def main(url: str) -> None:
        variable.set("mine")
        async with httpx.AsyncClient(event_hooks={"request": [hook]}) as http:
            await AsyncDriver(settings(url), http).run(get(url))

    with counting_server() as server:
        anyio.run(main, server.server_url, backend=backend)
    assert values == ["mine"]


def test_cancellation_reaches_the_operation() -> None:
    notes: list[str] = []

    def operation(url: str) -> Operation[None]:
        try:
            yield from get(url)
        except BaseException as error:
            notes.append(type(error).__name__)
            raise

    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        task = asyncio.create_task(driver.run(operation(url)))
        assert await becomes_true(hold.arrived.is_set)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        hold.released.set()
        await driver.aclose()

    hold = Hold()
    with raw_server(hold) as server:
        asyncio.run(main(server.server_url))
    assert notes == ["CancelledError"]


# --- other processes and event loops --------------------------------------------------------------


def in_child(work: Any) -> int:
    """The exit status of a forked child that does the work."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_child_has_own_connections() -> None:
    with counting_server() as server:
        driver = SyncDriver(settings(server.server_url), None)
        driver.run(get(server.server_url))

        def work() -> None:
            assert driver.run(status(server.server_url)) == 200
            gc.collect()

        assert in_child(work) == 0
        assert in_child(work) == 0
        driver.run(get(server.server_url))
        driver.close()
        # Each child has a connection. The parent may have a second if its first has expired.
        assert len(ports(server)) in (3, 4)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_child_ignores_parents_stream() -> None:
    with open_streams() as server:
        driver = SyncDriver(settings(server.server_url), None)
        stream = driver.run(kept_stream(server.server_url))

        def work() -> None:
            with pytest.raises(APIConnectionError, match="another process"):
                driver.run(read_on(stream))
            driver.close()

        assert in_child(work) == 0
        assert driver.run(read_on(stream)) == ("x",)
        driver.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("library", LIBRARIES)
def test_callers_client_is_refused_after_a_fork(library: Any) -> None:
    with counting_server() as server, library.Client() as http:
        driver = SyncDriver(settings(server.server_url), http)
        driver.run(get(server.server_url))

        def work() -> None:
            with pytest.raises(ConfigurationError, match="another process"):
                driver.run(get(server.server_url))

        assert in_child(work) == 0
        assert len(server.requests) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_event_loop_closes_its_connections_at_its_end(backend: str) -> None:
    """Each loop has a pool of its own, and no garbage collection is needed."""
    connections: list[socket.socket] = []

    def answer(exchange: Exchange) -> Iterable[bytes]:
        connections.append(exchange.connection)
        if exchange.line.startswith("GET"):
            yield reply({})
            return
        yield STREAM_HEAD + b"data: x\n\n"
        with suppress(OSError):
            exchange.connection.recv(1)

    async def main(driver: AsyncDriver, url: str) -> None:
        await driver.run(kept_stream(url))
        assert await driver.run(status(url)) == 200

    gc.disable()
    try:
        with raw_server(answer) as server:
            driver = AsyncDriver(settings(server.server_url), None)
            for _ in range(3):
                anyio.run(main, driver, server.server_url, backend=backend)
            assert len(connections) == 6
            # The server closes its end when the other end is closed.
            assert eventually(lambda: all(c.fileno() < 0 for c in connections))
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("library", LIBRARIES)
def test_callers_client_is_refused_in_other_loop(library: Any) -> None:
    with counting_server() as server:
        driver = AsyncDriver(settings(server.server_url), library.AsyncClient())
        asyncio.run(driver.run(get(server.server_url)))
        with pytest.raises(ConfigurationError, match="event loop"):
            asyncio.run(driver.run(get(server.server_url)))
        assert len(server.requests) == 1
        del driver
        forget_loops()


def test_callers_mock_works_in_every_loop() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    driver = AsyncDriver(settings("http://test"), httpx.AsyncClient(transport=transport))
    for _ in range(2):
        assert asyncio.run(driver.run(status("http://test/x"))) == 200


# --- finalizers -----------------------------------------------------------------------------------


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


# --- places ---------------------------------------------------------------------------------------


def test_sequential_requests_share_connection() -> None:
    with counting_server() as server:
        driver = SyncDriver(settings(server.server_url), None)
        for _ in range(20):
            driver.run(get(server.server_url))
        driver.close()
        assert len(ports(server)) == 1


def test_concurrent_requests_use_several_transports() -> None:
    requests = 3 * REQUEST_SHARD_SIZE
    together = threading.Barrier(requests, timeout=PATIENCE)

    async def main(url: str) -> int:
        driver = AsyncDriver(settings(url), None)
        async with anyio.create_task_group() as tasks:
            for _ in range(requests):
                tasks.start_soon(driver.run, get(url))
        (pool,) = driver._pools.values()
        transports = len(pool._shards)
        await driver.aclose()
        return transports

    with counting_server(together.wait) as server:
        assert anyio.run(main, server.server_url) == 3
        assert len(ports(server)) == requests


def test_requests_share_a_hundred_connections() -> None:
    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url, request_seconds=None, deadline=120.0), None)
        async with anyio.create_task_group() as tasks:
            for _ in range(300):
                tasks.start_soon(driver.run, get(url))
        await driver.aclose()

    lock, at_work, counts = threading.Lock(), set[int](), list[int]()
    full = threading.Event()

    def answer(exchange: Exchange) -> Iterable[bytes]:
        with lock:
            at_work.add(id(exchange))
            counts.append(len(at_work))
        if len(at_work) >= 100:
            full.set()
        full.wait(PATIENCE)
        time.sleep(0.1)  # for another connection, if there were one
        with lock:
            at_work.discard(id(exchange))
        yield reply({})

    with raw_server(answer) as server:
        anyio.run(main, server.server_url)
        assert len(server.requests) == 300
        assert max(counts) == 100


@pytest.mark.parametrize("streams", [250, pytest.param(1000, marks=pytest.mark.slow)])
def test_streams_do_not_wait_for_each_other(streams: int) -> None:
    async def main(url: str) -> int:
        driver = AsyncDriver(settings(url, request_seconds=None, deadline=120.0), None)
        async with anyio.create_task_group() as tasks:
            for _ in range(streams):
                tasks.start_soon(driver.run, kept_stream(url))
        (pool,) = driver._pools.values()
        count = len(pool.streams)
        await driver.aclose()
        assert not pool.streams
        return count

    with open_streams() as server:
        assert anyio.run(main, server.server_url) == streams


def test_threads_share_a_client() -> None:
    with counting_server() as server, ThreadPoolExecutor(20) as threads:
        driver = SyncDriver(settings(server.server_url), None)
        results = threads.map(lambda _: driver.run(status(server.server_url)), range(200))
        assert list(results) == [200] * 200
        driver.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_wait_for_connection_ends_at_deadline(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edn360_chatkit._transport.pool.MAX_CONNECTIONS", 1)

    def wait(url: str) -> None:
        driver = SyncDriver(settings(url), None)
        busy = threading.Thread(target=driver.run, args=(get(url),))
        busy.start()
        assert hold.arrived.wait(PATIENCE)
        try:
            driver.run(get(url), deadline=0.2)
        finally:
            hold.released.set()
            busy.join()
            driver.close()

    async def wait_async(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(driver.run, get(url))
                assert await becomes_true(hold.arrived.is_set)
                with pytest.raises(APITimeoutError) as caught:
                    await driver.run(get(url), deadline=0.2)
                hold.released.set()
        finally:
            await driver.aclose()
        raise caught.value

    def wait_either(url: str) -> None:
        if kind == "sync":
            wait(url)
        else:
            anyio.run(wait_async, url)

    hold = Hold()
    with raw_server(hold) as server, pytest.raises(APITimeoutError, match="busy") as caught:
        wait_either(server.server_url)
    assert not caught.value.may_have_arrived
    assert caught.value.deadline_passed


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


def test_stop_iteration_of_a_callback_passes_through() -> None:
    def fail(event: str) -> None:
        raise StopIteration

    def operation() -> Emitting[str, None]:
        yield from emit("event")

    driver = SyncDriver(settings("http://127.0.0.1:1"), None)
    with pytest.raises(StopIteration):
        driver.run(operation(), fail)


def test_second_cancellation_does_not_keep_streams_open() -> None:
    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        for delay in range(60):
            task = asyncio.create_task(driver.run(watched(url), lambda event: None))
            await asyncio.sleep(delay / 2000)
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
            with suppress(asyncio.CancelledError):
                await task
        del task
        assert await becomes_true(lambda: not driver._pool().streams)
        await driver.aclose()

    with open_streams() as server:
        asyncio.run(main(server.server_url))
