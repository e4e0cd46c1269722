"""Requests: tokens, users, sizes, and refused requests."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Serve
from tests.support.own_server import (
    ROOT_KEY,
    Gate,
    User,
    answer,
    message,
    request,
    stored,
    thread_of,
)


@pytest.mark.parametrize("source", ["argument", "environment"])
def test_request_without_token_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    if source == "environment":
        monkeypatch.setenv("EDN360_SERVER_TOKEN", "open-sesame")
    server = serve(**({"token": "open-sesame"} if source == "argument" else {}))
    for header in (None, "open-sesame", "Bearer open", "Bearer open-sesame2", "Bearer"):
        server.http.headers.pop("authorization", None)
        if header is not None:
            server.http.headers["authorization"] = header
        response = server.ask("threads.create", input=message())
        assert response.status_code == 401, header
        assert "token" in response.json()["error"]["message"]
    assert stored(server.database) == []

    server.http.headers["authorization"] = "Bearer open-sesame"
    assert ROOT_KEY in answer(server.run())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not valid: Invalid JSON"),
        (json.dumps({"type": "threads.list", "params": {}}).encode(), "metadata.user"),
        (json.dumps(request("threads.list", "")).encode(), "metadata.user"),
        (json.dumps(request("threads.list", "a" * 501)).encode(), "500 characters"),
        (json.dumps(request("threads.fly", "ana")).encode(), "threads.fly"),
        (json.dumps(request("items.list", "ana")).encode(), "items.list.params.thread_id"),
    ],
    ids=["no JSON", "no user", "empty user", "long user", "unknown type", "no thread"],
)
def test_invalid_request_is_refused_with_reason(user: User, body: bytes, says: str) -> None:
    response = user.http.post("/chatkit", content=body)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]


def test_unsupported_request_changes_no_data(user: User) -> None:
    thread_id = thread_of(user.run())
    items = user.items(thread_id)
    here = {"thread_id": thread_id, "item_id": items[0]["id"]}
    action = {"action": {"type": "open", "payload": {}}}
    requests: dict[str, dict[str, Any]] = {
        "threads.retry_after_item": here,  # it could start a second run
        "threads.custom_action": {**here, **action},
        "threads.add_client_tool_output": {**here, "result": {}},
        "attachments.delete": {"attachment_id": "att_1"},
    }
    for name, params in requests.items():
        response = user.ask(name, **params)
        assert (response.status_code, name in response.text) == (400, True), name
    assert user.items(thread_id) == items


def test_web_site_needs_token(serve: Serve) -> None:
    """Without a token, a web page in the user's browser could call the user's server."""
    server = serve()
    server.http.headers["origin"] = "https://example.com"
    assert server.ask("threads.create", input=message()).status_code == 403
    assert stored(server.database) == []


def test_longest_user_is_served(user: User) -> None:
    text = "".join(chr(0x1F300 + secrets.randbelow(700)) for _ in range(500))  # not compressible
    longest = User(user.http, text)
    longest.run()
    assert len(longest.get("threads.list")["data"]) == 1


def test_user_with_nul_is_refused_or_kept(serve: Serve) -> None:
    """PostgreSQL can't store NUL."""
    server = serve()
    status = 400 if "://" in str(server.database) else 200
    assert User(server.http, "a\0").ask("threads.list").status_code == status


def test_silent_run_keeps_stream_alive(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, keep_alive=0.05)
    body = request("threads.create", "ana", input=message())
    with server.http.stream("POST", "/chatkit", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        received = b""
        for chunk in response.iter_raw():
            received += chunk
            if received.count(b": keep-alive\n\n") >= 2:
                gate.opened.set()
    assert b"After the gate" in received.rpartition(b": keep-alive\n\n")[2]


def test_token_file_rotates_tokens(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("first\n")
    server = serve(token_file=file)

    def status(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        body = request("threads.list", "ana")
        return server.http.post("/chatkit", json=body, headers=headers).status_code

    assert (status("first"), status("second")) == (200, 401)
    file.write_text("first\nsecond\n")
    assert (status("first"), status("second")) == (200, 200)
    file.write_text("second\n")
    assert (status("first"), status("second")) == (401, 200)
    file.write_text("")
    assert (status("second"), status("Bearer")) == (401, 401)
    file.unlink()
    assert status("second") == 503


def test_authenticate_names_the_user(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def authenticate(token: str) -> str | None:
        return {"a": "ana", "b": "bea", "": None}[token]

    server = serve(authenticate=authenticate)
    server.http.headers["authorization"] = "Bearer a"
    thread_id = thread_of(User(server.http, "bea").run())
    assert len(server.items(thread_id)) == 2
    server.http.headers["authorization"] = "Bearer b"
    assert server.ask("items.list", thread_id=thread_id).status_code == 404
    del server.http.headers["authorization"]
    assert server.ask("threads.list").status_code == 401
    server.http.headers["authorization"] = "Bearer c"
    assert server.ask("threads.list").status_code == 401
    assert "authenticate failed with KeyError." in caplog.messages


def test_too_large_request_is_refused(serve: Serve) -> None:
    server = serve(max_request_bytes=2000)
    response = server.ask("threads.create", input=message("x" * 2000))
    assert response.status_code == 413
    assert "2000 bytes" in response.json()["error"]["message"]
    assert ROOT_KEY in answer(server.run())
