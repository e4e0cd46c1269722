"""``run_many`` of both clients, over HTTP against the simulator."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import trio

from edn360_chatkit import (
    AsyncChatKitClient,
    BatchResult,
    ChatKitClient,
    ConfigurationError,
    InvalidInputError,
    MissingProgramError,
    RunReference,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.batch import AsyncBatchRun
from edn360_chatkit.batch.journal import Journal
from edn360_chatkit.inputs import EDN360Input
from edn360_chatkit.testing import ChatKitSimulator
from edn360_chatkit.testing._workflow import answer_text
from tests.support.patience import PATIENCE, wait_for
from tests.support.raw_server import Exchange, raw_server, reply
from tests.support.samples import ANSWER

from .samples import athlete, athletes, settings

RunAll: TypeAlias = Callable[..., list[BatchResult]]


def run_sync(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    with ChatKitClient(**settings(sim)) as client:
        return list(client.run_many(inputs, **{"poll_interval": 0.02, **options}))


async def _run_async(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    async with AsyncChatKitClient(**settings(sim)) as client:
        results = client.run_many(inputs, **{"poll_interval": 0.02, **options})
        return [result async for result in results]


def run_in_asyncio(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    return asyncio.run(_run_async(sim, inputs, **options))


def run_in_trio(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    return trio.run(partial(_run_async, sim, inputs, **options))


@pytest.fixture(params=[run_sync, run_in_asyncio, run_in_trio])
def run_all(request: pytest.FixtureRequest) -> RunAll:
    run: RunAll = request.param
    return run


def program_for(text: str) -> str:
    answer = answer_text("program", text)
    assert answer is not None
    return answer


def keys(results: list[BatchResult]) -> list[str]:
    return [result.key for result in results]


def entries(path: Path) -> dict[str, tuple[str, str]]:
    """The state and the reference of each run of a journal."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT key, state, run FROM runs")
        return {key: (state, run) for key, state, run in rows}


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


def test_concurrent_runs_are_limited(sim: ChatKitSimulator) -> None:
    sim.delay = 0.1
    started = time.monotonic()
    run_sync(sim, athletes(9), max_concurrency=3)
    assert time.monotonic() - started > 0.3


def test_message_leaves_before_sessions_of_later_runs(sim: ChatKitSimulator) -> None:
    """Else the first run would wait for the sessions of thousands."""
    results = run_in_asyncio(sim, athletes(120), max_concurrency=120)
    assert len(results) == 120
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


def test_finished_runs_are_not_repeated(
    sim: ChatKitSimulator, run_all: RunAll, tmp_path: Path
) -> None:
    journal = tmp_path / "runs.db"
    first = run_all(sim, athletes(3), journal=journal)
    again = run_all(sim, athletes(4), journal=str(journal), ordered=True)
    assert sim.runs == 4
    assert keys(again) == [f"athlete-{number}" for number in range(4)]
    responses = {result.key: result.response for result in first}
    for result in again[:3]:
        assert result.response == responses[result.key]
        assert result.run is not None


