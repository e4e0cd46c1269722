"""The command over real HTTP against the simulator."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings

from edn360_chatkit import EnrichedTrainingProgram, __version__
from edn360_chatkit.cli import main, signals
from edn360_chatkit.testing import AnswerKind, ChatKitSimulator, RecordedRequest
from edn360_chatkit.testing._workflow import answer_text
from tests.support.patience import PATIENCE, on_request, wait_for
from tests.support.samples import ATHLETE, programs

from .signals import ctrl_c_raises, signal_when

ROOT_KEY = "client_training_program_enriched"
PROGRAM: dict[str, Any] = {
    "title": "Fuerza — niño",
    "weeks": 4,
    "sessions": [
        {"id": "D1", "blocks": [{"id": "A", "exercises": [{"name": "Squat", "tempo": [3, 0, 1]}]}]}
    ],
    "unknown": {"z": 1, "a": None},
}
SHOWN = f"""\
Strong in spring
{"=" * 80}

Twelve weeks of work.

- Goal: Strength
- Type: full body
- Weeks: 12
- Days per week: 1
- Minutes per session: 60

General notes
{"-" * 80}

- sleep: 8 hours
- drink:
  - water
    - tea: 2
- none: []

Weekly sets per muscle group:
     3  Pectoralis
   1.5  Triceps
   1.5  Deltoid

D1 · Upper body
{"-" * 80}

≈ 29 min (estimated)

Focus: Chest, Back

A · Pectoralis (also Triceps, Deltoid)

  1. Cable fly
     3 × 8-12 · RPE 7.5
     Slowly.

Block

  Row
     3-4 × -
     - × 9

C

No exercises

Core and mobility

  Plank

- minutes: 5

Session notes

Warm up first.

≈: estimated minutes, with 10 for the warm-up and the rests as written; where
none is written, 90 s between sets and 10 s within a superset.
"""
HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202e [b] \x9b2J\x00"


@pytest.fixture
def give_stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))

    return give


def watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make standard error a terminal."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")


def write(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    Path(name).write_text(text, "utf-8")
    return name


# A shell that runs the tests in the background makes processes ignore Ctrl-C.
START = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("edn360_chatkit", run_name="__main__", alter_sys=True)
"""


