"""The simulator enforces what the real API enforces; called without our clients."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE

SESSION = {"workflow": {"id": "wf_demo"}, "user": "u"}


def message(text: str = json.dumps(ATHLETE), **changes: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}], **changes}


@pytest.fixture
def http(sim: ChatKitSimulator) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {sim.api_key}", "OpenAI-Beta": "chatkit_beta=v1"}
    with httpx.Client(base_url=sim.base_url, headers=headers) as client:
        yield client


@pytest.fixture
def session(http: httpx.Client) -> str:
    session_id: str = http.post("/sessions", json=SESSION).json()["id"]
    return session_id


def error(response: httpx.Response) -> tuple[int, str, str | None, str | None]:
    details = response.json()["error"]
    return response.status_code, details["message"], details["param"], details["code"]


def test_session_has_the_fields_of_the_api(http: httpx.Client) -> None:
    response = http.post("/sessions", json=SESSION)
    data = response.json()
    assert data["object"] == "chatkit.session"
    assert data["id"].startswith("cksess_")
    assert data["client_secret"].startswith("ek_")
    assert data["status"] == "active"
    assert 590 <= data["expires_at"] - time.time() <= 600
    assert data["max_requests_per_1_minute"] == 10
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("body", "says", "param"),
    [
        ({**SESSION, "input": "x"}, "Unknown parameter: 'input'.", "input"),
        (
            {"workflow": {"id": "wf_demo", "x": 1}, "user": "u"},
            "Unknown parameter: 'workflow.x'.",
            "workflow.x",
        ),
        ({"user": "u"}, "Missing required parameter: 'workflow'.", "workflow"),
        ({"workflow": {"id": "wf_demo"}}, "Missing required parameter: 'user'.", "user"),
        ({"workflow": {"id": "wf_demo"}, "user": 5}, "Invalid value for 'user'", "user"),
        (
            {**SESSION, "expires_after": {"anchor": "now", "seconds": 5}},
            "Invalid value for 'expires_after.anchor'",
            "expires_after.anchor",
        ),
    ],
)
def test_session_refuses_unknown_parameters(
    http: httpx.Client, body: Any, says: str, param: str
) -> None:
    status, text, at, code = error(http.post("/sessions", json=body))
    assert (status, at) == (400, param)
    assert text.startswith(says)
    assert code is not None


def test_unknown_workflow_is_not_found(http: httpx.Client, sim: ChatKitSimulator) -> None:
    body: dict[str, Any] = {"workflow": {"id": "demo"}, "user": "u"}
    assert error(http.post("/sessions", json=body))[:2] == (
        404,
        "No workflow found with id 'demo'.",
    )
    sim.workflow_ids = ["wf_real"]
    assert http.post("/sessions", json=SESSION).status_code == 404
    body["workflow"] = {"id": "wf_real"}
    assert http.post("/sessions", json=body).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "Bearer wrong"}, 401, "invalid_api_key"),
        ({"Authorization": "Basic sk-simulated-key"}, 401, "invalid_api_key"),
        ({"Authorization": ""}, 401, "invalid_api_key"),
        ({"OpenAI-Beta": ""}, 400, "invalid_beta"),
        ({"OpenAI-Beta": "assistants=v2"}, 400, "invalid_beta"),
        ({"Content-Type": "text/plain"}, 400, "content_type"),
    ],
)
def test_wrong_header_is_refused(
    http: httpx.Client, headers: dict[str, str], status: int, code: str
) -> None:
    response = error(http.post("/sessions", json=SESSION, headers=headers))
    assert (response[0], response[3]) == (status, code)


def test_body_without_json_is_refused(http: httpx.Client) -> None:
    response = http.post("/sessions", content=b"{", headers={"Content-Type": "application/json"})
    assert error(response)[0] == 400


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"content": [{"type": "text", "text": "x"}]}, "content[0].type"),
        ({"content": []}, "content"),
        ({"content": "x"}, "content"),
        ({"role": "assistant"}, "role"),
        ({"input": "x"}, "input"),
    ],
)
def test_message_must_be_input_text_of_a_user(
    http: httpx.Client, session: str, change: dict[str, Any], param: str
) -> None:
    status, _, at, _ = error(http.post(f"/sessions/{session}/messages", json=message(**change)))
    assert (status, at) == (400, param)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "offset=1"])
def test_list_of_messages_refuses_bad_parameters(
    http: httpx.Client, session: str, query: str
) -> None:
    assert error(http.get(f"/sessions/{session}/messages?{query}"))[0] == 400


def test_messages_are_listed_newest_first(http: httpx.Client, session: str) -> None:
    path = f"/sessions/{session}/messages"
    assert http.get(path).json() == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
    sent = http.post(path, json=message()).json()
    page = http.get(path).json()
    assert [item["role"] for item in page["data"]] == ["assistant", "user"]
    assert page["data"][1] == sent
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], sent["id"])
    assert [i["role"] for i in http.get(f"{path}?order=asc").json()["data"]] == [
        "user",
        "assistant",
    ]
    short = http.get(f"{path}?limit=1").json()
    assert ([item["role"] for item in short["data"]], short["has_more"]) == (["assistant"], True)


@pytest.mark.parametrize("path", ["/sessions/x/messages", "/sessions/x/cancel"])
def test_unknown_session_is_not_found(http: httpx.Client, path: str) -> None:
    response = http.post(path, json=message())
    assert error(response)[:2] == (404, "Chatkit Session with id 'x' not found.")


@pytest.mark.parametrize(("method", "path"), [("POST", "/threads"), ("GET", "/sessions")])
def test_unknown_url_is_named(http: httpx.Client, method: str, path: str) -> None:
    expected = (404, f"Invalid URL ({method} /v1/chatkit{path})")
    assert error(http.request(method, path))[:2] == expected


def test_cancelled_session_takes_no_message(
    sim: ChatKitSimulator, http: httpx.Client, session: str
) -> None:
    assert http.post(f"/sessions/{session}/cancel").json()["status"] == "cancelled"
    response = http.post(f"/sessions/{session}/messages", json=message())
    assert error(response)[:2] == (404, f"Chatkit Session with id '{session}' not found.")
    assert sim.runs == 0


def test_latest_version_fails_the_run(http: httpx.Client) -> None:
    body = {"workflow": {"id": "wf_demo", "version": "latest"}, "user": "u"}
    session_id = http.post("/sessions", json=body).json()["id"]
    http.post(f"/sessions/{session_id}/messages", json=message())
    item = http.get(f"/sessions/{session_id}/messages").json()["data"][0]
    assert json.loads(item["content"][0]["text"])["error"]["code"] == "simulated"


def test_text_without_input_fails_the_workflow(http: httpx.Client, session: str) -> None:
    http.post(f"/sessions/{session}/messages", json=message("hello"))
    item = http.get(f"/sessions/{session}/messages").json()["data"][0]
    assert json.loads(item["content"][0]["text"])["error"]["code"] == "bad_input"


@pytest.mark.parametrize(("lang", "word"), [("es", "simulado"), ("en", "simulated")])
def test_program_says_that_it_is_simulated(
    sim: ChatKitSimulator, http: httpx.Client, session: str, lang: Literal["es", "en"], word: str
) -> None:
    sim.lang = lang
    http.post(f"/sessions/{session}/messages", json=message())
    item = http.get(f"/sessions/{session}/messages").json()["data"][0]
    data = json.loads(item["content"][0]["text"])["client_training_program_enriched"]
    program = EnrichedTrainingProgram.model_validate(data)
    for text in (program.title, program.summary, str(program.general_notes)):
        assert word in str(text).lower()


def test_answer_can_be_a_function(sim: ChatKitSimulator, http: httpx.Client, session: str) -> None:
    sim.answer = lambda text: f"got {len(text)}"
    sim.steps = ["first", "second"]
    http.post(f"/sessions/{session}/messages", json=message("hello"))
    items = http.get(f"/sessions/{session}/messages?order=asc").json()["data"]
    texts = [item["content"][0]["text"] for item in items]
    assert texts == ["hello", "first", "second", "got 5"]


def test_steps_and_answer_divide_the_delay(
    sim: ChatKitSimulator, http: httpx.Client, session: str
) -> None:
    sim.delay, sim.steps = 0.3, ["first", "second"]
    http.post(f"/sessions/{session}/messages", json=message())
    counts: list[int] = []
    for _ in range(4):
        counts.append(len(http.get(f"/sessions/{session}/messages").json()["data"]) - 1)
        time.sleep(0.11)
    assert counts == [0, 1, 2, 3]


def test_empty_polls_hide_only_the_new_run(
    sim: ChatKitSimulator, http: httpx.Client, session: str
) -> None:
    path = f"/sessions/{session}/messages"
    sim.steps, sim.answer = ["step"], "text"

    def texts() -> list[str]:
        items = http.get(f"{path}?order=asc").json()["data"]
        return [item["content"][0]["text"] for item in items]

    http.post(path, json=message("one"))
    first = texts()
    assert (first[:2], len(first)) == (["one", "step"], 3)
    sim.empty_polls = 2
    http.post(path, json=message("two"))
    assert [texts(), texts()] == [[*first, "two"]] * 2
    assert texts() == [*first, "two", *first[1:]]


def test_stream_error_leaves_a_session_without_answer(
    sim: ChatKitSimulator, http: httpx.Client, session: str
) -> None:
    sim.steps, sim.stream_error = ["step"], "No quota."
    http.post(f"/sessions/{session}/messages", json=message())
    items = http.get(f"/sessions/{session}/messages").json()["data"]
    assert [item["role"] for item in items] == ["assistant", "user"]


def test_requests_are_recorded(sim: ChatKitSimulator, http: httpx.Client) -> None:
    http.post("/sessions?a=1", json=SESSION)
    request = sim.requests[-1]
    assert (request.method, request.path, request.query) == (
        "POST",
        "/v1/chatkit/sessions",
        {"a": "1"},
    )
    assert request.json == SESSION
    assert request.headers["openai-beta"] == "chatkit_beta=v1"
    assert sim.api_key not in repr(request)
    http.post("/sessions", content=b"{")
    assert (sim.requests[-1].body, sim.requests[-1].json) == (b"{", None)


def test_next_request_fails_as_set(sim: ChatKitSimulator, http: httpx.Client) -> None:
    sim.fail_next("create_session", status=503, headers={"retry-after": "9"})
    response = http.post("/sessions", json=SESSION)
    assert response.json()["error"]["type"] == "server_error"
    assert (response.status_code, response.headers["retry-after"]) == (503, "9")
    sim.fail_next("create_session", status=None, times=2)
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/sessions", json=SESSION)
    assert not sim.sessions
    assert http.post("/sessions", json=SESSION).status_code == 200
    sim.fail_next("create_session", status=500, taken=True)
    assert http.post("/sessions", json=SESSION).status_code == 500
    assert len(sim.sessions) == 2


def test_failure_of_an_unknown_endpoint_is_refused(sim: ChatKitSimulator) -> None:
    with pytest.raises(ValueError, match=r"no endpoint 'sesions'; there are create_session, "):
        sim.fail_next("sesions")  # type: ignore[arg-type]


def test_reset_forgets_everything(sim: ChatKitSimulator, http: httpx.Client, session: str) -> None:
    sim.answer, sim.delay = "text", 5.0
    sim.fail_next("list_messages")
    sim.reset()
    assert (sim.requests, sim.sessions, sim.answer, sim.delay) == ([], {}, "program", 0.0)
    assert http.get(f"/sessions/{session}/messages").status_code == 404


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


def test_simulator_imports_nothing_of_the_client() -> None:
    program = """
import sys
# The package's own __init__ imports the clients; the simulator must do without it.
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
        "resources",
        "_protocol",
        "_transport",
        "_effects",
        "_config",
        "events",
    ):
        assert f"edn360_chatkit.{room}" not in loaded


def test_missing_extra_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("edn360_chatkit.testing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ModuleNotFoundError, match=r"edn360-chatkit\[simulator\]"):
        __import__("edn360_chatkit.testing")


def test_examples_get_programs(sim: ChatKitSimulator) -> None:
    from pathlib import Path

    from edn360_chatkit import ChatKitClient

    examples = sorted((Path(__file__).parents[2] / "examples").glob("athlete_*.json"))
    assert len(examples) == 2
    with ChatKitClient(api_key=sim.api_key, base_url=sim.base_url, workflow_id="wf_demo") as client:
        for path in examples:
            example = EDN360Input.model_validate_json(path.read_text("utf-8"))
            assert client.run_workflow(example).program.sessions


def test_example_script_runs() -> None:
    from pathlib import Path

    script = Path(__file__).parents[2] / "examples" / "watch_a_run.py"
    process = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert "step: training_plan" in process.stdout
    assert "  D1 " in process.stdout
