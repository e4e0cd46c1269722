"""A pool belongs to a single process and a single event loop."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest

from edn360_chatkit import APIConnectionError, ConfigurationError
from edn360_chatkit._transport import AsyncDriver, SyncDriver
from edn360_chatkit._transport.pool import forget_closed_loops
from tests.support.patience import eventually
from tests.support.raw_server import Exchange, raw_server, reply
from tests.support.transport import STREAM_HEAD, get, settings, status

from .servers import LIBRARIES, counting_server, kept_stream, open_streams, ports, read_on


def forget_loops() -> None:
    """Suppress Python's warning about connections of an ended event loop: they can't be closed."""
    forget_closed_loops()
    gc.collect()


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
            # A second client of ours would read the parent's answers just as well.
            for one in (driver, SyncDriver(settings(server.server_url), http)):
                with pytest.raises(ConfigurationError, match="another process"):
                    one.run(get(server.server_url))

        assert in_child(work) == 0
        assert len(server.requests) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ended_event_loop_closes_its_connections(backend: str) -> None:
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
        http = library.AsyncClient()
        driver, other = (AsyncDriver(settings(server.server_url), http) for _ in range(2))
        asyncio.run(driver.run(get(server.server_url)))
        for one in (driver, other):
            with pytest.raises(ConfigurationError, match="event loop"):
                asyncio.run(one.run(get(server.server_url)))
        assert len(server.requests) == 1
        del http, driver, other, one
        forget_loops()


class EqualClient(httpx.AsyncClient):
    """Compares by value, so that it has no hash."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqualClient)


def test_equal_clients_of_caller_are_told_apart() -> None:
    async def main(url: str) -> None:
        async with EqualClient() as http:
            await AsyncDriver(settings(url), http).run(get(url))

    with counting_server() as server:
        for _ in range(2):
            asyncio.run(main(server.server_url))
        assert len(server.requests) == 2
    forget_loops()


def test_callers_mock_works_in_every_loop() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    driver = AsyncDriver(settings("http://test"), httpx.AsyncClient(transport=transport))
    for _ in range(2):
        assert asyncio.run(driver.run(status("http://test/x"))) == 200