def command(*args: str, **options: Any) -> subprocess.Popen[str]:
    """The command, in another process."""
    return subprocess.Popen(
        [sys.executable, "-c", START, *args],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


def answers(sim: ChatKitSimulator, text: str) -> str:
    """Set the answer of the simulated workflow, and return it."""
    sim.answer = lambda message: text
    return text


@contextmanager
def broken_pipe(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Make standard output a pipe without a reader."""
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        yield


def temporary_files() -> list[Path]:
    return list(Path("tmp").iterdir())


# --- run ------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        ([], {"EDN360_OPENAI_API_KEY": ""}, "No API key. Set the environment variable EDN360"),
        ([], {"EDN360_TRAINING_WORKFLOW_ID": ""}, "No workflow id. Pass --workflow-id, or set"),
        (["--poll-interval", "nan"], {}, "--poll-interval must be from 0 to"),
        (["--poll-interval", "-1"], {}, "--poll-interval must be from 0 to"),
        (["--max-attempts", "0"], {}, "--max-attempts must be a whole number of 1 or more"),
        (["--user", ""], {}, "--user must be a string that is not empty"),
        (["--base-url", "http://example.com"], {}, "--base-url (or $EDN360_CHATKIT_BASE_URL) must"),
        (["--server-url", "http://127.0.0.1", "--protocol", "messages"], {}, "use --protocol auto"),
        (["--server-url", "nonsense"], {}, "--server-url (or $EDN360_CHATKIT_SERVER_URL) "),
        (["--simulate", "--base-url", "b"], {}, "--simulate without --base-url and --server-url"),
        (["--server-url", "s", "--base-url", "b"], {}, "Use --base-url for a ChatKit API"),
    ],
)
def test_run_names_the_option_at_fault(
    options: list[str],
    variables: dict[str, str],
    expected: str,
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "athlete.json", *options]) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert "=..." not in err
    assert sim.requests == []


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


@pytest.mark.parametrize("kind", ["invalid", "error", "truncated", "step", "text"])
def test_answer_without_program_is_saved_beside_output(
    kind: AnswerKind, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.answer = kind
    for _ in range(2):
        assert main(["run", "athlete.json", "-o", "out.json", "--max-attempts", "1"]) == 1
        may_go_on = Path("out.json.run").exists()
    first, second = Path("out.json.answer.txt"), Path("out.json.2.answer.txt")
    assert first.read_text("utf-8") == second.read_text("utf-8") != ""
    assert not Path("out.json").exists()
    out, err = capsys.readouterr()
    assert out == ""
    assert f"The answer is in {Path.cwd() / first}\n" in err
    # The run has ended, so the text does not advise to resume it.
    assert ("edn360-chatkit resume out.json.run" in err) == may_go_on == (kind in ("step", "text"))
    assert sim.runs == (1 if may_go_on else 2)


@pytest.mark.parametrize("output", [[], ["-o", "-"], ["-o", "pipe"]])
def test_answer_is_saved_in_temporary_directory(
    output: list[str], sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    if "pipe" in output:
        os.mkfifo("pipe")
    answer = answers(sim, "Not today: \u00e9 \x1b[31m")
    assert main(["run", "athlete.json", "--answer", "first", *output]) == 1
    (file,) = temporary_files()
    assert file.read_text("utf-8") == answer
    assert str(file.absolute()) in capsys.readouterr().err
    assert os.name != "posix" or file.stat().st_mode & 0o077 == 0


def test_answer_that_cannot_be_saved_is_printed(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, "Not today \x1b[31m")
    monkeypatch.setattr(tempfile, "tempdir", "no/such/directory")
    assert main(["run", "athlete.json", "--answer", "first"]) == 1
    err = capsys.readouterr().err
    assert "Not today" in err
    assert "\x1b" not in err


def test_answer_first_takes_the_first_message(sim: ChatKitSimulator) -> None:
    sim.steps = ['{"profile": {}}']
    assert main(["run", "athlete.json", "-o", "a.json", "--poll-interval", "0"]) == 0
    assert main(["run", "athlete.json", "-o", "b.json", "--answer", "first"]) == 1
    assert Path("b.json.answer.txt").read_text("utf-8") == '{"profile": {}}'


def _as_a_directory() -> None:
    Path("out.json").mkdir()


def _as_a_link_to_the_input() -> None:
    Path("out.json").symlink_to("athlete.json")


@pytest.mark.parametrize(
    ("output", "prepare", "reason"),
    [
        ("no/such/out.json", None, "there is no directory"),
        ("out.json", _as_a_directory, "it is a directory"),
        ("athlete.json", None, "it is the input"),
        ("out.json", _as_a_link_to_the_input, "it is the input"),
        ("x" * 300, None, "File name too long"),
        ("athlete.json/out.json", None, "there is no directory"),
    ],
)
def test_run_refuses_unwritable_output_before_sending(
    output: str,
    prepare: Callable[[], None] | None,
    reason: str,
    sim: ChatKitSimulator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if prepare is not None:
        prepare()
    assert main(["run", "athlete.json", "-o", output]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"edn360-chatkit: {output} can't be written: {reason}")
    assert sim.requests == []
    assert json.loads(Path("athlete.json").read_text("utf-8")) == ATHLETE


@pytest.mark.parametrize("read_only", ["out.json", "."])
def test_run_refuses_a_read_only_output(
    read_only: str,
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In containers the tests run as root, who may write everywhere.
    def access(path: Path, mode: int) -> bool:
        return path != Path(read_only).resolve()

    Path("out.json").touch()
    monkeypatch.setattr(os, "access", access)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 2
    assert "out.json can't be written: it is read-only" in capsys.readouterr().err
    assert sim.requests == []


def test_run_refuses_closed_standard_output(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["run", "athlete.json"]) == 2
    assert (
        "Standard output can't be written: it is closed. Name another file"
        in capsys.readouterr().err
    )
    assert sim.requests == []


def test_run_keeps_links_and_permissions(sim: ChatKitSimulator) -> None:
    Path("real.json").write_text("old", "utf-8")
    Path("real.json").chmod(0o640)
    Path("link.json").symlink_to("real.json")
    assert main(["run", "athlete.json", "-o", "link.json"]) == 0
    assert Path("link.json").is_symlink()
    assert "title" in json.loads(Path("real.json").read_text("utf-8"))
    assert Path("real.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_run_writes_into_pipe(sim: ChatKitSimulator) -> None:
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text("utf-8")))
    reader.start()
    assert main(["run", "athlete.json", "-o", "pipe"]) == 0
    reader.join(PATIENCE)
    assert "title" in json.loads(read[0])
    assert Path("pipe").is_fifo()


def _fail_to_replace(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_program_that_cannot_be_written_is_printed(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    Path("out.json").write_text("old", "utf-8")
    monkeypatch.setattr(Path, "replace", _fail_to_replace)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == PROGRAM
    assert "out.json can't be written: No space left on device" in err
    assert Path("out.json").read_text("utf-8") == "old"
    assert not list(Path().glob(".edn360*"))


def test_program_that_cannot_be_printed_is_saved(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    monkeypatch.setattr(Path, "replace", _fail_to_replace)
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 1
    file = Path("out.json.program.json")
    assert json.loads(file.read_text("utf-8")) == PROGRAM
    assert str(file.absolute()) in capsys.readouterr().err


def test_program_is_saved_after_broken_pipe(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    with broken_pipe(monkeypatch):
        assert main(["run", "athlete.json"]) == 1
    (file,) = temporary_files()
    assert file.suffix == ".json"
    assert json.loads(file.read_text("utf-8")) == PROGRAM
    err = capsys.readouterr().err
    assert err.startswith("edn360-chatkit: Standard output can't be written: Broken pipe.\n")
    assert str(file.absolute()) in err


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "It can't be read: No such file or directory"),
        (b"", "This is not JSON: Expecting value at line 1, column 1"),
        (b'{\n "a" 1}', "This is not JSON: Expecting ':' delimiter at line 2, column 6"),
        (b"[" * 100_000, "JSON beyond the limits of the parser"),
        (b"[]", "must be one JSON object"),
        ("{}".encode("utf-16"), "is not UTF-8 text"),
        (b"{}", "user_profile: Field required"),
        (b'{"user_profile": {"user_id": "SECRET", "x": NaN}, "questionnaires": [{}]}', "profile.x"),
        (b'{"user_profile": {"user_id": "\\ud800"}, "questionnaires": [{}]}', "profile.user_id"),
    ],
)
def test_run_refuses_bad_input_before_sending(
    content: bytes | None, expected: str, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("bad.json").write_bytes(content)
    assert main(["run", "bad.json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: bad.json: ")
    assert expected in err
    assert "SECRET" not in err
    assert sim.requests == []


def test_run_names_each_field_at_fault(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    write("bad.json", {"user_profile": {"name": 7}, "questionnaires": []})
    assert main(["run", "bad.json"]) == 2
    err = capsys.readouterr().err
    assert "user_profile.user_id: Field required" in err
    assert "user_profile.name: Input should be a valid string" in err
    assert "questionnaires: List should have at least 1 item" in err


def test_run_refuses_closed_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["run", "-"]) == 2
    assert "Standard input: It is closed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("EDN360_CHATKIT_BASE_URL", "http://example.com", "must begin with https://"),
        ("HTTPS_PROXY", "gopher://proxy.example.com", "certificates"),
        ("SSL_CERT_FILE", "no/such/file", "certificates"),
    ],
)
def test_run_refuses_a_bad_environment(
    variable: str,
    value: str,
    expected: str,
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if variable in ("HTTPS_PROXY", "SSL_CERT_FILE"):  # loopback needs neither
        monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", "https://chat.example.com")
    monkeypatch.setenv(variable, value)
    assert main(["run", "athlete.json"]) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert sim.requests == []


def test_wrong_key_fails_without_printing_the_key(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDN360_OPENAI_API_KEY", "sk-wrong-and-secret")
    assert main(["run", "athlete.json", "-v"]) == 1
    out, err = capsys.readouterr()
    assert "Incorrect API key" in err
    assert "secret" not in out + err
    assert "resume" not in err


@pytest.mark.parametrize("arguments", [["-v", "run"], ["run", "-v"], ["run", "--verbose"]])
def test_verbose_logs_on_standard_error(
    arguments: list[str], sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger("edn360_chatkit").handlers[:]
    assert main([*arguments, "athlete.json"]) == 0
    out, err = capsys.readouterr()
    json.loads(out)
    assert "workflow wf_demo" in err
    assert "training sessions: " in err
    assert logging.getLogger("edn360_chatkit").handlers == before
    assert logging.getLogger("edn360_chatkit").level == logging.NOTSET


# --- run: Ctrl-C ----------------------------------------------------------------------------


def ctrl_c_when(is_time: Callable[[], bool]) -> AbstractContextManager[None]:
    return signal_when(is_time, signal.SIGINT)


def poll_count(sim: ChatKitSimulator) -> int:
    return sum(request.method == "GET" for request in sim.requests)


@pytest.mark.parametrize("option", [[], ["--base-url"], ["--server-url"]])
def test_ctrl_c_names_the_resume_command(
    option: list[str], sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.answer = "nothing"
    sim.delay = 600
    url = sim.server_url if "--server-url" in option else sim.base_url
    arguments = [*option, url] if option else []

    reference = Path("out.json.run")
    with ctrl_c_when(lambda: reference.exists() and "message_id" in reference.read_text("utf-8")):
        assert main(["run", "athlete.json", "-o", "out.json", *arguments]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    resume = " ".join(["edn360-chatkit resume out.json.run -o out.json", *arguments])
    # A signal that comes early waits for the message, and says so first.
    assert err.endswith(
        "edn360-chatkit: Interrupted.\n"
        f"The run may go on at the server, and is paid for. Take it up with:\n  {resume}\n"
    )


@pytest.mark.parametrize(
    ("held", "expected"), [("sessions", ""), ("messages", "If the athlete's data")]
)
def test_ctrl_c_before_sending_claims_no_run(
    held: str,
    expected: str,
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A slow proxy stands before the simulator."""
    monkeypatch.setattr(signals, "GRACE", 0.3)
    with slow_server(sim, held) as (base_url, arrived), ctrl_c_when(arrived.is_set):
        assert main(["run", "athlete.json", "-o", "o", "--base-url", base_url]) == 130
    err = capsys.readouterr().err
    assert expected in err
    assert ("edn360-chatkit resume o.run" in err) == Path("o.run").exists() == bool(expected)
    if expected:  # The data may have arrived, so no second message is sent.
        assert main(["run", "athlete.json", "-o", "o", "--max-attempts", "1"]) == 1
        assert "which may have started. To start a new one, remove" in capsys.readouterr().err
        assert sim.runs == 0


def test_ctrl_c_waits_for_response_to_message(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signals, "GRACE", PATIENCE)
    sim.fail_next("send_message", status=503)
    messages: list[str] = []

    def interrupt_first_message(request: RecordedRequest) -> None:
        if request.path.endswith("/messages"):
            messages.append(request.path)
            if len(messages) == 1:
                os.kill(os.getpid(), signal.SIGINT)

    on_request(sim, interrupt_first_message)
    with ctrl_c_raises():
        assert main(["run", "athlete.json", "-o", "out.json"]) == 130
    err = capsys.readouterr().err
    assert err.startswith("Waiting for the server to take the message.")
    assert "edn360-chatkit: Interrupted.\nThe run may go on at the server" in err
    assert "message_id" in Path("out.json.run").read_text("utf-8")
    assert sim.runs == 1


@contextmanager
def slow_server(
    sim: ChatKitSimulator, held: str
) -> Generator[tuple[str, threading.Event], None, None]:
    """A proxy before the simulator that does not answer requests whose path ends in ``held``."""
    arrived, over = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path.endswith(held):
                arrived.set()
                over.wait(PATIENCE)
                return
            names = ("authorization", "content-type", "openai-beta")
            headers = {name: self.headers[name] for name in names}
            path = self.path.removeprefix("/v1/chatkit")
            options: dict[str, Any] = {"timeout": PATIENCE, "trust_env": False}
            answer = httpx.post(sim.base_url + path, content=body, headers=headers, **options)
            self.send_response(answer.status_code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/chatkit", arrived
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_signals_end_real_processes(sim: ChatKitSimulator) -> None:
    sim.answer = "nothing"
    texts = {
        signal.SIGINT: "Interrupted.",
        signal.SIGTERM: "Ended by SIGTERM.",
        signal.SIGHUP: "Ended by SIGHUP.",
    }
    patient = ("--poll-interval", "0.1", "--max-attempts", "10000")
    processes = [command("run", "athlete.json", *patient) for _ in texts]
    wait_for(lambda: len({r.path for r in sim.requests if r.method == "GET"}) == len(texts))
    for process, (number, text) in zip(processes, texts.items(), strict=True):
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, out) == (128 + number, "")
        assert err.startswith(f"edn360-chatkit: {text}\nThe run may go on")
        assert """edn360-chatkit resume '{"session_id":"cksess_""" in err
        assert "Traceback" not in err


def test_ctrl_c_while_reading_input_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: Path) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "read_bytes", interrupted)
    assert main(["validate", "athlete.json"]) == 130
    assert capsys.readouterr() == ("", "edn360-chatkit: Interrupted.\n")


