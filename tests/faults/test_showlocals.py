"""``pytest -l`` shows local variables, and no secret among those of the package."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

from edn360_chatkit.testing import ChatKitSimulator
from tests.support.secrets import all_secrets, athlete, secrets_in


def test_pytest_showlocals_shows_no_secret(sim: ChatKitSimulator, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(athlete()))
    test = tmp_path / "test_it.py"
    test.write_text(
        textwrap.dedent(
            f"""
            import json
            from edn360_chatkit import ChatKitClient, WorkflowTimeoutError

            def athlete(**more):
                data = json.load(open({str(tmp_path / "data.json")!r}))
                return {{**data, **more}}

            def client(protocol):
                return ChatKitClient(
                    base_url={sim.base_url!r}, workflow_id="wf_demo", protocol=protocol,
                    max_attempts=2, poll_interval=0.01,
                )

            def test_no_answer():
                client("messages").run_workflow(athlete())

            def test_no_answer_in_a_stream():
                client("threads").run_workflow(athlete())

            def test_invalid():
                client("messages").run_workflow(athlete(questionnaires=5))

            def test_streamed():
                with client("threads").stream_workflow(athlete()) as run:
                    for event in run:
                        pass
                    run.get_response()
            """
        )
    )
    sim.answer = "nothing"
    command = [sys.executable, "-m", "pytest", "-l", "--tb=long", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [*command, str(test)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"OPENAI_API_KEY": sim.api_key},
        check=False,
    )
    assert "4 failed" in done.stdout
    assert done.stdout.count("WorkflowTimeoutError") >= 3
    assert secrets_in(done.stdout + done.stderr, all_secrets(sim)) == []
