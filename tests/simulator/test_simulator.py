"""The simulator as a whole: its settings, its record of requests, its start and its imports."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from edn360_chatkit.testing import ChatKitSimulator
from tests.simulator.conftest import SESSION
from tests.support.thread_client import ThreadClient, error, has_program, stored_items, types

MESSAGE = {"role": "user", "content": [{"type": "input_text", "text": "x"}]}


def test_messages_endpoint_can_be_switched_off(
    sim: ChatKitSimulator, rest: httpx.Client, session_id: str
) -> None:
    sim.messages_endpoint = False
    path = f"/sessions/{session_id}/messages"
    expected = f"Invalid URL (POST /v1/chatkit{path})"
    assert error(rest.post(path, json=MESSAGE)) == (404, expected, None, None)
    assert rest.get(path).status_code == 404
    assert sim.runs == 0


def test_runs_of_all_protocols_are_counted(
    sim: ChatKitSimulator, rest: httpx.Client, hosted: ThreadClient, self_hosted: ThreadClient
) -> None:
    hosted.run()
    self_hosted.run()
    (session_id,) = sim.sessions
    rest.post(f"/sessions/{session_id}/messages", json=MESSAGE)
    hosted.post("threads.list")
    assert sim.runs == 3
    # No endpoint lists the thread of a session's messages.
    assert len(rest.get("/threads").json()["data"]) == 1


def test_reset_restores_settings_and_forgets_runs(
    sim: ChatKitSimulator, self_hosted: ThreadClient
) -> None:
    settings = {name: value for name, value in vars(sim).items() if not name.startswith("_")}
    for name in settings.keys() - {"api_key"}:
        setattr(sim, name, "changed")
    sim.cut_next_stream(10)
    sim.stall_next_stream(0, 60.0)
    sim.fail_next("server")
    sim.reset()
    assert {name: value for name, value in vars(sim).items() if name in settings} == {
        **settings,
        "requests": [],
        "runs": 0,
        "sessions": {},
        "threads": {},
    }
    assert has_program(stored_items(self_hosted.run())[-1])


def test_constructor_takes_settings(http: httpx.Client) -> None:
    with ChatKitSimulator(
        messages_endpoint=False, server_headers={"x-token": "t"}, delta_size=None, notice="Hello."
    ) as simulator:
        events = ThreadClient(http, simulator.server_url, {"x-token": "t"}).run()
        assert "notice" in types(events)
        simulator.notice = None
        simulator.reset()
        assert simulator.notice == "Hello."


def test_requests_of_both_protocols_are_recorded(
    sim: ChatKitSimulator, rest: httpx.Client, self_hosted: ThreadClient
) -> None:
    rest.post("/sessions?a=1", json=SESSION)
    request = sim.requests[-1]
    assert (request.method, request.path, request.query) == (
        "POST",
        "/v1/chatkit/sessions",
        {"a": "1"},
    )
    assert request.json == SESSION
    assert request.headers["openai-beta"] == "chatkit_beta=v1"
    assert sim.api_key not in repr(request)
    rest.post("/sessions", content=b"{")
    assert (sim.requests[-1].body, sim.requests[-1].json) == (b"{", None)
    self_hosted.run()
    request = sim.requests[-1]
    assert (request.method, request.path) == ("POST", "/chatkit")
    assert request.json["type"] == "threads.create"
    assert request.json["metadata"] == {"user": "athlete-1"}


def test_simulator_restarts_on_its_port() -> None:
    simulator = ChatKitSimulator()
    for _ in range(2):
        with simulator as sim:
            assert httpx.get(sim.base_url).status_code == 404
            with pytest.raises(OSError, match="in use"):
                ChatKitSimulator(port=httpx.URL(sim.base_url).port or 0).start()
    simulator.stop()
    with socket.create_server(("127.0.0.1", httpx.URL(simulator.base_url).port or 0)):
        pass


def test_simulator_imports_no_client() -> None:
    program = """
import sys
# The package's __init__ imports the clients, so an empty package takes its place here.
import types, pathlib, importlib.util
root = pathlib.Path(importlib.util.find_spec("edn360_chatkit").submodule_search_locations[0])
package = types.ModuleType("edn360_chatkit")
package.__path__ = [str(root)]
sys.modules["edn360_chatkit"] = package
import edn360_chatkit.testing
print(sorted(name for name in sys.modules if name.startswith("edn360_chatkit.")))
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = process.stdout
    assert "edn360_chatkit.testing.simulator" in loaded, process.stderr
    for room in (
        "clients",
        "async_client",
        "resources",
        "_protocol",
        "_transport",
        "_effects",
        "_config",
        "events",
    ):
        assert f"edn360_chatkit.{room}" not in loaded


def test_missing_extra_names_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("edn360_chatkit.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ModuleNotFoundError, match=r"edn360-chatkit\[simulator\]"):
        __import__("edn360_chatkit.testing")


def test_example_script_runs() -> None:
    script = Path(__file__).parents[2] / "examples" / "watch_a_run.py"
    process = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "step: training_plan" in process.stdout
    assert "  D1 " in process.stdout
