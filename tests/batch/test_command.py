"""``edn360-chatkit batch`` against the simulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE, finish_runs, wait_for
from tests.support.samples import ANSWER

from .samples import athlete


@pytest.fixture
def server(sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that lead to the simulator."""
    monkeypatch.setenv("EDN360_OPENAI_API_KEY", sim.api_key)
    monkeypatch.setenv("EDN360_TRAINING_WORKFLOW_ID", "wf_1")
    return ["--base-url", sim.base_url, "--poll-interval", "0.02"]


def write_lines(path: Path, count: int) -> None:
    path.write_text("".join(f"{json.dumps(athlete(number))}\n" for number in range(count)))


def read_lines(path: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {line.pop("key"): line for line in lines}


def test_batch_writes_a_line_for_each_input(
    sim: ChatKitSimulator,
    server: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inputs, results = tmp_path / "inputs.jsonl", tmp_path / "results.jsonl"
    write_lines(inputs, 3)
    sim.fail_next("send_message", status=400)
    command = ["batch", str(inputs), "-o", str(results), *server]
    assert main([*command, "--concurrency", "1"]) == 1
    lines = read_lines(results)
    assert lines["athlete-0"]["error"]["type"] == "BadRequestError"
    assert lines["athlete-1"]["program"]["sessions"]
    assert "2 of 3 programs, 1 failed" in capsys.readouterr().err
    # The second command sends only the inputs that the first did not send.
    assert main(command) == 0
    assert {tuple(line) for line in read_lines(results).values()} == {("program",)}
    assert sim.runs == 3


def test_folder_of_inputs_gives_folder_of_programs(
    sim: ChatKitSimulator, server: list[str], tmp_path: Path
) -> None:
    inputs, results = tmp_path / "inputs", tmp_path / "results"
    inputs.mkdir()
    results.mkdir()
    for name in ("ana", "josé"):
        (inputs / f"{name}.json").write_text(json.dumps(athlete(1)))
    sim.answer = "error"
    command = ["batch", str(inputs), "-o", f"{results}/", *server]
    assert main(command) == 1
    assert sorted(path.name for path in results.iterdir()) == ["ana.error.json", "josé.error.json"]
    sim.answer = "program"
    assert main([*command, "--retry-failed"]) == 0
    assert sorted(path.name for path in results.iterdir()) == ["ana.json", "josé.json"]
    assert json.loads((results / "ana.json").read_text("utf-8"))["sessions"]
    assert (tmp_path / "results.journal").exists()


def test_each_key_has_its_own_file(
    sim: ChatKitSimulator, server: list[str], tmp_path: Path
) -> None:
    inputs, results = tmp_path / "inputs.jsonl", tmp_path / "results"
    results.mkdir()
    keys = ["x", "x.error", "a/b", "a%2Fb", "a\0b", ".."]
    people = [{**athlete(0), "user_profile": {"user_id": key}} for key in keys]
    inputs.write_text("\n".join(map(json.dumps, people)))
    assert main(["batch", str(inputs), "-o", str(results), *server, "--concurrency", "1"]) == 0
    names = {"x.json", "x%2Eerror.json", "a%2Fb.json", "a%252Fb.json", "a%00b.json", "...json"}
    assert {path.name for path in results.iterdir()} == names


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([athlete(0), {"user_profile": {}}], "line 2"),
        ([athlete(0), athlete(0)], "two inputs"),
        ([], "no inputs"),
        (json.dumps(athlete(0), indent=2), "Write each input in a line of its own"),
    ],
)
def test_invalid_inputs_are_refused_before_sending(
    sim: ChatKitSimulator,
    server: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    lines: list[dict[str, Any]] | str,
    words: str,
) -> None:
    inputs = tmp_path / "inputs.jsonl"
    inputs.write_text(lines if isinstance(lines, str) else "\n".join(map(json.dumps, lines)))
    assert main(["batch", str(inputs), "-o", str(tmp_path / "results.jsonl"), *server]) == 2
    assert words in capsys.readouterr().err
    assert sim.requests == []


def test_simulated_batch_writes_no_journal(tmp_path: Path) -> None:
    inputs, results = tmp_path / "inputs.jsonl", tmp_path / "results.jsonl"
    write_lines(inputs, 2)
    assert main(["batch", str(inputs), "-o", str(results), "--simulate"]) == 0
    assert len(read_lines(results)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inputs.jsonl", "results.jsonl"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_repeated_command_continues_interrupted_batch(
    sim: ChatKitSimulator, server: list[str], tmp_path: Path
) -> None:
    inputs, results = tmp_path / "inputs.jsonl", tmp_path / "results.jsonl"
    write_lines(inputs, 6)
    sim.delay = 600
    patient = ["--concurrency", "4", "--max-attempts", "10000"]
    arguments = ["batch", str(inputs), "-o", str(results), *server, *patient]
    command = [sys.executable, "-m", "edn360_chatkit", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: sim.runs == 4)
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "Continue with the same command" in errors
    finish_runs(sim, ANSWER)
    sim.delay = 0
    assert main(arguments) == 0
    assert len(read_lines(results)) == 6
    assert sim.runs == 6