def test_retry_failed_repeats_failed_runs(sim: ChatKitSimulator, tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    sim.answer = "error"
    (first,) = run_sync(sim, athletes(1), journal=journal)
    sim.answer = "program"
    (again,) = run_sync(sim, athletes(1), journal=journal)
    assert sim.runs == 1
    assert isinstance(first.error, WorkflowFailedError)
    assert isinstance(again.error, WorkflowFailedError)
    assert str(again.error) == str(first.error)
    assert again.error.session.id == first.error.session.id
    assert again.error.text == first.error.text
    assert again.run == again.error.run == first.run
    (last,) = run_sync(sim, athletes(1), journal=journal, retry_failed=True)
    assert last.response is not None
    assert sim.runs == 2


def test_timed_out_run_is_resumed(sim: ChatKitSimulator, tmp_path: Path) -> None:
    sim.empty_polls = 1
    options = {"journal": tmp_path / "runs.db"}
    (first,) = run_sync(sim, athletes(1), **options, max_attempts=1)
    assert isinstance(first.error, WorkflowTimeoutError)
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_unsent_run_is_sent_next_time(sim: ChatKitSimulator, tmp_path: Path) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "runs.db"}
    sim.fail_next("send_message", status=400)
    (first,) = run_sync(sim, athletes(1), **options)
    assert first.error is not None
    assert entries(tmp_path / "runs.db") == {}
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_run_with_lost_response_is_not_resent(sim: ChatKitSimulator, tmp_path: Path) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "runs.db"}
    sim.fail_next("send_message", status=None, taken=True)
    with ChatKitClient(**settings(sim), max_retries=0) as client:
        (first,) = client.run_many(athletes(1), **options)
    assert getattr(first.error, "may_have_been_taken", False)
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_run_with_answer_first_is_resumed(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """The program follows the first message."""
    options: dict[str, Any] = {"journal": tmp_path / "runs.db"}
    sim.steps, sim.delay = ('{"profile": {}}',), 0.1
    (first,) = run_sync(sim, athletes(1), **options, answer="first")
    assert isinstance(first.error, MissingProgramError)
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_abandoned_loop_keeps_runs_in_journal(sim: ChatKitSimulator, tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    sim.delay = 0.3
    with ChatKitClient(**settings(sim)) as client:
        for _ in client.run_many(
            athletes(50), max_concurrency=5, journal=journal, poll_interval=0.02
        ):
            break
        # The dropped iterator ends its threads and releases the journal.
        results = list(client.run_many(athletes(8), journal=journal, poll_interval=0.02))
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


def test_message_in_doubt_is_recognised(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """The process was killed after the server had stored the message."""
    path = tmp_path / "runs.db"
    with ChatKitClient(**settings(sim)) as client:
        run = client.start_workflow(athlete(0))
    write_intent(path, run)
    (result,) = run_sync(sim, athletes(1), journal=path)
    assert result.response is not None
    assert result.response.session_id == run.session_id
    assert sim.runs == 1


def test_resumed_run_is_polled_by_age(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """Earlier runs took ten minutes, and this run is as old, so its answer is near."""
    path = tmp_path / "runs.db"
    sim.delay = 0.5
    with ChatKitClient(**settings(sim)) as client:
        run = client.start_workflow(athlete(0))
    write_intent(path, run)
    with closing(Journal(path)) as journal:
        journal.started("athlete-0", str(run))
    write_durations(path, 600.0)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE runs SET started = started - 600 WHERE state = 'started'")
        connection.commit()
    begin = time.monotonic()
    with ChatKitClient(**settings(sim)) as client:
        (result,) = client.run_many(athletes(1), journal=path)
    assert result.response is not None
    assert time.monotonic() - begin < 40.0  # a new run is polled once a minute


def test_missing_message_is_sent(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """The process was killed before it had sent the message."""
    path = tmp_path / "runs.db"
    with ChatKitClient(**settings(sim)) as client:
        session = client.create_session("athlete-0")
    write_intent(path, RunReference(session_id=session.id, user="athlete-0"))
    (result,) = run_sync(sim, athletes(1), journal=path)
    assert result.response is not None
    assert result.response.session_id == session.id
    assert sim.runs == 1


@pytest.mark.parametrize("world", ["unreadable session", "thread protocol"])
def test_message_that_stays_in_doubt_is_not_sent(
    sim: ChatKitSimulator, tmp_path: Path, world: str
) -> None:
    path = tmp_path / "runs.db"
    where: dict[str, Any] = {**settings(sim), "max_retries": 0}
    if world == "thread protocol":
        where = {"server_url": sim.server_url, "max_retries": 2}
    write_intent(path, RunReference(session_id="cksess_gone", user="athlete-0"))
    with ChatKitClient(**where) as client:
        (result,) = client.run_many(athletes(1), journal=path)
    assert getattr(result.error, "may_have_been_taken", False)
    assert "may have been taken" in str(result.error)
    assert entries(path)["athlete-0"][0] == "sending"
    assert sim.runs == 0


@pytest.mark.parametrize("poll_interval", [0.02, "adaptive"])
def test_message_in_doubt_is_not_sent_where_users_are_hidden(
    tmp_path: Path, poll_interval: Any
) -> None:
    """A list without the message proves nothing there: another run has shown it."""
    path = tmp_path / "runs.db"
    write_durations(path, 60.0)
    write_intent(path, RunReference(session_id="s1", user="athlete-1"), "athlete-1")
    program = {"role": "assistant", "content": [{"type": "output_text", "text": ANSWER}]}
    lists: list[list[dict[str, Any]]] = [[program]]

    def answer(exchange: Exchange) -> list[bytes]:
        if exchange.line == "POST /v1/chatkit/sessions":
            return [reply({"id": "s0", "client_secret": "ek_1"})]
        if exchange.line.startswith("POST"):
            return [reply({"id": "msg_1", "role": "user"})]
        is_first = exchange.line.split("?")[0].endswith("/s0/messages")
        return [reply({"data": lists.pop(0) if is_first else []})]

    with raw_server(answer) as server:
        where: dict[str, Any] = {"base_url": server.base_url, "api_key": "sk-1"}
        with ChatKitClient(**where, workflow_id="wf_1", max_retries=2) as client:
            batch = client.run_many(
                athletes(2), journal=path, poll_interval=poll_interval, ordered=True
            )
            first, second = batch
    assert first.response is not None
    assert getattr(second.error, "may_have_been_taken", False)
    assert "POST /v1/chatkit/sessions/s1/messages" not in server.requests


def write_durations(path: Path, seconds: float) -> None:
    """The journal of a batch whose runs took so long."""
    with closing(Journal(path)) as journal:
        for number in range(30):
            journal.sending(f"other-{number}", "{}", "{}")
            journal.ended(f"other-{number}", "done", "{}", seconds=seconds)


def write_intent(path: Path, run: RunReference, key: str = "athlete-0") -> None:
    """The journal of a batch that was killed while it sent a message."""
    number = int(key.partition("-")[2])
    text = EDN360Input.model_validate(athlete(number)).to_json_text()
    with closing(Journal(path)) as journal:
        bare = RunReference(session_id=run.session_id, user=run.user, previous_id="")
        journal.sending(key, text, str(bare))


def test_note_of_message_survives_power_failure(tmp_path: Path) -> None:
    """SQLite waits for the disk (2 is FULL) only for the note before the message."""
    with closing(Journal(tmp_path / "runs.db")) as journal:
        journal.sending("a", "{}", "run-a")
        levels = [*journal._connection.execute("PRAGMA synchronous").fetchone()]
        journal.started("a", "run-a")
        levels += journal._connection.execute("PRAGMA synchronous").fetchone()
    assert levels == [2, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_forked_child_leaves_the_journal_alone(tmp_path: Path) -> None:
    code = """
import os, sys
from edn360_chatkit.batch import AsyncBatchRun
from edn360_chatkit.batch.journal import Journal
journal = Journal("runs.db")
journal.sending("a", "{}", "run-a")
for use in (journal.close, lambda: journal.sending("c", "{}", "run-c")):
    if os.fork() == 0:
        use()
        sys.exit()
    os.wait()
journal.sending("b", "{}", "run-b")
os.kill(os.getpid(), 9)
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE)
    assert entries(tmp_path / "runs.db").keys() == {"a", "b"}
    assert process.stderr.count(b"OSError: The journal") == 1


def test_full_disk_ends_the_batch(sim: ChatKitSimulator, tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    run_sync(sim, athletes(1), journal=journal)
    with ChatKitClient(**settings(sim)) as client:
        batch = client.run_many(athletes(100), journal=journal, max_concurrency=1)
        connection = batch._batch._journal._connection  # type: ignore[union-attr]
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(OSError, match="can't be written: database or disk is full"):
            list(batch)
    # Each message has a note in the journal.
    assert sim.runs <= len(entries(journal))
    assert len(run_sync(sim, athletes(3), journal=journal)) == 3


def test_foreign_exception_starts_no_more_async_runs(sim: ChatKitSimulator) -> None:
    """The run that is under way is paid for: its result comes first."""
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


def test_journal_in_use_is_refused(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """In another process as well, after this one has tried."""
    path = tmp_path / "runs.db"
    code = f"from edn360_chatkit.batch.journal import Journal; Journal({os.fspath(path)!r})"
    with closing(Journal(path)):
        with pytest.raises(ConfigurationError, match="is in use"):
            run_sync(sim, athletes(1), journal=path)
        process = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE)
    assert b"is in use" in process.stderr
    assert sim.requests == []


def test_other_file_is_refused_as_journal(sim: ChatKitSimulator, tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("not a journal, but a text of some length" * 50)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
    for path in (text, database):
        path.chmod(0o644)
        content = path.read_bytes()
        with pytest.raises(ConfigurationError, match="can't be used"):
            run_sync(sim, athletes(1), journal=path)
        assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (content, 0o644)
    for path in (tmp_path, tmp_path / "missing" / "runs.db"):
        with pytest.raises(ConfigurationError, match="can't be used"):
            run_sync(sim, athletes(1), journal=path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_read_only_journal_is_refused(sim: ChatKitSimulator, tmp_path: Path) -> None:
    path, folder = tmp_path / "runs.db", tmp_path / "folder"
    folder.mkdir()
    for journal in (path, folder / "runs.db"):
        Journal(journal).close()
    path.chmod(0o400)
    folder.chmod(0o500)
    for journal in (path, folder / "runs.db", folder / "new.db"):
        with pytest.raises(ConfigurationError, match=r"can't be used.*Nothing was sent"):
            run_sync(sim, athletes(1), journal=journal)
    folder.chmod(0o700)
    assert sim.requests == []


def test_journal_is_private_and_has_no_key(sim: ChatKitSimulator, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run_sync(sim, athletes(2), journal=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert sim.api_key.encode() not in content
    for session in sim.sessions.values():
        assert session.data["client_secret"].encode() not in content
    # The journal does not hold the athlete's data either.
    assert b"Ana Ejemplo" not in content


def test_repeated_key_raises_error(sim: ChatKitSimulator, tmp_path: Path) -> None:
    inputs = [athlete(0), athlete(0), ("other", athlete(0))]
    results = run_sync(sim, inputs, journal=tmp_path / "runs.db")
    errors = [result.error for result in results if result.error is not None]
    assert len(errors) == 1
    assert isinstance(errors[0], InvalidInputError)
    assert sim.runs == 2


def test_changed_input_raises_error(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """New data need a new journal, so that no old program is delivered for them."""
    path = tmp_path / "runs.db"
    run_sync(sim, athletes(1), journal=path)
    changed = {**athlete(0), "context": {"request_type": "evolution"}}
    (result,) = run_sync(sim, [changed], journal=path)
    assert isinstance(result.error, InvalidInputError)
    assert result.run is not None
    # Only the timestamp of the input may differ.
    later = {
        **athlete(0),
        "context": {**athlete(0)["context"], "timestamp": "2026-02-01T10:00:00Z"},
    }
    (result,) = run_sync(sim, [later], journal=path)
    assert result.response is not None
    assert sim.runs == 1


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


def test_interrupted_wait_closes_the_batch(sim: ChatKitSimulator, tmp_path: Path) -> None:
    sim.delay = 600.0
    before = threading.active_count()

    def interrupt() -> None:
        # Each run is polled, so it is in the journal.
        wait_for(lambda: len({r.path for r in sim.requests if r.method == "GET"}) == 3)
        signal_main_thread()

    with ChatKitClient(**settings(sim)) as client:
        batch = client.run_many(athletes(3), journal=tmp_path / "runs.db", poll_interval=0.1)
        signals = threading.Thread(target=interrupt)
        signals.start()
        with pytest.raises(KeyboardInterrupt):
            next(batch)
        signals.join()
        assert threading.active_count() == before
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
