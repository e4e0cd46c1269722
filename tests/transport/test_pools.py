"""The connections of a pool: shared, limited, and replaced as a whole after an interruption."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import anyio
import httpx
import pytest

from edn360_chatkit import APIConnectionError, APITimeoutError, ConfigurationError
from edn360_chatkit._transport import AsyncDriver, SyncDriver
from edn360_chatkit._transport.limits import TimeLimit
from edn360_chatkit._transport.network import SyncNetwork
from edn360_chatkit._transport.pending import NO_EFFECT, finish
from edn360_chatkit._transport.pool import Pool
from tests.support.patience import PATIENCE, Hold, becomes_true, eventually
from tests.support.raw_server import Exchange, raw_server, reply
from tests.support.transport import get, settings, status

from .servers import counting_server, kept_stream, open_streams, ports


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


def test_request_in_flight_keeps_its_pool() -> None:
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


def test_late_request_of_old_pool_ends() -> None:
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


def test_sequential_requests_share_connection() -> None:
    with counting_server() as server:
        driver = SyncDriver(settings(server.server_url), None)
        for _ in range(20):
            driver.run(get(server.server_url))
        driver.close()
        assert len(ports(server)) == 1


def test_concurrent_requests_use_several_transports() -> None:
    requests = 3
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


@pytest.mark.parametrize("streaming", [True, False])
def test_transport_is_used_by_one_request_at_a_time(streaming: bool) -> None:
    """httpcore can close a connection that another thread has just taken."""
    pool = Pool(SyncNetwork(), lambda kept: httpx.HTTPTransport(), None)
    limit = TimeLimit(time.monotonic() + PATIENCE, NO_EFFECT)
    first, second = (finish(pool.enter(limit, streaming=streaming)) for _ in range(2))
    assert first is not second
    pool.leave(first)
    assert finish(pool.enter(limit, streaming=streaming)) is first
    finish(pool.close())


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


def test_closed_client_sends_no_waiting_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edn360_chatkit._transport.pool.MAX_CONNECTIONS", 1)
    hold = Hold()
    with raw_server(hold) as server, ThreadPoolExecutor(2) as threads:
        driver = SyncDriver(settings(server.server_url), None)
        busy = threads.submit(driver.run, get(server.server_url))
        assert hold.arrived.wait(PATIENCE)
        waiting = threads.submit(driver.run, get(server.server_url))
        time.sleep(0.1)
        driver.close()
        hold.released.set()
        with pytest.raises(APIConnectionError):
            busy.result()
        with pytest.raises(ConfigurationError, match="closed"):
            waiting.result()
        assert len(server.requests) == 1
