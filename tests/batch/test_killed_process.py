"""A batch whose process is killed many times loses no run, and sends no run twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit.testing import ChatKitSimulator
from edn360_chatkit.testing._workflow import answer_text

from .samples import settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


@pytest.fixture
def batches() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.batch.server_of_batches"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def run_process(
    batches: subprocess.Popen[str], order: dict[str, Any], seconds: float | None = None
) -> None:
    """Run a batch in a process, and kill it after so many seconds."""
    assert batches.stdin is not None
    assert batches.stdout is not None
    batches.stdin.write(json.dumps(order) + "\n")
    batches.stdin.flush()
    process = int(batches.stdout.readline())
    if seconds is not None:
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    assert batches.stdout.readline() == "ended\n"


def slow_answer(text: str) -> str:
    """Answer slowly, so that many kills strike after the message is stored."""
    time.sleep(0.02)
    answer = answer_text("program", text)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("is_async", "count", "kills"),
    [
        (False, 15, 3),
        pytest.param(True, 200, 50, marks=pytest.mark.slow),
        pytest.param(False, 200, 50, marks=pytest.mark.slow),
    ],
)
def test_killed_batch_gets_each_answer_once(
    sim: ChatKitSimulator,
    batches: subprocess.Popen[str],
    tmp_path: Path,
    is_async: bool,
    count: int,
    kills: int,
) -> None:
    sim.delay, sim.answer = 0.2, slow_answer
    chance, output = random.Random(f"{is_async}-{count}"), tmp_path / "out.json"
    order = {
        "settings": settings(sim),
        "count": count,
        "journal": str(tmp_path / "runs.db"),
        "max_concurrency": 10,
        "poll_interval": 0.05,
        "is_async": is_async,
        "output": str(output),
    }
    for _ in range(kills):
        run_process(batches, order, chance.uniform(0.1, 0.6))
    run_process(batches, order)
    programs = json.loads(output.read_text())
    assert len(programs) == count
    assert all(programs.values())
    # Each session has a single message, so no run was paid for twice.
    assert sim.runs == count
