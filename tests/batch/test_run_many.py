"""``run_many`` of both clients: inputs, results, and limits."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from edn360_chatkit import (
    AsyncChatKitClient,
    ChatKitClient,
    ConfigurationError,
    InvalidInputError,
    WorkflowFailedError,
)
from edn360_chatkit.batch.journal import Journal
from edn360_chatkit.testing import ChatKitSimulator
from edn360_chatkit.testing._workflow import answer_text
from tests.support.patience import PATIENCE

from .samples import (
    RunAll,
    athlete,
    athletes,
    keys,
    run_in_asyncio,
    run_sync,
    settings,
)


def program_for(text: str) -> str:
    answer = answer_text("program", text)
    assert answer is not None
    return answer


def test_each_input_gets_its_result(sim: ChatKitSimulator, run_all: RunAll) -> None:
    results = run_all(sim, athletes(12), max_concurrency=5)
    assert sorted(keys(results)) == sorted(f"athlete-{number}" for number in range(12))
    for result in results:
        assert result.error is None
        assert result.response is not None
        assert result.run is not None
        assert result.run.user == result.key
        assert result.run.session_id == result.response.session_id
    assert sim.runs == 12


def test_ordered_results_have_the_order_of_inputs(sim: ChatKitSimulator, run_all: RunAll) -> None:
    ordered = [f"athlete-{number}" for number in range(8)]
    # The retry delays one of the first four runs.
    sim.fail_next("create_session", status=503)
    assert keys(run_all(sim, athletes(8), max_concurrency=4, ordered=True)) == ordered
    sim.fail_next("create_session", status=503)
    assert keys(run_all(sim, athletes(8), max_concurrency=4)) != ordered


def test_failure_does_not_end_other_runs(sim: ChatKitSimulator, run_all: RunAll) -> None:
    failed = "athlete-1"

    def answer(text: str) -> str:
        user = json.loads(text)["user_profile"]["user_id"]
        if user == failed:
            return json.dumps({"error": {"message": "Out of ideas."}})
        return program_for(text)

    sim.answer = answer
    inputs = [athlete(0), athlete(1), {"user_profile": {}}, "a text", ("my key", athlete(2))]
    results = {result.key: result for result in run_all(sim, inputs)}
    assert isinstance(results[failed].error, WorkflowFailedError)
    assert results[failed].run is not None
    assert isinstance(results["input-2"].error, InvalidInputError)
    assert isinstance(results["input-3"].error, InvalidInputError)
    assert results["input-2"].run is None
    assert {"athlete-0", "my key"} < results.keys()
    assert results["my key"].response is not None


def test_inputs_are_read_when_places_are_free(sim: ChatKitSimulator) -> None:
    read: list[int] = []

    def inputs() -> Iterator[dict[str, Any]]:
        for number in range(1000):
            read.append(threading.get_ident())
            yield athlete(number)

    with ChatKitClient(**settings(sim)) as client:
        results = client.run_many(inputs(), max_concurrency=4, poll_interval=0.02)
        with results:
            for _, result in zip(range(6), results, strict=False):
                assert result.response is not None
    assert len(read) <= 10
    # The inputs are read in the thread of the results, since a database cursor may need it.
    assert set(read) == {threading.get_ident()}


def test_async_inputs_and_results_overlap(sim: ChatKitSimulator) -> None:
    """A result arrives while the batch waits for the next input."""
    first_is_done = asyncio.Event()

    async def inputs() -> AsyncIterator[dict[str, Any]]:
        yield athlete(0)
        await asyncio.wait_for(first_is_done.wait(), PATIENCE)
        yield athlete(1)

    async def main() -> list[str]:
        results: list[str] = []
        async with AsyncChatKitClient(**settings(sim)) as client:
            async for result in client.run_many(inputs(), poll_interval=0.02):
                results.append(result.key)
                first_is_done.set()
        return results

    assert asyncio.run(main()) == ["athlete-0", "athlete-1"]


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_exception_of_inputs_follows_results(sim: ChatKitSimulator, run: Any) -> None:
    """Runs that have started are paid for, so their results come first."""
    keys: list[str] = []

    def inputs() -> Iterator[dict[str, Any]]:
        yield from athletes(2)
        raise RuntimeError("the caller's")

    async def main() -> None:
        async with AsyncChatKitClient(**settings(sim)) as client:
            async for result in client.run_many(inputs(), poll_interval=0.02):
                keys.append(result.key)

    with pytest.raises(RuntimeError, match="the caller's"):
        run(main) if run is trio.run else run(main())
    with (
        ChatKitClient(**settings(sim)) as client,
        pytest.raises(RuntimeError, match="the caller's"),
    ):
        keys.extend(result.key for result in client.run_many(inputs(), poll_interval=0.02))
    assert sorted(keys) == ["athlete-0", "athlete-0", "athlete-1", "athlete-1"]


def test_results_precede_error_of_thread_start(sim: ChatKitSimulator, tmp_path: Path) -> None:
    journal, keys = tmp_path / "runs.db", list[str]()
    sim.delay = 0.2

    def inputs() -> Iterator[dict[str, Any]]:
        yield from athletes(2)
        while sim.runs < 2:
            time.sleep(0.01)
        # No machine has memory for a stack of this size.
        threading.stack_size(2**46)
        yield athlete(2)

    with ChatKitClient(**settings(sim)) as client:
        batch = client.run_many(inputs(), journal=journal, poll_interval=0.02)
        try:
            with pytest.raises(RuntimeError, match="start new thread"):
                keys.extend(result.key for result in batch)
        finally:
            threading.stack_size(0)
    assert sorted(keys) == ["athlete-0", "athlete-1"]
    Journal(journal).close()


def test_concurrent_runs_are_limited(sim: ChatKitSimulator) -> None:
    sim.delay = 0.1
    started = time.monotonic()
    run_sync(sim, athletes(9), max_concurrency=3)
    assert time.monotonic() - started > 0.3


def test_message_leaves_before_sessions_of_later_runs(sim: ChatKitSimulator) -> None:
    """Else the first run would wait for the sessions of thousands."""
    results = run_in_asyncio(sim, athletes(70), max_concurrency=70)
    assert len(results) == 70
    paths = [request.path for request in sim.requests]
    first = next(number for number, path in enumerate(paths) if path.endswith("/messages"))
    assert paths[:first].count("/v1/chatkit/sessions") == first <= 50


def test_rate_spaces_requests_of_every_run(sim: ChatKitSimulator) -> None:
    started = time.monotonic()
    run_sync(sim, athletes(5), rate=1200)
    seconds = time.monotonic() - started
    assert seconds >= (len(sim.requests) - 1) * 60 / 1200
    assert len(sim.requests) >= 15


def test_429_slows_every_run(sim: ChatKitSimulator) -> None:
    sim.fail_next("list_messages", status=429, headers={"retry-after": "0.5"})
    started = time.monotonic()
    results = run_sync(sim, athletes(5))
    assert [result.error for result in results] == [None] * 5
    # All runs pause for at least 1 s.
    assert time.monotonic() - started > 1.0


def test_repeated_key_raises_error(sim: ChatKitSimulator, tmp_path: Path) -> None:
    inputs = [athlete(0), athlete(0), ("other", athlete(0))]
    results = run_sync(sim, inputs, journal=tmp_path / "runs.db")
    errors = [result.error for result in results if result.error is not None]
    assert len(errors) == 1
    assert isinstance(errors[0], InvalidInputError)
    assert sim.runs == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"rate": 0}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"poll_interval": "slow"}, "poll_interval"),
    ],
)
def test_invalid_settings_are_refused(
    sim: ChatKitSimulator, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        run_sync(sim, athletes(1), **options)
    with pytest.raises(TypeError, match="concurrency"):
        run_sync(sim, athletes(1), concurrency=3)


def test_runs_over_the_thread_protocol(sim: ChatKitSimulator, tmp_path: Path) -> None:
    sim.delay = 0.1
    with ChatKitClient(server_url=sim.server_url) as client:
        results = list(client.run_many(athletes(6), journal=tmp_path / "runs.db"))
        again = list(client.run_many(athletes(6), journal=tmp_path / "runs.db"))
    assert [result.error for result in results + again] == [None] * 12
    assert sim.runs == 6


def test_results_can_be_pickled(sim: ChatKitSimulator) -> None:
    sim.fail_next("send_message", status=400)
    for result in run_sync(sim, athletes(2), max_concurrency=1):
        copy = pickle.loads(pickle.dumps(result))
        assert (copy.key, copy.response, copy.run) == (result.key, result.response, result.run)
        assert (str(copy.error), type(copy.error)) == (str(result.error), type(result.error))
