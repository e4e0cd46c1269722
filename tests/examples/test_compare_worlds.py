"""``examples/compare_worlds.py``: the simulator as the hosted world, and a server of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edn360_chatkit.server.demo import run_workflow
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.own_server import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
ATHLETES = [str(EXAMPLES / f"athlete_{name}.json") for name in ("initial", "evolution")]


@pytest.mark.slow
def test_both_worlds_are_compared_and_paid_once(tmp_path: Path) -> None:
    server = Server(run_workflow, tmp_path / "threads.db", token="")
    with ChatKitSimulator() as sim:
        environment = {
            **os.environ,
            "EDN360_OPENAI_API_KEY": sim.api_key,
            "EDN360_TRAINING_WORKFLOW_ID": "wf_demo",
        }
        own = f"http://127.0.0.1:{server.port}/chatkit"
        command = [sys.executable, str(EXAMPLES / "compare_worlds.py"), *ATHLETES, "--own", own]
        command += ["--hosted", sim.base_url, "--journals", str(tmp_path)]

        def compare() -> str:
            process = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
            assert process.returncode == 0
            return str(process.stdout)

        first = compare()
        requests = len(sim.requests)
        assert compare() == first
        assert len(sim.requests) == requests
    server.stop()
    evolution, initial = first.split("== ")[1:]
    for text, name in ((evolution, "athlete_evolution"), (initial, "athlete_initial")):
        assert text.startswith(name)
        assert "own:    1 sessions, 1 blocks, 1 exercises" in text
        assert "Squat" in text
