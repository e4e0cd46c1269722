"""``run`` sends an athlete and writes the program, over real HTTP against the simulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE

from .shell import PROGRAM, ROOT_KEY, answers, temporary_files


def test_run_writes_only_the_program(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM, "beside": 1}))
    assert main(["run", "athlete.json"]) == 0
    out, err = capsys.readouterr()
    assert out == json.dumps(PROGRAM, ensure_ascii=False, indent=2) + "\n"
    assert err == ""


def test_run_writes_only_its_file(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    before = set(Path().iterdir())
    assert main(["run", "athlete.json", "-o", "out.json"]) == 0
    assert json.loads(Path("out.json").read_text("utf-8")) == PROGRAM
    assert "niño" in Path("out.json").read_text("utf-8")
    assert set(Path().iterdir()) - before == {Path("out.json")}
    line = "The run is in out.json.run until its program is delivered.\n"
    assert capsys.readouterr() == ("", line)


def test_run_reads_standard_input(
    sim: ChatKitSimulator, give_stdin: Callable[[bytes], None]
) -> None:
    give_stdin(b"\xef\xbb\xbf" + json.dumps(ATHLETE).encode())
    assert main(["run", "-", "-o", "out.json"]) == 0
    message = json.loads(sim.requests[1].json["content"][0]["text"])
    assert message == ATHLETE


def test_run_passes_its_options(
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", "http://127.0.0.1:1/v1/chatkit")
    sim.answer = "nothing"
    options = ["--base-url", sim.base_url, "--user", "someone", "--workflow-id", "wf_other"]
    status = main(["run", "athlete.json", *options, "--max-attempts", "3", "--poll-interval", "0"])
    assert status == 1
    assert sim.requests[0].json == {"workflow": {"id": "wf_other"}, "user": "someone"}
    assert [r.method for r in sim.requests].count("GET") == 3
    assert "No answer in 3 polls" in capsys.readouterr().err


def test_run_with_server_url_needs_no_key(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    for name in ("EDN360_OPENAI_API_KEY", "EDN360_TRAINING_WORKFLOW_ID", "EDN360_CHATKIT_BASE_URL"):
        monkeypatch.delenv(name)
    assert main(["run", "athlete.json", "--server-url", sim.server_url]) == 0
    assert json.loads(capsys.readouterr().out) == PROGRAM
    assert sim.sessions == {}
    assert sim.runs == 1


def test_protocol_threads_sends_no_session_message(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    assert main(["run", "athlete.json", "--protocol", "threads"]) == 0
    assert json.loads(capsys.readouterr().out) == PROGRAM
    assert not any(request.path.endswith("/messages") for request in sim.requests)
    sim.messages_endpoint = False
    assert main(["run", "athlete.json", "--protocol", "messages"]) == 1
    assert "leave --protocol out or use --protocol threads" in capsys.readouterr().err


def test_timeout_names_the_resume_command_once(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.answer = "nothing"
    assert main(["run", "athlete.json", "--max-attempts", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: No answer")
    assert err.count("""edn360-chatkit resume '{"session_id":"cksess_""") == 1
    assert "--max-attempts" in err
    assert "poll_response" not in err
    assert temporary_files() == []


def test_answer_first_takes_the_first_message(sim: ChatKitSimulator) -> None:
    sim.steps = ['{"profile": {}}']
    assert main(["run", "athlete.json", "-o", "a.json", "--poll-interval", "0"]) == 0
    assert main(["run", "athlete.json", "-o", "b.json", "--answer", "first"]) == 1
    assert Path("b.json.answer.txt").read_text("utf-8") == '{"profile": {}}'


def test_wrong_key_fails_without_printing_the_key(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDN360_OPENAI_API_KEY", "sk-wrong-and-secret")
    assert main(["run", "athlete.json", "-v"]) == 1
    out, err = capsys.readouterr()
    assert "Incorrect API key" in err
    assert "secret" not in out + err
    assert "resume" not in err
