"""A client and the caller's HTTP client, threads, tasks and imports."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest

from edn360_chatkit import AsyncChatKitClient, ChatKitClient
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ANSWER, ATHLETE


def test_callers_http_client_stays_open(sim: ChatKitSimulator) -> None:
    paths: list[str] = []
    hooks = {"request": [lambda request: paths.append(request.url.path)]}
    with httpx.Client(event_hooks=hooks, auth=("user", "password"), follow_redirects=True) as http:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        with ChatKitClient(**settings, workflow_id="wf_demo", http_client=http) as client:
            assert client.run_workflow(ATHLETE).attempts == 1
        assert len(paths) == 3
        assert http.get(sim.base_url).status_code == 404


def test_threads_share_one_client(sim: ChatKitSimulator) -> None:
    sim.empty_polls = 2
    settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
    with ChatKitClient(**settings, workflow_id="wf_demo", poll_interval=0.01) as client:

        def run(number: int) -> str:
            data = {**ATHLETE, "user_profile": {"user_id": f"athlete-{number}"}}
            session_id: str = client.run_workflow(data).session_id
            return session_id

        with ThreadPoolExecutor(16) as pool:
            session_ids = list(pool.map(run, range(40)))
    users = [r.json["user"] for r in sim.requests if r.path.endswith("/sessions")]
    assert sorted(users) == sorted(f"athlete-{number}" for number in range(40))
    assert len(set(session_ids)) == 40
    assert sum(r.method == "POST" for r in sim.requests) == 80


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tasks_share_one_client(sim: ChatKitSimulator, backend: str) -> None:
    sim.empty_polls = 2
    days: dict[int, int] = {}

    async def main() -> None:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        async with AsyncChatKitClient(
            **settings, workflow_id="wf_demo", poll_interval=0.01
        ) as client:

            async def run(number: int) -> None:
                payload = {"days_per_week": 2 + number % 3}
                data = {**ATHLETE, "questionnaires": [{"payload": payload}]}
                response = await client.run_workflow(data)
                days[number] = len(response.program.sessions)

            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(run, number)

    anyio.run(main, backend=backend)
    assert days == {number: 2 + number % 3 for number in range(40)}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_on_event_can_be_coroutine_function(sim: ChatKitSimulator, backend: str) -> None:
    kinds: list[str] = []

    async def listen(event: Any) -> None:
        await anyio.sleep(0)
        kinds.append(event.type)

    async def main() -> None:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        async with AsyncChatKitClient(**settings, workflow_id="wf_demo") as client:
            await client.run_workflow(ATHLETE, on_event=listen)

    anyio.run(main, backend=backend)
    assert kinds == ["session.created", "message.sent", "response"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_client_works_after_cancelled_run(sim: ChatKitSimulator, backend: str) -> None:
    sim.answer = "nothing"

    async def main() -> None:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        async with AsyncChatKitClient(
            **settings, workflow_id="wf_demo", poll_interval=0.01
        ) as client:
            with anyio.move_on_after(0.2) as scope:
                await client.run_workflow(ATHLETE, max_attempts=10**6)
            assert scope.cancelled_caught
            sim.answer = "program"
            assert (await client.run_workflow(ATHLETE)).attempts == 1

    anyio.run(main, backend=backend)


def test_stream_is_read_in_another_thread(sim: ChatKitSimulator) -> None:
    settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
    kinds: list[str] = []
    with (
        ChatKitClient(**settings, workflow_id="wf_demo") as client,
        client.stream_workflow(ATHLETE) as run,
    ):
        kinds.append(next(run).type)
        thread = threading.Thread(target=lambda: kinds.extend(event.type for event in run))
        thread.start()
        thread.join()
    assert kinds == ["session.created", "message.sent", "response"]


IMPORTS_OF_A_RUN = """
import sys
from edn360_chatkit import AsyncChatKitClient, ChatKitClient

base_url, is_async, athlete = sys.argv[1], sys.argv[2] == "async", {athlete!r}
options = dict(base_url=base_url, api_key="sk-simulated-key", workflow_id="wf_demo")
options |= dict(poll_interval=0.01, max_retries=5)
if is_async:
    import anyio

    async def main():
        async with AsyncChatKitClient(**options) as client:
            before = set(sys.modules)
            await client.run_workflow(athlete)
            return set(sys.modules) - before

    imported = anyio.run(main)
else:
    with ChatKitClient(**options) as client:
        before = set(sys.modules)
        client.run_workflow(athlete)
        imported = set(sys.modules) - before
print([name for name in sorted(imported) if name.split(".")[0] not in sys.stdlib_module_names])
"""


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_run_imports_no_module(sim: ChatKitSimulator, kind: str) -> None:
    """A Ctrl-C during an import can leave a package half loaded, for all later runs."""
    malformed = ANSWER.replace(', "', ' "', 1)
    sim.answer = lambda _: malformed
    sim.fail_next("create_session", status=503)
    code = IMPORTS_OF_A_RUN.format(athlete=ATHLETE)
    command = [sys.executable, "-c", code, sim.base_url, kind]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
