"""A batch that is interrupted says how to take its runs up: a lost run is paid for twice."""

from __future__ import annotations

import _thread
import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edn360_chatkit import AsyncChatKitClient, ChatKitClient
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import becomes_true, wait_for

from .samples import athletes, settings

PREFIX = "edn360-chatkit: the runs of this batch"


@pytest.fixture
def sim() -> Iterator[ChatKitSimulator]:
    with ChatKitSimulator(delay=600.0) as simulator:
        yield simulator


def wait_for_runs(sim: ChatKitSimulator, count: int) -> None:
    wait_for(lambda: sim.runs >= count)


def batch_notes(error: BaseException) -> list[str]:
    notes: list[str] = getattr(error, "__notes__", [])
    return [note for note in notes if note.startswith(PREFIX)]


def interrupt_sync(sim: ChatKitSimulator, **options: object) -> BaseException:
    def signal_main_thread() -> None:
        wait_for_runs(sim, 3)
        _thread.interrupt_main()

    with ChatKitClient(**settings(sim)) as client:
        thread = threading.Thread(target=signal_main_thread)
        thread.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            list(client.run_many(athletes(3), **options))  # type: ignore[arg-type]
        thread.join()
    return caught.value


async def _interrupt_async(sim: ChatKitSimulator, **options: object) -> BaseException:
    async def run() -> BaseException:
        # Python 3.10 raises another exception where the task is awaited.
        with pytest.raises(asyncio.CancelledError) as caught:
            await read(sim, **options)
        return caught.value

    task = asyncio.ensure_future(run())
    await asyncio.to_thread(wait_for_runs, sim, 3)
    task.cancel()
    return await task


async def read(sim: ChatKitSimulator, **options: object) -> None:
    async with (
        AsyncChatKitClient(**settings(sim)) as client,
        client.run_many(athletes(3), **options) as results,  # type: ignore[arg-type]
    ):
        async for _ in results:
            pass


def interrupt_async(sim: ChatKitSimulator, **options: object) -> BaseException:
    return asyncio.run(_interrupt_async(sim, **options))


@pytest.mark.parametrize("interrupt", [interrupt_sync, interrupt_async])
def test_interrupted_batch_names_every_run(sim: ChatKitSimulator, interrupt: object) -> None:
    assert callable(interrupt)
    (note,) = batch_notes(interrupt(sim))
    calls = re.findall(r"client\.poll_response\('(.*)'\)$", note, re.MULTILINE)
    assert ("await client" in note) == (interrupt is interrupt_async)
    assert len(calls) == 3
    with ChatKitClient(**settings(sim)) as client:
        assert {client.retrieve_run(call).state for call in calls} == {"running"}
    assert sim.runs == 3


@pytest.mark.parametrize("interrupt", [interrupt_sync, interrupt_async])
def test_interrupted_batch_names_its_journal(
    sim: ChatKitSimulator, tmp_path: Path, interrupt: object
) -> None:
    assert callable(interrupt)
    (note,) = batch_notes(interrupt(sim, journal=tmp_path / "runs.db"))
    assert f"journal={str(tmp_path / 'runs.db')!r}" in note
    assert "poll_response" not in note


def fail_after_first_result(sim: ChatKitSimulator, count: int, keys: list[str]) -> None:
    with (
        ChatKitClient(**settings(sim)) as client,
        client.run_many(athletes(count), poll_interval=0.05) as results,
    ):
        keys.append(next(results).key)
        wait_for_runs(sim, count)
        raise ZeroDivisionError


@pytest.mark.parametrize("count", [1, 3])
def test_exception_of_the_loop_names_undelivered_runs(sim: ChatKitSimulator, count: int) -> None:
    sim.delay, keys = 0.3, list[str]()
    with pytest.raises(ZeroDivisionError) as caught:
        fail_after_first_result(sim, count, keys)
    notes = batch_notes(caught.value)
    assert len(notes) == (count > 1)
    text = "".join(notes)
    named = {key for key in (f"athlete-{n}" for n in range(count)) if key in text}
    assert named == {"athlete-0", "athlete-1", "athlete-2"} - set(keys) if count > 1 else not named


def poll_sync(sim: ChatKitSimulator) -> None:
    def fail_polls(request: httpx.Request) -> None:
        if request.method == "GET":
            wait_for_runs(sim, 2)
            raise ZeroDivisionError

    with (
        httpx.Client(event_hooks={"request": [fail_polls]}) as http_client,
        ChatKitClient(**settings(sim, http_client=http_client)) as client,
    ):
        list(client.run_many(athletes(2), poll_interval=0.05))


def poll_async(sim: ChatKitSimulator) -> None:
    async def fail_polls(request: httpx.Request) -> None:
        if request.method == "GET":
            assert await becomes_true(lambda: sim.runs == 2)
            raise ZeroDivisionError

    async def run() -> None:
        async with (
            httpx.AsyncClient(event_hooks={"request": [fail_polls]}) as http_client,
            AsyncChatKitClient(**settings(sim, http_client=http_client)) as client,
        ):
            async for _ in client.run_many(athletes(2), poll_interval=0.05):
                pass

    asyncio.run(run())


@pytest.mark.parametrize("poll", [poll_sync, poll_async])
def test_foreign_exception_names_every_run(sim: ChatKitSimulator, poll: object) -> None:
    """Without a with block, too. The exception has only the call of its own run."""
    assert callable(poll)
    with pytest.raises(ZeroDivisionError) as caught:
        poll(sim)
    (note,) = batch_notes(caught.value)
    assert note.count("poll_response") == sim.runs == 2


def test_dropped_batch_closes_its_journal(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """Even while the caller keeps an error, whose traceback refers to the batch."""
    sim.delay, journal, errors = 0.3, tmp_path / "runs.db", list[object]()
    sim.fail_next("create_session", status=400)
    with ChatKitClient(**settings(sim)) as client:
        for result in client.run_many(athletes(3), journal=journal, poll_interval=0.05):
            errors.append(result.error)
            break
        results = list(client.run_many(athletes(3), journal=journal, poll_interval=0.05))
    assert [result.error for result in results] == [None] * 3
    assert errors != [None]
    assert sim.runs == 3


def test_refused_inputs_leave_the_journal_free(sim: ChatKitSimulator, tmp_path: Path) -> None:
    sim.delay = 0.1
    options: dict[str, Any] = {"journal": tmp_path / "runs.db", "poll_interval": 0.05}
    with ChatKitClient(**settings(sim)) as client:
        with pytest.raises(TypeError, match="not iterable"):
            client.run_many(5, **options)  # type: ignore[arg-type]
        assert len(list(client.run_many(athletes(2), **options))) == 2
