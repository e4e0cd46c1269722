"""Two servers on one PostgreSQL behind nginx; one of them is killed in the middle."""

from __future__ import annotations

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

from edn360_chatkit import ChatKitClient, ChatKitError, WorkflowFailedError
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


def test_killed_server_loses_and_doubles_no_run(
    tmp_path: Path, make_postgres_database: MakeDatabase
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
            user = {"user_id": f"athlete-{number}"}
            data: dict[str, Any] = {
                **ATHLETE,
                "user_profile": user,
                "context": {"seconds": SECONDS},
            }
            try:
                client.run_workflow(data)
            except WorkflowFailedError as error:
                assert "server stopped" in str(error)
                assert time.monotonic() - killed[0] < 60
                return "reported"
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
    assert set(outcomes) == {"answered", "reported"}
    assert outcomes.total() == RUNS
    assert set(users.values()) == {1}
