"""``edn360-chatkit serve``, as a process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from edn360_chatkit import ChatKitClient, ConfigurationError, cli
from edn360_chatkit.server import build_app
from tests.server.conftest import Serve
from tests.support.own_server import ROOT_KEY, echo, message, request, texts
from tests.support.samples import ATHLETE

WORKFLOW = """
import pathlib, time

def run(edn360_input):
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return {"title": "Mine", "sessions": []}

value = 1

def __getattr__(name):
    if name != "app":
        raise AttributeError(f"no {name}")
    from edn360_chatkit.server import build_app
    return build_app(run, "app.db")
"""

STUBBORN = """
import asyncio, time

async def run(edn360_input):
    print("begun", flush=True)
    while True:
        try:
            await asyncio.to_thread(time.sleep, 60)
        except asyncio.CancelledError:
            pass
"""
FAILING = """
def run(edn360_input):
    raise ValueError(edn360_input["name"])
"""
MODULES = {
    "workflow": WORKFLOW,
    "failing": FAILING,
    "stubborn": STUBBORN,
    "typescript": 'import { Agent } from "@openai/agents";',
    "guarded": "import guardrails",
    "keyless": "import os\nos.environ['OPENAI_API_KEY']",
}


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "edn360_chatkit", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            for line in server.stderr:
                if address := re.search(r"running on (http://127.0.0.1:\d+)", line):
                    yield server, address[1]
                    break
            else:
                pytest.fail("it did not start")
        finally:
            server.kill()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("EDN360_SERVER_TOKEN", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, text in MODULES.items():
        Path(f"{name}.py").write_text(text, "utf-8")
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def test_command_finishes_run_when_stopped(database: str, serve: Serve) -> None:
    """The function is in the current directory, and ``serve`` opens the database again later."""
    with process("workflow:run", "--database", database) as (server, url):
        if "://" not in database:
            with pytest.raises(ConfigurationError, match="Another server uses"):
                build_app(echo, database)
        body = request("threads.create", "ana", input=message())
        with httpx.stream("POST", f"{url}/chatkit", json=body) as response:
            next(response.iter_raw())
        server.send_signal(signal.SIGTERM)
        assert server.stderr is not None
        line = next(line for line in server.stderr if "Stopping" in line)
        Path("go").touch()
        server.communicate()
        assert server.returncode == 0
    assert "Stopping. Runs in flight: 1, for 240 s at most." in line

    again = serve()
    (thread,) = again.get("threads.list")["data"]
    (text,) = texts(again.items(thread["id"]))
    assert json.loads(text)[ROOT_KEY]["title"] == "Mine"


def test_command_logs_failure_without_its_text() -> None:
    with process("failing:run") as (server, url):
        body = request("threads.create", "ana", input=message({"name": "Ana"}))
        assert "ValueError: Ana" in httpx.post(f"{url}/chatkit", json=body).text
        server.terminate()
        assert server.stderr is not None
        log = server.stderr.read()
    assert "The workflow failed with ValueError." in log
    assert 'failing.py", line 3, in run' in log
    assert "Ana" not in log


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2])
def test_stubborn_workflow_does_not_keep_process(signals: int) -> None:
    """It ignores its cancellation, and has a thread that the interpreter would wait for."""
    grace = "0.1" if signals == 1 else "600"
    with process("stubborn:run", "--grace", grace) as (server, url):
        body = request("threads.create", "ana", input=message())
        with httpx.stream("POST", f"{url}/chatkit", json=body) as response:
            for line in response.iter_lines():
                if "Running the workflow" in line:
                    break
            for _ in range(signals):
                server.send_signal(signal.SIGTERM)
                time.sleep(0.5)  # signals that come at once are one
        started = time.monotonic()
        server.communicate(timeout=60)
        assert server.returncode == (0 if signals == 1 else 143)
        assert time.monotonic() - started < 40  # some 11 s on an idle machine


@pytest.mark.slow
def test_command_without_workflow_serves_demo(database: str) -> None:
    with (
        process("--database", database) as (_, url),
        ChatKitClient(server_url=f"{url}/chatkit") as client,
    ):
        program = client.run_workflow(ATHLETE).program
    assert program.title is not None
    assert program.title.endswith("not training advice")


def test_unusable_port_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for port in (listener.getsockname()[1], 65536):
            assert cli.main(["serve", "--port", str(port)]) == 2
            says = f"edn360-chatkit: The server can't listen at 127.0.0.1, port {port}."
            assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "EDN360_SERVER_TOKEN"),
        (["workflow"], "MODULE:FUNCTION"),
        (["no_such:run"], "no module 'no_such'"),
        (["no_such.workflow:run"], "no module 'no_such'"),
        (["workflow:walk"], "AttributeError: no walk"),
        (["workflow.py:walk"], "AttributeError: no walk"),
        (["workflow.ts:runWorkflow"], "TypeScript"),
        (["typescript:runWorkflow"], "typescript, line 1 is not Python: invalid syntax. An export"),
        (["guarded:run"], "guarded imports guardrails: pip install openai-guardrails"),
        (["keyless:run"], "KeyError: 'OPENAI_API_KEY'"),
        (["workflow:value"], "not a function"),
        (["--database", "mysql://localhost/x"], "SQLite"),
        (["--database", "no/such/directory.db"], "can't be opened"),
        (["--database", "postgresql://127.0.0.1:1/x"], "can't be opened"),
        (["--token-file", "no-such-file"], "token file"),
        (["--authenticate", "no_such:user"], "no module 'no_such'"),
        (["--max-runs", "0"], "not above 0"),
        (["workflow:app", "--max-runs", "1"], "build_app()"),
    ],
)
def test_invalid_setting_prints_line_with_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("edn360-chatkit: ")
    assert error.count("\n") == 1
