"""Ctrl-C and other signals during ``run``."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from edn360_chatkit.cli import main, signals
from edn360_chatkit.testing import ChatKitSimulator, RecordedRequest
from tests.support.patience import PATIENCE, on_request, wait_for

from .shell import command
from .signals import signal_when


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
        f"The run may continue at the server, and is paid for. Resume it with:\n  {resume}\n"
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
    assert main(["run", "athlete.json", "-o", "out.json"]) == 130
    err = capsys.readouterr().err
    assert err.startswith("Waiting for the server to take the message.")
    assert "edn360-chatkit: Interrupted.\nThe run may continue at the server" in err
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
        assert err.startswith(f"edn360-chatkit: {text}\nThe run may continue")
        assert """edn360-chatkit resume '{"session_id":"cksess_""" in err
        assert "Traceback" not in err


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
