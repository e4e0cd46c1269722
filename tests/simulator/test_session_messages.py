"""Sessions and their messages are as strict as the real API; without our clients."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

import httpx
import pytest

from edn360_chatkit import EnrichedTrainingProgram
from edn360_chatkit.program.model import ROOT_KEY
from edn360_chatkit.testing import ChatKitSimulator
from tests.simulator.conftest import SESSION
from tests.support.patience import growing
from tests.support.samples import ATHLETE
from tests.support.thread_client import error


def message(text: str = json.dumps(ATHLETE), **changes: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}], **changes}


def test_session_has_fields_of_api(rest: httpx.Client) -> None:
    response = rest.post("/sessions", json=SESSION)
    data = response.json()
    assert data["object"] == "chatkit.session"
    assert data["id"].startswith("cksess_")
    assert data["client_secret"].startswith("ek_")
    assert data["status"] == "active"
    assert 590 <= data["expires_at"] - time.time() <= 600
    assert data["max_requests_per_1_minute"] == 10
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("body", "start", "param"),
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
    rest: httpx.Client, body: Any, start: str, param: str
) -> None:
    status, text, at, code = error(rest.post("/sessions", json=body))
    assert (status, at) == (400, param)
    assert text.startswith(start)
    assert code is not None


def test_unknown_workflow_is_not_found(rest: httpx.Client, sim: ChatKitSimulator) -> None:
    body: dict[str, Any] = {"workflow": {"id": "demo"}, "user": "u"}
    assert error(rest.post("/sessions", json=body))[:2] == (
        404,
        "No workflow found with id 'demo'.",
    )
    sim.workflow_ids = ["wf_real"]
    assert rest.post("/sessions", json=SESSION).status_code == 404
    body["workflow"] = {"id": "wf_real"}
    assert rest.post("/sessions", json=body).status_code == 200


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
    rest: httpx.Client, headers: dict[str, str], status: int, code: str
) -> None:
    response = error(rest.post("/sessions", json=SESSION, headers=headers))
    assert (response[0], response[3]) == (status, code)


def test_body_without_json_is_refused(rest: httpx.Client) -> None:
    response = rest.post("/sessions", content=b"{", headers={"Content-Type": "application/json"})
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
def test_message_must_be_users_input_text(
    rest: httpx.Client, session_id: str, change: dict[str, Any], param: str
) -> None:
    status, _, at, _ = error(rest.post(f"/sessions/{session_id}/messages", json=message(**change)))
    assert (status, at) == (400, param)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "order=up", "offset=1"])
def test_message_list_refuses_invalid_parameters(
    rest: httpx.Client, session_id: str, query: str
) -> None:
    assert error(rest.get(f"/sessions/{session_id}/messages?{query}"))[0] == 400


def test_messages_are_listed_newest_first(rest: httpx.Client, session_id: str) -> None:
    path = f"/sessions/{session_id}/messages"
    assert rest.get(path).json() == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
    message_item = rest.post(path, json=message()).json()
    page = rest.get(path).json()
    assert [item["role"] for item in page["data"]] == ["assistant", "user"]
    assert page["data"][1] == message_item
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], message_item["id"])
    assert [i["role"] for i in rest.get(f"{path}?order=asc").json()["data"]] == [
        "user",
        "assistant",
    ]
    short = rest.get(f"{path}?limit=1").json()
    assert ([item["role"] for item in short["data"]], short["has_more"]) == (["assistant"], True)


@pytest.mark.parametrize("path", ["/sessions/x/messages", "/sessions/x/cancel"])
def test_unknown_session_is_not_found(rest: httpx.Client, path: str) -> None:
    response = rest.post(path, json=message())
    assert error(response)[:2] == (404, "Chatkit Session with id 'x' not found.")


@pytest.mark.parametrize(("method", "path"), [("POST", "/threads"), ("GET", "/sessions")])
def test_unknown_url_is_named(rest: httpx.Client, method: str, path: str) -> None:
    expected = (404, f"Invalid URL ({method} /v1/chatkit{path})")
    assert error(rest.request(method, path))[:2] == expected


def test_cancelled_session_takes_no_message(
    sim: ChatKitSimulator, rest: httpx.Client, session_id: str
) -> None:
    assert rest.post(f"/sessions/{session_id}/cancel").json()["status"] == "cancelled"
    response = rest.post(f"/sessions/{session_id}/messages", json=message())
    assert error(response)[:2] == (404, f"Chatkit Session with id '{session_id}' not found.")
    assert sim.runs == 0


def test_latest_version_fails_run(rest: httpx.Client) -> None:
    body = {"workflow": {"id": "wf_demo", "version": "latest"}, "user": "u"}
    session_id = rest.post("/sessions", json=body).json()["id"]
    rest.post(f"/sessions/{session_id}/messages", json=message())
    item = rest.get(f"/sessions/{session_id}/messages").json()["data"][0]
    assert json.loads(item["content"][0]["text"])["error"]["code"] == "simulated"


def test_text_without_input_fails_run(rest: httpx.Client, session_id: str) -> None:
    rest.post(f"/sessions/{session_id}/messages", json=message("hello"))
    item = rest.get(f"/sessions/{session_id}/messages").json()["data"][0]
    assert json.loads(item["content"][0]["text"])["error"]["code"] == "bad_input"


@pytest.mark.parametrize(("lang", "word"), [("es", "simulado"), ("en", "simulated")])
def test_lang_sets_language_of_program(
    sim: ChatKitSimulator, rest: httpx.Client, session_id: str, lang: Literal["es", "en"], word: str
) -> None:
    sim.lang = lang
    rest.post(f"/sessions/{session_id}/messages", json=message())
    item = rest.get(f"/sessions/{session_id}/messages").json()["data"][0]
    data = json.loads(item["content"][0]["text"])[ROOT_KEY]
    program = EnrichedTrainingProgram.model_validate(data)
    for text in (program.title, program.summary, str(program.general_notes)):
        assert word in str(text).lower()


def test_answer_can_be_function(sim: ChatKitSimulator, rest: httpx.Client, session_id: str) -> None:
    sim.answer = lambda text: f"got {len(text)}"
    sim.steps = ["first", "second"]
    rest.post(f"/sessions/{session_id}/messages", json=message("hello"))
    items = rest.get(f"/sessions/{session_id}/messages?order=asc").json()["data"]
    texts = [item["content"][0]["text"] for item in items]
    assert texts == ["hello", "first", "second", "got 5"]


def test_steps_and_answer_divide_delay(
    sim: ChatKitSimulator, rest: httpx.Client, session_id: str
) -> None:
    path = f"/sessions/{session_id}/messages"
    sim.steps = ["first", "second"]
    for delay in growing(0.3):
        sim.delay = delay
        before = len(rest.get(path).json()["data"])
        started = time.monotonic()
        rest.post(path, json=message())
        counts = {0}
        while max(counts) < 3:
            count = len(rest.get(path).json()["data"]) - before - 1
            # A slow machine may show a message late, but never early.
            assert time.monotonic() - started >= delay * count / 3 - 0.01
            counts.add(count)
        if counts == {0, 1, 2, 3}:
            return
    pytest.fail("the messages came together")


def test_empty_polls_hide_only_new_run(
    sim: ChatKitSimulator, rest: httpx.Client, session_id: str
) -> None:
    path = f"/sessions/{session_id}/messages"
    sim.steps, sim.answer = ["step"], "text"

    def texts() -> list[str]:
        items = rest.get(f"{path}?order=asc").json()["data"]
        return [item["content"][0]["text"] for item in items]

    rest.post(path, json=message("one"))
    first = texts()
    assert (first[:2], len(first)) == (["one", "step"], 3)
    sim.empty_polls = 2
    rest.post(path, json=message("two"))
    assert [texts(), texts()] == [[*first, "two"]] * 2
    assert texts() == [*first, "two", *first[1:]]


def test_stream_error_leaves_session_without_answer(
    sim: ChatKitSimulator, rest: httpx.Client, session_id: str
) -> None:
    sim.steps, sim.stream_error = ["step"], "No quota."
    rest.post(f"/sessions/{session_id}/messages", json=message())
    items = rest.get(f"/sessions/{session_id}/messages").json()["data"]
    assert [item["role"] for item in items] == ["assistant", "user"]
