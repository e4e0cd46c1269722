"""A run that is cancelled, interrupted or left early returns its connection to the pool.

Each client has a single connection. A run that kept it would block the next run.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from edn360_chatkit import AsyncChatKitClient, ChatKitClient
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE
from tests.support.samples import ATHLETE

WORLDS = ["messages", "threads", "self-hosted"]


@pytest.fixture(params=["coarse", pytest.param("fine", marks=pytest.mark.slow)])
def events(request: pytest.FixtureRequest) -> range:
    """The places of the events at which the loop breaks."""
    return range(1, 12) if request.param == "fine" else range(1, 7)


@pytest.fixture(params=["coarse", pytest.param("fine", marks=pytest.mark.slow)])
def moments(request: pytest.FixtureRequest) -> list[float]:
    """Seconds after the start of a run. The longest is longer than a run."""
    if request.param == "fine":
        return [0.001 * 1.5**n for n in range(14)]
    return [0.001 * 2.2**n for n in range(7)]


@pytest.fixture(autouse=True)
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edn360_chatkit._transport.pool.MAX_CONNECTIONS", 1)


@pytest.fixture(scope="module")
def sim() -> Iterator[ChatKitSimulator]:
    with ChatKitSimulator(steps=True, delay=0.08, survives_hang_up=True) as simulator:
        yield simulator


def settings(sim: ChatKitSimulator, world: str) -> dict[str, Any]:
    options = {"poll_interval": 0.02, "deadline": 120.0}
    if world == "self-hosted":
        return {"server_url": sim.server_url, **options}
    hosted = {"api_key": sim.api_key, "base_url": sim.base_url, "workflow_id": "wf_demo"}
    return {**hosted, "protocol": world, **options}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("world", WORLDS)
def test_cancelled_task_returns_connection(
    sim: ChatKitSimulator, world: str, backend: str, moments: list[float]
) -> None:
    async def main() -> None:
        async with AsyncChatKitClient(**settings(sim, world)) as client:
            for moment in moments:
                with anyio.move_on_after(moment):
                    await client.run_workflow(ATHLETE)
            assert (await client.run_workflow(ATHLETE)).program.title
            if backend == "asyncio":
                assert asyncio.all_tasks() == {asyncio.current_task()}

    anyio.run(main, backend=backend)
    gc.collect()


def interrupt_after(seconds: float, call: Callable[[], object]) -> None:
    """Call a function, and raise ``KeyboardInterrupt`` in it after so many seconds."""
    running = True

    def interrupt(*args: object) -> None:
        # After the call, the signal would end pytest.
        if running:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            call()
        finally:
            running = False
    except KeyboardInterrupt:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# A Ctrl-C between the creation of a socket and its place in the pool leaves the socket to Python,
# which warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("world", WORLDS)
def test_ctrl_c_returns_connection(sim: ChatKitSimulator, world: str, moments: list[float]) -> None:
    with ChatKitClient(**settings(sim, world)) as client:
        for moment in moments:
            interrupt_after(moment, lambda: client.run_workflow(ATHLETE))
        assert client.run_workflow(ATHLETE).program.title
    gc.collect()


class OwnError(Exception):
    """The caller's exception."""


@pytest.mark.parametrize("world", WORLDS)
def test_on_event_exception_returns_connection(
    sim: ChatKitSimulator, world: str, events: range
) -> None:
    with ChatKitClient(**settings(sim, world)) as client:
        for last in events:
            kinds: list[str] = []

            def on_event(event: Any, kinds: list[str] = kinds, last: int = last) -> None:
                kinds.append(event.type)
                if len(kinds) == last:
                    raise OwnError

            with suppress(OwnError):
                client.run_workflow(ATHLETE, on_event=on_event)
            assert len(kinds) == last or kinds[-1] == "response"
        assert client.run_workflow(ATHLETE).program.title
    gc.collect()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("world", WORLDS)
def test_async_on_event_exception_returns_connection(
    sim: ChatKitSimulator, world: str, backend: str, events: range
) -> None:
    async def main() -> None:
        async with AsyncChatKitClient(**settings(sim, world)) as client:
            for last in events:
                kinds: list[str] = []

                async def on_event(event: Any, kinds: list[str] = kinds, last: int = last) -> None:
                    kinds.append(event.type)
                    if len(kinds) == last:
                        raise OwnError

                with suppress(OwnError):
                    await client.run_workflow(ATHLETE, on_event=on_event)
                assert len(kinds) == last or kinds[-1] == "response"
            assert (await client.run_workflow(ATHLETE)).program.title

    anyio.run(main, backend=backend)
    gc.collect()


@pytest.mark.parametrize("with_block", [True, False], ids=["with", "without with"])
@pytest.mark.parametrize("world", WORLDS)
def test_early_break_returns_connection(
    sim: ChatKitSimulator, world: str, with_block: bool, events: range
) -> None:
    with ChatKitClient(**settings(sim, world)) as client:
        for last in events:
            run = client.stream_workflow(ATHLETE)
            for place, _ in enumerate(run, start=1):
                if place == last:
                    break
            if with_block:
                run.close()
            else:
                del run
                gc.collect()
        assert client.run_workflow(ATHLETE).program.title


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("world", WORLDS)
def test_async_early_break_returns_connection(
    sim: ChatKitSimulator, world: str, backend: str, events: range
) -> None:
    async def main() -> None:
        async with AsyncChatKitClient(**settings(sim, world)) as client:
            for last in events:
                async with client.stream_workflow(ATHLETE) as run:
                    place = 0
                    async for _ in run:
                        place += 1
                        if place == last:
                            break
            assert (await client.run_workflow(ATHLETE)).program.title

    anyio.run(main, backend=backend)
    gc.collect()


def test_close_closes_stream_of_unread_message(sim: ChatKitSimulator) -> None:
    with ChatKitClient(**settings(sim, "self-hosted")) as client:
        client.send_message(client.create_session("athlete-1"), ATHLETE)

    async def main() -> None:
        async with AsyncChatKitClient(**settings(sim, "self-hosted")) as client:
            await client.send_message(await client.create_session("athlete-1"), ATHLETE)

    anyio.run(main, backend="asyncio")
    anyio.run(main, backend="trio")
    gc.collect()


def test_unclosed_client_ends_without_warning(sim: ChatKitSimulator) -> None:
    """As in a notebook or a short script."""
    lines = f"""
import gc
from edn360_chatkit import ChatKitClient
settings = {settings(sim, "messages")!r}
ChatKitClient(**settings).run_workflow({ATHLETE!r})
gc.collect()
client = ChatKitClient(**settings)
client.run_workflow({ATHLETE!r})
"""
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", lines]
    process = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (process.returncode, process.stderr) == (0, "")
