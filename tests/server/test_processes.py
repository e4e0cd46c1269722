"""Two servers on one PostgreSQL behind nginx; one server is killed during the runs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import AsyncChatKitClient, ChatKitClient, ChatKitError, WorkflowFailedError
from tests.contract.foreign import nginx
from tests.contract.foreign.processes import ROOT
from tests.support.postgres import MakeDatabase
from tests.support.samples import ATHLETE

pytestmark = pytest.mark.slow
RUNS = 40
SECONDS = 20.0


@contextmanager
def server(directory: Path, database: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = nginx.free_port()
    workflow = "tests.contract.foreign.slow_example:run"
    command = [sys.executable, "-m", "edn360_chatkit", "serve", workflow, "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with (directory / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--database", database], cwd=directory, env=environment, stderr=log
        )
    try:
        nginx.wait_until_open(port, process)  # type: ignore[arg-type]
        yield port, process
    finally:
        process.kill()
        process.wait()


def athlete(number: int, seconds: float) -> dict[str, Any]:
    user = {"user_id": f"athlete-{number}"}
    return {**ATHLETE, "user_profile": user, "context": {"seconds": seconds}}


def test_killed_server_loses_and_doubles_no_run(
    tmp_path: Path, make_postgres_database: MakeDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    database = make_postgres_database()
    with ExitStack() as stack:
        (port, victim), (other_port, survivor) = [
            stack.enter_context(server(tmp_path, database)) for _ in range(2)
        ]
        upstreams, location = nginx.documented_pair((port, other_port))
        front = stack.enter_context(nginx.serve(tmp_path, port, location, upstreams))
        killed: list[float] = []
        client = stack.enter_context(
            ChatKitClient(
                server_url=f"http://127.0.0.1:{front}/chatkit", poll_interval=1.0, max_attempts=300
            )
        )

        def run(number: int) -> str:
            try:
                client.run_workflow(athlete(number, SECONDS))
            except WorkflowFailedError as error:
                waited = time.monotonic() - killed[0]
                return "reported" if "server stopped" in str(error) and waited < 60 else str(error)
            except ChatKitError as error:
                return f"{type(error).__name__}: {error}"
            return "answered"

        with ThreadPoolExecutor(RUNS) as pool:
            futures = [pool.submit(run, number) for number in range(RUNS)]
            starts = tmp_path / "starts.txt"
            while not starts.exists() or len(starts.read_text().split()) < RUNS:
                time.sleep(0.1)
            killed.append(time.monotonic())
            victim.send_signal(signal.SIGKILL)
            outcomes = Counter(future.result() for future in futures)
        users = Counter(starts.read_text().split())
        assert survivor.poll() is None
    with capsys.disabled():
        print(f"\n{RUNS} runs, one of two servers killed: {dict(outcomes)}")  # noqa: T201
    assert set(outcomes) == {"answered", "reported"}
    assert outcomes.total() == RUNS
    assert set(users.values()) == {1}


def test_200_runs_at_once_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A single process on SQLite. The test prints its CPU time."""

    async def run_all(port: int) -> list[str]:
        url = f"http://127.0.0.1:{port}/chatkit"
        async with AsyncChatKitClient(server_url=url, max_attempts=300, timeout=60) as client:
            runs = [client.run_workflow(athlete(number, 60.0)) for number in range(200)]
            return [response.program.title or "" for response in await asyncio.gather(*runs)]

    with server(tmp_path, "threads.db") as (port, process):
        before, started = cpu_seconds(process.pid), time.monotonic()
        titles = asyncio.run(run_all(port))
        used, elapsed = cpu_seconds(process.pid) - before, time.monotonic() - started
    with capsys.disabled():
        print(f"\n200 runs of 60 s: {elapsed:.0f} s, {used:.1f} s of CPU in the server")  # noqa: T201
    assert titles == ["From the example"] * 200
    users = Counter((tmp_path / "starts.txt").read_text().split())
    assert len(users) == users.total() == 200


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
