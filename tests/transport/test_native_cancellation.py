"""Tasks that are cancelled by asyncio itself: no connection is lost, and a run stays usable."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import anyio
import httpx
import pytest

from edn360_chatkit._effects import Operation
from edn360_chatkit._transport import AsyncDriver
from tests.support.patience import Hold, becomes_true
from tests.support.raw_server import Exchange, raw_server
from tests.support.transport import STREAM_HEAD, get, settings, status

from .servers import counting_server, open_streams, watched


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
