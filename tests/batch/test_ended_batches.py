"""A batch that is closed, left, interrupted, or ended by a foreign exception."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from edn360_chatkit import AsyncChatKitClient, BatchResult, ChatKitClient
from edn360_chatkit.batch import AsyncBatchRun
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE, finish_runs, wait_for
from tests.support.samples import ANSWER

from .samples import athlete, athletes, entries, settings


def test_close_ends_a_wait_in_another_thread(sim: ChatKitSimulator) -> None:
    sim.delay = 60.0
    with ChatKitClient(**settings(sim)) as client:
        batch = client.run_many(athletes(3))
        threading.Timer(0.2, batch.close).start()
        assert list(batch) == []


def test_input_after_close_is_not_sent() -> None:
    def inputs() -> Iterator[dict[str, Any]]:
        batch.close()
        yield athlete(0)

    # The shared simulator may still get requests of the test before.
    with ChatKitSimulator() as sim, ChatKitClient(**settings(sim)) as client:
        batch = client.run_many(inputs())
        reader = threading.Thread(target=list, args=(batch,), daemon=True)
        reader.start()
        reader.join(PATIENCE)
        assert not reader.is_alive()
        assert sim.requests == []


def test_input_after_foreign_exception_is_not_sent(sim: ChatKitSimulator) -> None:
    """The exception strikes in one of two runs while the next input is read."""
    sim.delay, reading, requests = 1.0, threading.Event(), itertools.count()

    def inputs() -> Iterator[dict[str, Any]]:
        yield from athletes(2)
        reading.set()
        time.sleep(0.3)
        yield athlete(2)

    async def async_inputs() -> AsyncIterator[dict[str, Any]]:
        for value in athletes(2):
            yield value
        reading.set()
        await asyncio.sleep(0.3)
        yield athlete(2)

    def hook(request: httpx.Request) -> None:
        reading.wait(PATIENCE)
        if next(requests) == 0:
            raise ZeroDivisionError

    async def async_hook(request: httpx.Request) -> None:
        while not reading.is_set():
            await asyncio.sleep(0.01)
        hook(request)

    async def main() -> None:
        async with (
            httpx.AsyncClient(event_hooks={"request": [async_hook]}) as http,
            AsyncChatKitClient(**settings(sim), http_client=http) as client,
        ):
            async for _ in client.run_many(async_inputs(), poll_interval=0.1):
                pass

    with (
        httpx.Client(event_hooks={"request": [hook]}) as http,
        ChatKitClient(**settings(sim), http_client=http) as client,
        pytest.raises(ZeroDivisionError),
    ):
        list(client.run_many(inputs(), poll_interval=0.1))
    assert sim.runs == 1
    reading.clear()
    requests = itertools.count()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert sim.runs == 2


@pytest.mark.parametrize("runs", [0, 3])
def test_aclose_ends_a_wait_in_another_task(sim: ChatKitSimulator, runs: int) -> None:
    """Also if it comes before the first result is asked for."""
    sim.delay = 60.0

    async def close(batch: AsyncBatchRun) -> None:
        while sim.runs < runs:
            await asyncio.sleep(0.01)
        await batch.aclose()

    async def main() -> list[BatchResult]:
        async with AsyncChatKitClient(**settings(sim)) as client:
            batch = client.run_many(athletes(3))
            if runs == 0:
                await close(batch)
                return [result async for result in batch]
            closing = asyncio.create_task(close(batch))
            results = [result async for result in batch]
            await closing
            return results

    assert asyncio.run(main()) == []
    assert sim.runs == runs


def test_abandoned_loop_keeps_runs_in_journal(sim: ChatKitSimulator, tmp_path: Path) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "runs.db", "poll_interval": 0.02}
    options["max_attempts"] = 10_000

    def inputs() -> Iterator[dict[str, Any]]:
        yield athlete(0)
        wait_for(lambda: sim.runs == 1)
        sim.delay = 600.0
        yield from itertools.islice(athletes(50), 1, None)

    with ChatKitClient(**settings(sim)) as client:
        for _ in client.run_many(inputs(), max_concurrency=5, **options):
            break
        # The dropped iterator ends its threads and releases the journal, before its runs end.
        batch = client.run_many(athletes(8), **options)
        sim.delay = 0.0
        finish_runs(sim, ANSWER)
        results = list(batch)
    assert len(results) == 8
    assert [result.error for result in results] == [None] * 8
    assert sim.runs <= 10
    for session in sim.sessions.values():
        assert sum("user" in item["type"] for item in session.thread.items) <= 1


def test_abandoned_async_loop_keeps_runs_in_journal(sim: ChatKitSimulator, tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    sim.delay = 0.3

    async def main() -> list[BatchResult]:
        async with AsyncChatKitClient(**settings(sim)) as client:
            options: dict[str, Any] = {"journal": journal, "poll_interval": 0.02}
            async with client.run_many(athletes(50), max_concurrency=5, **options) as batch:
                async for _ in batch:
                    break
            batch = client.run_many(athletes(8), **options)
            return [result async for result in batch]

    results = asyncio.run(main())
    assert [result.error for result in results] == [None] * 8
    assert sim.runs <= 10


def test_foreign_exception_starts_no_more_async_runs(sim: ChatKitSimulator) -> None:
    """The run in flight is paid for: its result comes first."""
    keys, requests = list[str](), list[httpx.Request]()
    sim.delay = 0.2

    async def hook(request: httpx.Request) -> None:
        requests.append(request)
        if len(requests) == 1:
            raise ZeroDivisionError

    async def main() -> None:
        hooks = {"request": [hook]}
        async with (
            httpx.AsyncClient(event_hooks=hooks) as http,
            AsyncChatKitClient(**settings(sim), http_client=http) as client,
        ):
            async for result in client.run_many(athletes(20), max_concurrency=2):
                keys.append(result.key)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert keys == ["athlete-1"]
    assert sim.runs == 1


def test_interrupted_wait_closes_the_batch(sim: ChatKitSimulator, tmp_path: Path) -> None:
    sim.delay = 600.0
    before = set(threading.enumerate())

    def interrupt() -> None:
        # Each run is polled, so it is in the journal.
        wait_for(lambda: len({r.path for r in sim.requests if r.method == "GET"}) == 3)
        signal_main_thread()

    with ChatKitClient(**settings(sim)) as client:
        patient: dict[str, Any] = {"poll_interval": 0.1, "max_attempts": 10_000}
        batch = client.run_many(athletes(3), journal=tmp_path / "runs.db", **patient)
        signals = threading.Thread(target=interrupt)
        signals.start()
        with pytest.raises(KeyboardInterrupt):
            next(batch)
        signals.join()
        assert set(threading.enumerate()) <= before  # threads of other tests may end
        assert list(batch) == []
    states = [state for state, _ in entries(tmp_path / "runs.db").values()]
    assert states == ["started"] * 3


def test_exception_while_a_thread_starts_passes_through(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Celery's soft time limit does on a busy machine; the thread starts all the same."""
    start = threading.Thread.start

    def start_late(thread: threading.Thread) -> None:
        start(threading.Timer(0.2, start, (thread,)))
        raise TimeLimitError

    with ChatKitClient(**settings(sim)) as client:
        batch = client.run_many(athletes(3))
        monkeypatch.setattr(threading.Thread, "start", start_late)
        with pytest.raises(TimeLimitError):
            next(batch)
        monkeypatch.undo()
        time.sleep(0.5)
    assert sim.runs == 0


class TimeLimitError(Exception):
    """A signal handler's."""


def signal_main_thread() -> None:
    import _thread

    _thread.interrupt_main()


def test_cancelled_wait_leaves_the_batch(sim: ChatKitSimulator) -> None:
    sim.delay = 0.3

    async def main() -> list[BatchResult]:
        async with AsyncChatKitClient(**settings(sim)) as client:
            batch = client.run_many(athletes(3), poll_interval=0.02)
            early: list[BatchResult] = []
            with suppress(asyncio.TimeoutError):
                early.append(await asyncio.wait_for(anext(batch), 0.05))
            return [*early, *[result async for result in batch]]

    results = asyncio.run(main())
    assert [result.error for result in results] == [None] * 3
    assert sim.runs == 3
