"""``run --simulate`` and ``simulate``."""

from __future__ import annotations

import json
import signal
import socket
import sys

import httpx
import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE

from .shell import ROOT_KEY, command, watch


@pytest.fixture
def fast_simulator(monkeypatch: pytest.MonkeyPatch) -> list[ChatKitSimulator]:
    """Make simulators answer at once, and list the started simulators."""
    started: list[ChatKitSimulator] = []

    def start_fast(self: ChatKitSimulator) -> ChatKitSimulator:
        assert self.delay == 2
        self.delay = 0
        started.append(self)
        return start(self)

    start = ChatKitSimulator.start
    monkeypatch.setattr(ChatKitSimulator, "start", start_fast)
    return started


def test_simulate_ignores_the_environment(
    fast_simulator: list[ChatKitSimulator],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", "https://chatkit.example.com/v1")
    monkeypatch.setenv("EDN360_CHATKIT_SERVER_URL", "https://chatkit.example.com/chatkit")
    monkeypatch.setenv("EDN360_TRAINING_WORKFLOW_ID", "not a workflow")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert main(["run", "athlete.json", "--simulate"]) == 0
    program = json.loads(capsys.readouterr().out)
    assert "sessions" in program
    assert ROOT_KEY not in program


def test_simulate_shows_the_steps_of_the_workflow(
    fast_simulator: list[ChatKitSimulator],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch(monkeypatch)
    assert main(["run", "athlete.json", "--simulate", "-o", "out.json"]) == 0
    err = capsys.readouterr().err
    assert "step: profile" in err
    assert "step: training_plan" in err


def test_simulate_posts_no_steps_with_answer_first(
    fast_simulator: list[ChatKitSimulator], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "athlete.json", "--simulate", "--answer", "first"]) == 0
    assert "sessions" in json.loads(capsys.readouterr().out)


def test_simulate_runs_until_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process = command("simulate", "--port", "0", "--delay", "0")
    assert process.stdout is not None
    for _ in range(3):
        export, _, assignment = process.stdout.readline().strip().partition(" ")
        name, _, value = assignment.partition("=")
        assert export == "export"
        monkeypatch.setenv(name, value)
    assert main(["run", "athlete.json"]) == 0
    assert "simula" in json.loads(capsys.readouterr().out)["title"].lower()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")


def test_simulate_passes_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(monkeypatch)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waited: list[ChatKitSimulator] = []

    def wait(self: ChatKitSimulator) -> None:
        waited.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(ChatKitSimulator, "wait", wait)
    assert main(["simulate", "--port", str(port), "--delay", "0.5", "--steps"]) == 0
    out, err = capsys.readouterr()
    assert f"EDN360_CHATKIT_BASE_URL=http://127.0.0.1:{port}/v1/chatkit\n" in out
    assert "until Ctrl-C" in err
    assert (waited[0].delay, waited[0].steps) == (0.5, True)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


def test_simulate_refuses_a_port_in_use(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    port = httpx.URL(sim.base_url).port
    assert main(["simulate", "--port", str(port)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"can't listen on port {port}: Address already in use" in err
    assert "--port 0" in err


@pytest.mark.parametrize("arguments", [["simulate"], ["run", "athlete.json", "--simulate"]])
def test_simulate_without_extra_names_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert 'pip install "edn360-chatkit[simulator]"' in err