# --- run: the progress ----------------------------------------------------------------------


def test_terminal_shows_steps_of_run(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch)
    sim.steps = ['{"profile": {}}', json.dumps({HOSTILE: 1}), "Just a moment"]
    sim.empty_polls = 1
    sim.fail_next("list_messages", status=429, headers={"retry-after": "0"}, times=6)
    assert main(["run", "athlete.json", "-o", "out.json", "--poll-interval", "0"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "  step: profile\n" in err
    assert "\x1b]0;" not in err
    assert "\x1b[31m" not in err
    assert "[b]" in err
    assert "  step: text\n" in err
    assert re.search(r"program received after \d+ s", err)
    assert "Written to out.json" in err
    # The spinner erases its line.
    assert "Waiting" not in err.rpartition("\x1b[2K")[2]


def test_terminal_keeps_log_and_program_readable(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch)
    assert main(["run", "athlete.json", "-v"]) == 0
    out, err = capsys.readouterr()
    assert "title" in json.loads(out)
    assert "session created" in err
    assert "(session cksess_" in err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the spinner
def test_run_survives_a_terminal_that_closes(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch)

    def gone(*_: object) -> int:
        raise OSError(5, "Input/output error")

    sim.steps = ['{"profile": {}}']
    monkeypatch.setattr(sys.stderr, "write", gone)
    assert main(["run", "athlete.json", "-o", "out.json", "--poll-interval", "0"]) == 0
    assert Path("out.json").exists()


def test_run_without_rich_has_no_spinner(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 0
    assert capsys.readouterr().err.endswith("delivered.\nWritten to out.json.\n")


def test_run_survives_closed_standard_error(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["-v", "run", "athlete.json", "-o", "out.json"]) == 0
    assert main(["run", "no-such-file.json"]) == 2
    assert capsys.readouterr().out == ""


# --- run --simulate -------------------------------------------------------------------------


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


def test_simulate_offers_no_run_to_resume(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[ChatKitSimulator] = []

    def start_and_remember(self: ChatKitSimulator) -> ChatKitSimulator:
        started.append(self)
        return start(self)

    start = ChatKitSimulator.start
    monkeypatch.setattr(ChatKitSimulator, "start", start_and_remember)
    with ctrl_c_when(lambda: bool(started) and poll_count(started[0]) > 1):
        assert main(["run", "athlete.json", "--simulate", "--poll-interval", "0.05"]) == 130
    assert capsys.readouterr().err == "edn360-chatkit: Interrupted.\n"


# --- validate -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ATHLETE, f"EDN360Input, {len(ATHLETE['questionnaires'])} questionnaire"),
        ({"user_profile": {"user_id": "u"}, "questionnaires": [{}, {}], "title": 1}, "put, 2 q"),
        (PROGRAM, "training program, 1 session, 1 exercise"),
        ({ROOT_KEY: PROGRAM}, "training program, 1 session, 1 exercise"),
        ({"title": "t", "sessions": []}, "training program, 0 sessions, 0 exercises"),
    ],
)
def test_validate_names_the_kind_of_file(
    value: object, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", write("some.json", value)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("some.json: ")
    assert expected in out.splitlines()[0]
    assert err == ""


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        (
            {"user_profile": {"name": 123456}, "questionnaires": []},
            ["user_profile.user_id: ", "user_profile.name: ", "questionnaires: "],
        ),
        ({"questionnaires": [{"payload": 123456}]}, ["user_profile: ", "questionnaires.0.payload"]),
        (
            {"title": "t", "sessions": [{"blocks": [{"exercises": [123456]}]}, 123456]},
            ["sessions.0.blocks.0.exercises.0: ", "sessions.1: "],
        ),
        ({ROOT_KEY: {"sessions": 123456}}, ["  sessions: "]),
        ({ROOT_KEY: 123456}, ["EnrichedTrainingProgram or a mapping is needed"]),
        ({"profile": 123456}, ["neither an EDN360Input"]),
    ],
)
def test_validate_names_faults_without_values(
    value: object, faults: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", write("bad.json", value)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: bad.json: ")
    for fault in faults:
        assert fault in err
    assert "123456" not in err


def test_validate_reads_standard_input(
    give_stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(json.dumps(PROGRAM).encode())
    assert main(["validate", "-"]) == 0
    assert capsys.readouterr().out.startswith("standard input: training program")
    give_stdin(b"nothing")
    assert main(["validate", "-"]) == 2
    assert "Standard input: This is not JSON" in capsys.readouterr().err


def test_control_characters_in_names_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {"user_profile": {"user_id": "u"}, "questionnaires": [{"\x1b[31m\r": float("nan")}]}
    name = write("a\x1b[31m.json", json.dumps(hostile))
    assert main(["validate", name]) == 2
    assert main(["validate", write(name, PROGRAM)]) == 0
    out, err = capsys.readouterr()
    assert "\ufffd[31m" in out
    assert "questionnaires.0.\ufffd[31m" in err
    assert not set(out + err) & set("\x1b\r")


# --- show -----------------------------------------------------------------------------------


def shown(capsys: pytest.CaptureFixture[str], value: object) -> str:
    assert main(["show", write("program.json", value), "--lang", "en"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_show_prints_the_whole_program(capsys: pytest.CaptureFixture[str]) -> None:
    exercise = {"order": 1, "name": "Cable fly", "series": 3, "reps": "8-12", "rpe": 7.5}
    out = shown(
        capsys,
        {
            "title": "Strong in spring",
            "summary": "Twelve weeks of work.",
            "goal": "Strength",
            "training_type": "full body",
            "weeks": 12,
            "days_per_week": 1,
            "session_duration_min": 60,
            "sessions": [
                {
                    "id": "D1",
                    "name": "Upper body",
                    "focus": ["Chest", "Back"],
                    "blocks": [
                        {
                            "id": "A",
                            "primary_muscles": ["Pectoralis"],
                            "secondary_muscles": ["Triceps", "Deltoid"],
                            "exercises": [{**exercise, "notes": "Slowly."}],
                        },
                        {"exercises": [{"name": "Row", "series": "3-4"}, {"name": "", "reps": 9}]},
                        {"id": "C", "exercises": []},
                    ],
                    "core_mobility_block": {"minutes": 5, "exercises": [{"name": "Plank"}]},
                    "session_notes": "Warm up first.",
                }
            ],
            "general_notes": {"sleep": "8 hours", "drink": ["water", {"tea": 2}], "none": []},
        },
    )
    assert out == SHOWN


def test_show_omits_missing_fields(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, {"title": "", "sessions": []})
    assert out == f"Training program\n{'=' * 80}\n\nNo sessions\n"
    out = shown(capsys, {"title": "T", "sessions": [{"blocks": []}]})
    assert f"Session 1\n{'-' * 80}\n\nNo blocks\n" in out


@pytest.mark.parametrize(
    ("core", "lines"),
    [
        ("Plank, 3 x 30s", ["Core and mobility", "", "Plank, 3 x 30s"]),
        ("First\r\nSecond", ["Core and mobility", "", "First", "Second"]),
        (["Plank", "Bird dog"], ["Core and mobility", "", "- Plank", "- Bird dog"]),
        ({"exercises": "Plank"}, ["Core and mobility", "", "- exercises: Plank"]),
        ({"exercises": [{"no": "name"}]}, ["     - no: name"]),
        ({"exercises": [{"name": "Plank"}]}, ["Core and mobility", "", "  Plank"]),
        ({"a": [[[[[[["deep"]]]]]]]}, ['            - ["deep"]']),
    ],
)
def test_show_accepts_notes_of_any_shape(
    core: object, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    session = {"blocks": [], "core_mobility_block": core}
    out = shown(capsys, {"title": "T", "sessions": [session]})
    assert "\n".join(["", *lines, ""]) in out


@pytest.mark.parametrize("answer", ["program", "fenced", "prose", "beside"])
def test_show_reads_an_answer(
    answer: AnswerKind, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    text = answer_text(answer, json.dumps(ATHLETE))
    assert "simula" in shown(capsys, text).lower()


def test_show_reads_standard_input(
    give_stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(json.dumps(PROGRAM).encode())
    assert main(["show", "-"]) == 0
    assert "Squat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"title": "t", "sessions": [{"blocks": 7}]},
            "sessions.0.blocks: Input should be a valid list",
        ),
        ({ROOT_KEY: {"title": "t"}}, "  sessions: Field required"),
        ("once upon a time", "This is not JSON"),
        (ATHLETE, "bad.json: This is an EDN360Input, the athlete's data, and not a program."),
    ],
)
def test_show_names_faults_of_program(
    value: object, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", write("bad.json", value)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err


def everywhere(text: str) -> dict[str, Any]:
    """A program with a text in every place that holds one."""
    exercise = {"order": 1, "name": text, "series": text, "reps": text, "rpe": text, "notes": text}
    session = {
        "id": text,
        "name": text,
        "focus": [text],
        "blocks": [
            {
                "id": text,
                "primary_muscles": [text],
                "secondary_muscles": [text],
                "exercises": [exercise],
            }
        ],
        "session_notes": {text: [text]},
        "core_mobility_block": {"exercises": [exercise], text: text},
    }
    names = ("title", "summary", "goal", "training_type", "general_notes")
    return {**dict.fromkeys(names, text), "sessions": [session]}


def test_show_replaces_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    out = "".join(shown(capsys, everywhere(HOSTILE)).split())
    # Each of the 25 places has the replacement characters.
    assert (out.count("[b]"), out.count("\ufffd")) == (25, 25 * 6)
    assert not set(out) & set("\x1b\x07\x9b\u202e\x00")


@settings(max_examples=50, deadline=None)
@given(programs)
def test_show_prints_any_program_without_control_characters(program: dict[str, Any]) -> None:
    text = EnrichedTrainingProgram.model_validate(program).to_text()
    assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]


def test_show_is_plain_in_a_pipe() -> None:
    write("program.json", everywhere("A rather long text of a dozen words that has to be wrapped "))
    process = command("show", "program.json", stdin=subprocess.DEVNULL)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert 60 < max(map(len, lines)) <= 80
    assert lines == [line.rstrip() for line in lines]


def test_show_folds_long_words(capsys: pytest.CaptureFixture[str]) -> None:
    word = "abcdefghij" * 10
    program = {"title": "T", "sessions": [{"blocks": [{"exercises": [{"name": word}]}]}]}
    out = shown(capsys, program)
    assert word in "".join(out.split()).replace("-", "")


def test_show_supports_an_ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = command("show", write("program.json", PROGRAM))
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "Fuerza ? ni?o" in out


def test_show_writes_html_and_markdown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer = write("answer.json", {ROOT_KEY: PROGRAM})
    assert main(["show", answer, "--html", "out.html", "--markdown", "out.md"]) == 0
    assert capsys.readouterr() == ("", "")
    page, markdown = (Path(name).read_text("utf-8") for name in ("out.html", "out.md"))
    assert page.startswith('<!DOCTYPE html>\n<html lang="es">')
    assert markdown.startswith("# Fuerza — niño\n")
    assert "Semanas" in page
    assert "- Semanas: 4" in markdown
    assert main(["show", answer, "--markdown", "-", "--lang", "en"]) == 0
    assert "- Weeks: 4" in capsys.readouterr().out


def test_show_needs_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["show", write("program.json", PROGRAM), "--html", "out.html"]) == 0
    assert main(["show", write("program.json", PROGRAM)]) == 0


@pytest.mark.parametrize(
    ("output", "reason"),
    [("program.json", "it is the input"), ("no/out.html", "there is no directory")],
)
def test_show_writes_no_file_with_unusable_output(
    output: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.dumps(PROGRAM)
    assert (
        main(["show", write("program.json", before), "--markdown", "a.md", "--html", output]) == 2
    )
    assert f"{output} can't be written: {reason}" in capsys.readouterr().err
    assert not Path("a.md").exists()
    assert Path("program.json").read_text() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_show_reports_a_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", write("program.json", PROGRAM), "--html", "/dev/full"]) == 1
    assert "/dev/full can't be written: No space left on device" in capsys.readouterr().err


# --- simulate -------------------------------------------------------------------------------


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


# --- usage, and what holds for every subcommand ---------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "required: COMMAND"),
        (["walk"], "invalid choice: 'walk'"),
        (["run"], "required: INPUT.json"),
        (["run", "a", "b"], "unrecognized arguments: b"),
        (["run", "a", "--sim"], "unrecognized arguments: --sim"),
        (["run", "a", "--api-key", "k"], "unrecognized arguments: --api-key k"),
        (["run", "a", "--protocol", "http"], "invalid choice: 'http'"),
        (["run", "a", "--max-attempts", "many"], "invalid int value: 'many'"),
        (["run", "a", "--answer", "last"], "invalid choice: 'last'"),
        (["simulate", "--delay", "soon"], "invalid float value: 'soon'"),
        (["simulate", "--port", "http"], "invalid int value: 'http'"),
    ],
)
def test_wrong_usage_prints_line_with_status_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: ")
    assert expected in err
    assert "--help" in err
    assert err.count("\n") == 1


def test_version_and_help_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"edn360-chatkit {__version__}\n", "")
    assert main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    assert "$EDN360_OPENAI_API_KEY" in text
    assert "--api-key" not in text


def test_python_m_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "validate", "athlete.json"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("edn360_chatkit", run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("athlete.json: EDN360Input")
    monkeypatch.setattr(sys, "argv", ["anything", "validate", "no-such-file"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("edn360_chatkit", run_name="__main__")
    assert stop.value.code == 2


def test_closed_pipe_prints_no_traceback() -> None:
    process = command("show", write("program.json", PROGRAM))
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 1),
        (["validate", "program.json"], 1),
        (["show", "program.json"], 1),
        (["simulate", "--port", "0"], 1),
        (["validate", "no-such-file"], 2),
    ],
)
def test_broken_pipe_ends_silently_with_status_1(
    arguments: list[str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("program.json", PROGRAM)
    with broken_pipe(monkeypatch):
        assert main(arguments) == status
    assert bool(capsys.readouterr().err) == (status == 2)


def test_closed_standard_output_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["validate", "athlete.json"]) == 1
    assert "Standard output can't be written: it is closed" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        process = command("validate", write("program.json", PROGRAM), stdout=full)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err == "edn360-chatkit: Standard output can't be written: No space left on device.\n"


def test_result_goes_to_a_replaced_stdout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["validate", "athlete.json"]) == 0
    assert out.getvalue() == "athlete.json: EDN360Input, 1 questionnaire\n"


def test_command_imports_extras_lazily() -> None:
    ours = ["edn360_chatkit.testing", "starlette", "uvicorn"]
    assert all(map(find_spec, ours))
    program = (
        f"import sys, edn360_chatkit.cli as cli; ours = {ours};"
        "cli.main(['validate', 'athlete.json']);"
        "print(sorted({*ours} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
