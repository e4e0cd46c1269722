"""Concurrent runs get their own answers, and large answers take limited memory."""

from __future__ import annotations

import gc
import json
import threading
import tracemalloc
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from edn360_chatkit import APITimeoutError, AsyncChatKitClient, ChatKitClient
from edn360_chatkit._effects import Effect, Now, Send
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit._transport.pool import MAX_CONNECTIONS
from edn360_chatkit.models.run import RunReference
from edn360_chatkit.models.session import ChatSession
from edn360_chatkit.testing import ChatKitSimulator
from edn360_chatkit.testing._workflow import answer_text
from tests.contract.conftest import MakeClient
from tests.support.patience import growing
from tests.support.raw_server import raw_server, reply
from tests.support.script import assistant, config, listing, user

ATHLETE = Path(__file__).parents[2] / "examples" / "athlete_initial.json"


def athlete(number: int) -> dict[str, Any]:
    return {
        "user_profile": {"user_id": f"athlete-{number}"},
        "questionnaires": [{"source": "initial", "payload": {}}],
    }


def program_titled_by_athlete(text: str) -> str:
    """A program with the athlete as its title."""
    title = json.loads(text)["user_profile"]["user_id"]
    return json.dumps({"client_training_program_enriched": {"title": title, "sessions": []}})


class Connections:
    """Records the highest number of connections to a simulator."""

    def __init__(self, sim: ChatKitSimulator) -> None:
        self.most = 0
        self._sim = sim
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            assert self._sim._server is not None
            self.most = max(self.most, len(self._sim._server.server_state.connections))

    def __enter__(self) -> Connections:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join()


@pytest.fixture
def sim() -> Iterable[ChatKitSimulator]:
    with ChatKitSimulator(answer=program_titled_by_athlete) as simulator:
        yield simulator


def settings(sim: ChatKitSimulator, protocol: str) -> dict[str, Any]:
    return {
        "api_key": sim.api_key,
        "base_url": sim.base_url,
        "workflow_id": "wf_demo",
        "protocol": protocol,
        "poll_interval": 0.5,
    }


