"""Streams: batches of events, their limits, and the end of a stream."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import anyio
import httpx
import pytest

from edn360_chatkit import APIConnectionError, APIError, APITimeoutError
from edn360_chatkit._effects import Emitting, Request, Stream, emit, open_stream, read
from edn360_chatkit._transport import AsyncDriver, SyncDriver
from edn360_chatkit._transport.network import SyncNetwork
from edn360_chatkit._transport.streams import BATCH, EventBuffer
from tests.support.raw_server import Exchange, raw_server
from tests.support.transport import STREAM_HEAD, all_events, first_events, settings

CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def take_all(buffer: EventBuffer) -> list[str]:
    events: list[str] = []
    while (batch := buffer.take()) is not None:
        events.extend(batch)
    return events


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_read_at_any_cut(end: str) -> None:
    texts = ["one", "two\u2028lines", "a\u0085b", "ü" * 10]
    data = "".join(f"event: x{end}data: {text}{end}{end}" for text in texts).encode()
    for size in (1, 2, 3, 7, len(data)):
        buffer = EventBuffer(1000)
        events: list[str] = []
        for start in range(0, len(data), size):
            buffer.feed(data[start : start + size])
            events += take_all(buffer)
        assert events == texts


def test_event_keeps_its_lines() -> None:
    buffer = EventBuffer(1000)
    buffer.feed(b"data: a\r\n")
    assert buffer.take() is None
    buffer.feed(b"data: b\r\n\r\n")
    assert buffer.take() == ("a\nb",)


def test_batch_ends_at_its_size() -> None:
    buffer = EventBuffer(1000)
    buffer.feed(b"data: x\n\n" * BATCH)
    sizes: list[int] = []
    while (batch := buffer.take()) is not None:
        sizes.append(len(batch))
    assert sum(sizes) == BATCH
    assert max(sizes) <= BATCH / len(b"data: x\n\n")


def test_event_above_the_limit_is_refused() -> None:
    with raw_server(lambda exchange: [STREAM_HEAD, b"data: " + b"x" * 200_000]) as server:
        driver = SyncDriver(settings(server.server_url, max_response_bytes=100_000), None)
        with pytest.raises(APIError, match="max_response_bytes"):
            driver.run(first_events(server.server_url))
        driver.close()


def test_read_returns_every_arrived_event() -> None:
    reads: list[int] = []

    def operation(url: str) -> Emitting[int, None]:
        stream = yield from open_stream(Request("POST", url))
        assert isinstance(stream, Stream)
        while (batch := (yield from read(stream))) is not None:
            yield from emit(len(batch))

    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield CHUNKED + chunked(b"data: x\n\n" * 100) + chunked(b"")

    with raw_server(answer) as server:
        driver = SyncDriver(settings(server.server_url), None)
        driver.run(operation(server.server_url), reads.append)
        driver.close()
    assert sum(reads) == 100
    assert len(reads) <= 2


def test_unmarked_end_is_a_broken_connection() -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield STREAM_HEAD + b"data: x\n\n"
        exchange.connection.close()

    with raw_server(answer) as server:
        driver = SyncDriver(settings(server.server_url), None)
        with pytest.raises(APIConnectionError):
            driver.run(all_events(server.server_url))
        driver.close()


def tiny_events() -> Iterator[bytes]:
    yield STREAM_HEAD
    while True:
        yield b"data:\n\n" * 10_000


def tiny_texts() -> Iterator[bytes]:
    yield STREAM_HEAD
    while True:
        yield b"data: x\n\n" * 10_000


@pytest.mark.parametrize("answer", [tiny_events, tiny_texts])
def test_deadline_holds_during_flood(answer: object) -> None:
    with raw_server(lambda exchange: answer()) as server:  # type: ignore[operator]
        driver = SyncDriver(settings(server.server_url), None)
        started = time.thread_time()
        with pytest.raises(APITimeoutError) as caught:
            driver.run(all_events(server.server_url), deadline=0.5)
        assert caught.value.deadline_passed
        assert time.thread_time() - started < 8
        driver.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_large_chunk_leaves_turns_to_tasks(backend: str) -> None:
    """A transport of the caller's may give a stream without data in one chunk."""
    flood = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, content=b"data:\n\n" * 200_000
    )
    turns: list[None] = []

    async def take_turns() -> None:
        while True:
            turns.append(None)
            await anyio.sleep(0)

    async def main() -> None:
        url = "https://example.com"
        http = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: flood))
        driver = AsyncDriver(settings(url), http)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take_turns)
            assert await driver.run(all_events(url)) == []
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert len(turns) > 1_400_000 / BATCH


def test_deadline_holds_within_a_large_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the call long before the chunk is read to its end."""
    size, turns = 7_000_000, list[float]()

    async def sleep(network: SyncNetwork, seconds: float) -> None:
        turns.append(seconds)

    monkeypatch.setattr(SyncNetwork, "sleep", sleep)
    flood = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, content=b"data:\n\n" * (size // 7)
    )
    http = httpx.Client(transport=httpx.MockTransport(lambda request: flood))
    driver = SyncDriver(settings("https://example.com"), http)
    with pytest.raises(APITimeoutError) as caught:
        driver.run(all_events("https://example.com"), deadline=0.1)
    assert caught.value.deadline_passed
    assert len(turns) < size / BATCH / 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_leaving_an_endless_stream_is_quick(backend: str) -> None:
    def operation(url: str) -> Emitting[str, None]:
        stream = yield from open_stream(Request("POST", url))
        assert isinstance(stream, Stream)
        while (batch := (yield from read(stream))) is not None:
            yield from emit(batch[0])

    async def main(url: str) -> None:
        driver = AsyncDriver(settings(url), None)
        async with driver.watch(operation(url)) as run:
            async for _ in run:
                break
            started = time.thread_time()
        assert time.thread_time() - started < 8
        assert not driver._pool().streams
        await driver.aclose()

    with raw_server(lambda exchange: tiny_texts()) as server:
        anyio.run(main, server.server_url, backend=backend)
