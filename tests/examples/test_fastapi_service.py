"""``examples/fastapi_service.py`` over real HTTP; it is killed during a run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE

pytest.importorskip("fastapi")

EXAMPLES = Path(__file__).parents[2] / "examples"
ATHLETE = (EXAMPLES / "athlete_initial.json").read_bytes()


@contextmanager
def service(
    sim: ChatKitSimulator, folder: Path, world: str, stop: signal.Signals
) -> Iterator[httpx.Client]:
    """Run the example in another process, and yield its client."""
    sim.messages_endpoint = world == "messages"
    environment = {**os.environ, "RUNS_DATABASE": str(folder / "runs.db")}
    if world == "self-hosted":
        environment["EDN360_CHATKIT_SERVER_URL"] = sim.server_url
    else:
        environment["EDN360_CHATKIT_BASE_URL"] = sim.base_url
        environment["EDN360_OPENAI_API_KEY"] = sim.api_key
        environment["EDN360_TRAINING_WORKFLOW_ID"] = "wf_demo"
    # It listens before the service starts, so that no other program takes its port meanwhile.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url, number = f"http://127.0.0.1:{listener.getsockname()[1]}", listener.fileno()
        options = ("--app-dir", str(EXAMPLES), "--fd", str(number))
        command = [sys.executable, "-m", "uvicorn", "fastapi_service:app", *options]
        command += ["--timeout-graceful-shutdown", "1"]
        pipes: dict[str, Any] = {"stderr": subprocess.DEVNULL, "pass_fds": [number]}
        process = subprocess.Popen(command, env=environment, **pipes)
    with process, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        try:
            yield client
        finally:
            process.send_signal(stop)


def browse(client: httpx.Client, key: str) -> Iterator[tuple[str, str]]:
    """The types and data of a run's events, as a browser reads them."""
    with client.stream("GET", f"/runs/{key}/events") as response:
        kind = ""
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, value


@pytest.mark.parametrize(
    ("world", "stop"),
    [
        ("messages", signal.SIGKILL),
        pytest.param("threads", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("self-hosted", signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_run_survives_restart_of_service(
    sim: ChatKitSimulator, tmp_path: Path, world: str, stop: signal.Signals
) -> None:
    sim.steps, sim.delay, sim.survives_hang_up = True, 2.0, True
    with service(sim, tmp_path, world, stop) as client:
        for _ in range(2):
            assert client.put("/runs/ana", content=ATHLETE).status_code == 202
        next(browse(client, "ana"))  # this browser leaves after the first event
        assert client.get("/runs/ana").json()["state"] in ("running", "done")
    with service(sim, tmp_path, world, signal.SIGKILL) as client:
        assert client.put("/runs/ana", content=ATHLETE).status_code == 202
        *_, (kind, data) = browse(client, "ana")
        status = json.loads(data)
        assert (kind, status["state"], len(status["steps"])) == ("status", "done", 3)
        assert status["response"]["program"]["sessions"]
        requests = len(sim.requests)
        assert client.get("/runs/ana").json() == status
        assert len(sim.requests) == requests
    assert sim.runs == 1


@pytest.mark.slow
@pytest.mark.parametrize("world", ["threads", "self-hosted"])
def test_run_of_service_killed_while_sending_is_found(
    sim: ChatKitSimulator, tmp_path: Path, world: str
) -> None:
    sim.survives_hang_up = True
    sim.stall_next_stream(at=0, seconds=60.0)
    with (
        service(sim, tmp_path, world, signal.SIGKILL) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.put("/runs/ana", content=ATHLETE, timeout=3.0)
    with service(sim, tmp_path, world, signal.SIGKILL) as client:
        assert client.put("/runs/ana", content=ATHLETE).status_code == 202
        assert client.get("/runs/ana").json()["state"] == "done"
    assert sim.runs == 1


def test_invalid_input_starts_no_run(sim: ChatKitSimulator, tmp_path: Path) -> None:
    with service(sim, tmp_path, "messages", signal.SIGKILL) as client:
        invalid = client.put("/runs/ana", json={"user_profile": {"user_id": ["secret"]}})
        assert invalid.status_code == 422
        assert "user_profile.user_id" in invalid.text
        assert "secret" not in invalid.text
        assert client.get("/runs/ana").status_code == 404
        sim.fail_next("create_session", status=400)
        assert client.put("/runs/ana", content=ATHLETE).status_code == 502
        assert client.put("/runs/ana", content=ATHLETE).status_code == 202
        assert client.get("/runs/ana").json()["state"] in ("running", "done")
    assert sim.runs == 1