def limit_connections(monkeypatch: pytest.MonkeyPatch, runs: int) -> int:
    """Allow fewer connections than runs, and return the limit."""
    most = min(runs // 4, MAX_CONNECTIONS)
    monkeypatch.setattr("edn360_chatkit._transport.pool.MAX_CONNECTIONS", most)
    return most


@pytest.mark.parametrize("protocol", ["messages", "threads"])
@pytest.mark.parametrize("runs", [50, pytest.param(400, marks=pytest.mark.slow)])
def test_concurrent_async_runs_get_own_answers(
    sim: ChatKitSimulator, protocol: str, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = limit_connections(monkeypatch, runs)
    titles: dict[int, str] = {}

    async def main() -> None:
        async with (
            AsyncChatKitClient(**settings(sim, protocol)) as client,
            anyio.create_task_group() as tasks,
        ):

            async def run(number: int) -> None:
                titles[number] = str((await client.run_workflow(athlete(number))).program.title)

            for number in range(runs):
                tasks.start_soon(run, number)

    with Connections(sim) as connections:
        anyio.run(main)
    assert titles == {number: f"athlete-{number}" for number in range(runs)}
    assert sim.runs == runs
    # Requests share connections. Each stream has its own connection.
    assert connections.most <= most or protocol == "threads"


@pytest.mark.parametrize("protocol", ["messages", "threads"])
@pytest.mark.parametrize("runs", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_runs_in_threads_get_own_answers(
    sim: ChatKitSimulator, protocol: str, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = limit_connections(monkeypatch, runs)
    with (
        Connections(sim) as connections,
        ChatKitClient(**settings(sim, protocol)) as client,
        ThreadPoolExecutor(runs) as pool,
    ):
        responses = pool.map(client.run_workflow, map(athlete, range(runs)))
        titles = [response.program.title for response in responses]
    assert titles == [f"athlete-{number}" for number in range(runs)]
    assert sim.runs == runs
    # Requests share connections. Each stream has its own connection.
    assert connections.most <= most or protocol == "threads"


@pytest.mark.parametrize("protocol", ["messages", "threads"])
def test_run_waits_for_callers_connection(protocol: str) -> None:
    """If the wait counted as part of the request, the request would time out."""
    for timeout in growing(0.3):
        with (
            # A simulator each time: the run of a slow attempt does not count in the next one.
            ChatKitSimulator(answer=program_titled_by_athlete) as sim,
            httpx.Client(limits=httpx.Limits(max_connections=1)) as http,
            ThreadPoolExecutor(1) as pool,
        ):
            options = {**settings(sim, protocol), "timeout": timeout, "max_retries": 0}
            client = ChatKitClient(**options, http_client=http)
            with http.stream("GET", sim.base_url):  # it has the only connection
                run = pool.submit(client.run_workflow, athlete(0))
                wait([run], 2 * timeout)
            if run.exception() is None:
                break
    assert run.result().program.title == "athlete-0"
    assert sim.runs == 1


def test_deadline_ends_wait_for_callers_pool(sim: ChatKitSimulator) -> None:
    """The error says that no request was sent."""
    sim.delay = 600
    options = settings(sim, "threads")

    async def waiting_async(deadline: float) -> BaseException:
        limits = httpx.Limits(max_connections=1)
        http = httpx.AsyncClient(limits=limits)
        async with AsyncChatKitClient(**options, http_client=http) as client:
            session = await client.create_session("athlete-0")
            await client.send_message(session, athlete(0))
            with pytest.raises(APITimeoutError) as caught:
                await client.run_workflow(athlete(1), deadline=deadline)
        await http.aclose()
        return caught.value

    def waiting(deadline: float) -> BaseException:
        http = httpx.Client(limits=httpx.Limits(max_connections=1))
        with ChatKitClient(**options, http_client=http) as client:
            client.send_message(client.create_session("athlete-0"), athlete(0))
            with pytest.raises(APITimeoutError) as caught:
                client.run_workflow(athlete(1), deadline=deadline)
        http.close()
        return caught.value

    for call in (waiting, lambda seconds: anyio.run(waiting_async, seconds)):
        for deadline in growing(0.5):
            error = call(deadline)
            if "busy" in str(error):  # the deadline has not passed before the wait
                break
        assert "busy" in str(error)
        assert getattr(error, "deadline_passed", None) is True
        assert getattr(error, "may_have_arrived", None) is False
        assert getattr(error, "may_have_been_taken", None) is False


@pytest.mark.parametrize("make_client", ["sync", "asyncio"], indirect=True)
@pytest.mark.slow
def test_large_answer_takes_limited_memory(make_client: MakeClient) -> None:
    """The answer repeats the sessions of the simulator's program until it has 16 MiB."""
    answer = json.loads(answer_text("program", ATHLETE.read_text()) or "")
    program = answer["client_training_program_enriched"]
    week = program["sessions"]
    program["sessions"] = []

    def listed() -> bytes:
        text = json.dumps(answer, ensure_ascii=False)
        content = [{"type": "output_text", "text": text}]
        page = {"data": [{"id": "msg_2", "role": "assistant", "content": content}]}
        return json.dumps(page, ensure_ascii=False).encode()

    empty = len(listed())
    program["sessions"] = week
    weeks = (16 * 2**20 - empty) // (len(listed()) - empty + 2)
    program["sessions"] = week * weeks
    body = listed()
    assert 15.9 * 2**20 < len(body) <= 16 * 2**20

    response_bytes = [reply(body)]
    with raw_server(lambda exchange: response_bytes) as server:
        client = make_client(base_url=server.base_url)
        client.poll_response("s_1")
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        response = client.poll_response("s_1")
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
    assert len(response.program.sessions) == len(week) * weeks
    assert peak < 6 * len(body)


def test_polls_do_not_grow_memory() -> None:
    """Only what the protocol allocates counts: other threads of this process allocate, too."""
    protocol = tracemalloc.Filter(True, "*/edn360_chatkit/_protocol/*")
    run = RunReference(session_id="s_1", message_id="msg_1")
    waiting = Waiting(poll_interval=2.0, max_attempts=10_000, answer="program")
    operation = Workflow(config()).poll_response(ChatSession(id="s_1"), run, waiting, watched=False)
    answers: dict[type[Effect[Any]], Any] = {
        Send: listing(assistant('{"profile": {}}'), user()),
        Now: 0.0,
    }

    def memory_after(polls: int) -> int:
        """The memory at the end of so many polls."""
        while polls:
            polls -= isinstance(effects[0], Send)
            effects[0] = operation.send(answers.get(type(effects[0])))
        gc.collect()
        traces = tracemalloc.take_snapshot().filter_traces([protocol])
        return sum(trace.size for trace in traces.statistics("filename"))

    tracemalloc.start()
    effects: list[Effect[Any]] = [next(operation)]
    try:
        # Less than seven bytes a poll, so that no reference is kept.
        before = memory_after(100)
        assert before > 0
        assert memory_after(3_000) < before + 20_000
    finally:
        tracemalloc.stop()
        operation.close()
