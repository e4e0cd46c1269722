"""A run that outlives its command: the reference, ``resume`` and ``status``."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest

from edn360_chatkit import ChatKitClient, RunReference
from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE, finish_runs, wait_for
from tests.support.samples import ANSWER, ATHLETE

from .references import RUN, start, wait_for_part
from .signals import signal_when

pytestmark = pytest.mark.usefixtures("sim")


def server(sim: ChatKitSimulator, world: str) -> list[str]:
    """The options of one of the three worlds."""
    sim.survives_hang_up = True
    options = {"messages": [], "threads": ["--protocol", "threads"]}
    return options.get(world, ["--server-url", sim.server_url])


WORLDS = pytest.mark.parametrize("world", ["messages", "threads", "self-hosted"])


@WORLDS
def test_second_command_resumes_first_run(
    world: str, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*RUN, *server(sim, world)]
    sim.delay = 0.5
    sim.fail_next("list_messages", status=403)
    sim.cut_next_stream(2000)
    sim.fail_next("items.list", status=403)
    sim.fail_next("list_items", status=403)
    sim.fail_next("threads.get_by_id", status=403)
    assert main(command) == 1
    err = capsys.readouterr().err
    assert err.startswith("The run is in out.json.run until its program is delivered.\n")
    assert "The run may continue at the server, and is paid for." in err
    assert "input_sha256" in Path("out.json.run").read_text("utf-8")
    assert main(command) == 0
    err = capsys.readouterr().err
    assert err == "Resuming the run in out.json.run. To start a new one, remove that file.\n"
    assert "title" in json.loads(Path("out.json").read_text("utf-8"))
    assert not Path("out.json.run").exists()
    assert sim.runs == 1


@pytest.mark.parametrize("world", ["messages", "self-hosted"])
def test_run_is_resumed_from_file_or_text(
    world: str, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    options = server(sim, world)
    sim.delay = 600
    process = start(*RUN, *options)
    wait_for_part(Path("out.json.run"), '"message_id"')
    assert main(["status", "out.json.run", *options]) == 0
    assert capsys.readouterr().out.startswith("running, steps so far: ")
    process.kill()
    process.wait()
    finish_runs(sim, ANSWER)
    text = Path("out.json.run").read_text("utf-8")
    assert RunReference.model_validate_json(text).user == "athlete-1"
    assert main(["resume", text, *options]) == 0
    program = json.loads(capsys.readouterr().out)
    assert main(["status", "out.json.run", *options]) == 0
    assert capsys.readouterr().out == "done\n"
    assert main(["resume", "out.json.run", "-o", "other.json", *options]) == 0
    assert json.loads(Path("other.json").read_text("utf-8")) == program
    assert not Path("out.json.run").exists()
    assert sim.runs == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_run_killed_while_sending_is_resumed(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    options = server(sim, "self-hosted")
    killed = threading.Event()

    def answer(text: str) -> str:
        killed.wait(PATIENCE)
        return ANSWER

    sim.answer = answer
    process = start(*RUN, *options)
    wait_for(lambda: any(b"threads.create" in request.body for request in sim.requests))
    process.kill()
    process.wait()
    killed.set()
    assert '"thread_id"' not in Path("out.json.run").read_text("utf-8")
    assert main([*RUN, *options]) == 0
    assert "which may have started" in capsys.readouterr().err
    assert "title" in json.loads(Path("out.json").read_text("utf-8"))
    assert sim.runs == 1


def test_existing_output_is_kept_on_request(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out.json").write_text("{}", "utf-8")
    for more in ([], ["--simulate"]):
        assert main([*RUN, "--skip-existing", *more]) == 0
        assert capsys.readouterr().err == "out.json exists; nothing was sent.\n"
    assert sim.requests == []
    assert main(["run", "athlete.json", "--skip-existing"]) == 2
    sim.fail_next("list_messages", status=403)
    assert main(RUN) == 1
    assert Path("out.json").read_text("utf-8") == "{}"
    assert main([*RUN, "--skip-existing"]) == 0  # the run that is not delivered
    assert "title" in Path("out.json").read_text("utf-8")
    assert sim.runs == 1


def test_run_without_thread_names_options(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    run = json.dumps({"session_id": "local_1", "user": "athlete-1"})
    assert main(["status", run, "--server-url", sim.server_url]) == 2
    err = capsys.readouterr().err
    assert err.endswith("the user's newest threads, and add its thread_id to RUN.\n")


def test_status_of_a_failed_run_is_1(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.fail_next("list_messages", status=403)
    sim.answer = "error"
    main(RUN)
    capsys.readouterr()
    assert main(["status", "out.json.run"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("failed: ")
    assert out.count("\n") == 1
    sim.fail_next("list_messages", status=401)
    assert main(["status", "out.json.run"]) == 1
    assert capsys.readouterr().err.startswith("edn360-chatkit: ")


def test_run_of_other_input_is_not_resumed(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.fail_next("list_messages", status=403)
    assert main(RUN) == 1
    other = {**ATHLETE, "questionnaires": [{"answers": {"days": 2}}]}
    Path("athlete.json").write_text(json.dumps(other), "utf-8")
    capsys.readouterr()
    assert main(RUN) == 2
    assert "out.json.run has a run of another input." in capsys.readouterr().err
    assert sim.runs == 1


@pytest.mark.parametrize("content", ["", "[]", '{"session": 1}'])
def test_broken_reference_is_refused(
    content: str, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out.json.run").write_text(content, "utf-8")
    for command in (RUN, ["resume", "out.json.run"], ["status", "out.json.run"]):
        assert main(command) == 2
        assert "out.json.run: This is not the reference of a run" in capsys.readouterr().err
    assert sim.requests == []


def test_reference_option_sets_its_file(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "athlete.json", "--reference", "kept.run", "--poll-interval", "0"]
    sim.fail_next("list_messages", status=403)
    assert main(command) == 1
    assert Path("kept.run").exists()
    assert main(command) == 0
    assert not Path("kept.run").exists()
    assert main([*command, "--reference", "no/such/file"]) == 2
    for no_file in ("-", ".", os.devnull):
        assert main([*command, "--reference", no_file]) == 2
        assert "--reference must name a file" in capsys.readouterr().err
    assert sim.runs == 1


def test_file_name_with_brace_is_no_json(sim: ChatKitSimulator) -> None:
    command = ["run", "athlete.json", "-o", "{id}.json", "--poll-interval", "0"]
    sim.fail_next("list_messages", status=403, times=2)
    assert main(command) == 1
    assert main(["resume", "{id}.json.run"]) == 1
    assert main(command) == 0
    assert not Path("{id}.json.run").exists()
    assert sim.runs == 1


def test_refused_message_leaves_no_reference(sim: ChatKitSimulator) -> None:
    sim.fail_next("send_message", status=401)
    assert main(RUN) == 1
    assert not Path("out.json.run").exists()
    assert main(RUN) == 0
    assert sim.runs == 1


def test_message_in_doubt_is_not_resent(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with ChatKitClient() as client:
        session = client.create_session("athlete-1")
    assert main(["status", json.dumps({"session_id": session.id, "previous_id": ""})]) == 0
    assert capsys.readouterr().out == "running, but the server lists no message of it\n"
    reference = {"session_id": session.id, "user": "athlete-1"}
    Path("out.json.run").write_text(json.dumps(reference), "utf-8")
    assert main(["resume", "out.json.run", "--max-attempts", "1"]) == 1
    err = capsys.readouterr().err
    assert err.endswith(
        "so there is no run to wait for.\nTo start a new run instead, remove out.json.run.\n"
    )
    sim.messages_endpoint = False
    for options in ([], ["--server-url", sim.server_url]):
        assert main(["resume", "out.json.run", *options]) == 1
        fault = "can't find a run by its session alone: look at the threads of the user athlete-1"
        assert fault in capsys.readouterr().err
    assert Path("out.json.run").exists()
    assert sim.runs == 0


def test_lost_answer_leaves_the_reference(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*RUN, "--server-url", sim.server_url]
    sim.fail_next("threads.create", status=503, taken=True)
    sim.fail_next("threads.list", status=404, times=10)
    assert main(command) == 1
    assert "If the athlete's data arrived, the run may continue" in capsys.readouterr().err
    assert main(command) == 1
    assert sim.runs == 1


def test_unwritten_program_keeps_reference(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if target.name == "out.json":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        assert main(RUN) == 1
    assert main(RUN) == 0
    assert sim.runs == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_signal_during_delivery_names_the_run(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")

    def is_delivering() -> bool:  # it waits for a reader, and polls no more
        before = len(sim.requests)
        time.sleep(0.3)
        return sim.runs == 1 and len(sim.requests) == before

    with signal_when(is_delivering, signal.SIGTERM):
        assert main(["run", "athlete.json", "-o", "pipe", *RUN[4:]]) == 143
    command = capsys.readouterr().err.splitlines()[-1].split("edn360-chatkit ")[1]
    assert main(shlex.split(command.replace("-o pipe", ""))) == 0
    assert "title" in json.loads(capsys.readouterr().out)
    assert sim.runs == 1


def test_unwritable_reference_is_printed_and_resumed(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = Path.write_bytes

    def fail(self: Path, data: bytes) -> int:
        if b"session_id" in data:
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", fail)
    sim.delay = 60
    assert main([*RUN, "--max-attempts", "1"]) == 1
    err = capsys.readouterr().err
    line = """out.json.run can't be written: No space left on device. The run: {"session_id"""
    assert line in err
    assert "The run is in out.json.run" not in err
    command = err.rpartition("Resume it with edn360-chatkit ")[2].partition(", from any process")[0]
    finish_runs(sim, ANSWER)
    assert main(shlex.split(command)) == 0
    assert sim.runs == 1


@pytest.mark.slow
@WORLDS
def test_loop_under_timeout_sends_each_athlete_once(world: str, sim: ChatKitSimulator) -> None:
    """For three athletes, commands end at random moments and are repeated until they succeed."""
    options, moments = server(sim, world), Random(7)
    sim.delay = 1.0
    names = [f"a{number}" for number in range(3)]
    for name in names:
        profile = {**ATHLETE["user_profile"], "user_id": name}
        Path(f"{name}.json").write_text(json.dumps({**ATHLETE, "user_profile": profile}), "utf-8")
    options += ["--poll-interval", "0.2"]
    for patience in range(300):  # rounds without a missing program are empty
        missing = [name for name in names if not Path(f"{name}.out").exists()]
        processes = [start("run", f"{n}.json", "-o", f"{n}.out", *options) for n in missing]
        for process in processes:
            end_after(process, moments.uniform(0.3, 1.5 + patience / 2))
    assert all("title" in Path(f"{name}.out").read_text("utf-8") for name in names)
    assert sim.runs == len(names)
    assert not list(Path().glob("*.run"))


def end_after(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a process after so many seconds, like ``timeout``."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(timeout=PATIENCE)
