"""Clients that hang up, and servers that stop and restart."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from edn360_chatkit import ConfigurationError
from edn360_chatkit.server import _process, _storage, build_app
from tests.server.conftest import Serve
from tests.support.own_server import (
    ROOT_KEY,
    Gate,
    User,
    answer,
    echo,
    message,
    request,
    stored,
    texts,
    thread_of,
)
from tests.support.patience import PATIENCE, wait_for


def test_hang_up_does_not_end_run(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate)
    thread_id, stream = server.begin()
    while next(stream)["type"] != "progress_update":
        pass
    stream.close()
    wait_for(gate.begun.is_set)
    time.sleep(0.05)  # the server has noticed the hang-up
    assert texts(server.items(thread_id)) == []

    gate.opened.set()
    wait_for(lambda: texts(server.items(thread_id)))
    server.stop()  # all items are stored by now
    assert gate.ended == 1
    assert stored(server.database) == ["user_message", "assistant_message"]

    again = serve(gate)
    thread = again.get("threads.get_by_id", thread_id=thread_id)
    assert thread["items"]["data"] == again.items(thread_id)
    assert "After the gate" in texts(again.items(thread_id))[0]


def test_hang_up_before_response_keeps_run(serve: Serve) -> None:
    server = serve()
    body = json.dumps(request("threads.create", "ana", input=message())).encode()
    head = f"POST /chatkit HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + body)
    wait_for(lambda: "assistant_message" in stored(server.database))
    server.stop()
    assert stored(server.database) == ["user_message", "assistant_message"]


def test_hang_up_during_request_starts_no_run(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve()
    head = b"POST /chatkit HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head)
        time.sleep(0.05)  # the server reads
    time.sleep(0.05)  # the server has noticed the hang-up
    server.stop()
    assert stored(server.database) == []
    assert "Traceback" not in capsys.readouterr().err


def test_stop_lets_runs_finish(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, grace=PATIENCE)
    thread_id, stream = server.begin()
    stream.close()
    _, listening = server.begin()
    server.begin_to_stop()
    time.sleep(0.15)  # it is stopping by now
    gate.opened.set()
    assert answer(list(listening))[ROOT_KEY]["title"] == "After the gate"
    server.stop()

    assert gate.ended == 2
    assert texts(serve().items(thread_id))


def test_stop_waits_for_unwatched_run(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, grace=PATIENCE)
    _, stream = server.begin()
    stream.close()
    wait_for(gate.begun.is_set)
    threading.Timer(0.4, gate.opened.set).start()  # well after the last connection is closed
    server.stop()
    assert stored(server.database) == ["user_message", "assistant_message"]


def test_stopped_run_is_reported_once(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, grace=0.01)
    thread_id, stream = server.begin()
    stream.close()
    wait_for(gate.begun.is_set)
    server.stop()
    assert stored(server.database) == ["user_message", "assistant_message"]

    for _ in range(2):
        server = serve()
        (text,) = texts(server.items(thread_id))
        assert json.loads(text) == {
            "error": {"message": "The server stopped before the workflow's end."}
        }
        server.stop()


def test_stopping_server_reads_and_refuses_runs(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate)
    thread_id, stream = server.begin()
    wait_for(gate.begun.is_set)
    assert server.http.get("/health").json() == {"status": "ok", "runs": 1, "draining": False}
    server.begin_to_stop()
    wait_for(lambda: server.http.get("/health").json()["draining"])

    refused = server.ask("threads.create", input=message())
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert len(server.items(thread_id)) == 1
    assert server.http.get("/health").json() == {"status": "ok", "runs": 1, "draining": True}
    gate.opened.set()
    assert ROOT_KEY in answer(list(stream))
    server.stop()
    assert gate.ended == 1


def test_second_signal_stops_at_once(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate)
    _, stream = server.begin()
    wait_for(gate.begun.is_set)
    server.begin_to_stop()
    server.begin_to_stop()
    with pytest.raises(httpx.RemoteProtocolError):  # the stream must end with an error
        list(stream)
    server.stop()
    assert gate.ended == 0
    assert stored(server.database) == ["user_message", "assistant_message"]


def test_other_asgi_server_lets_runs_finish(database: str) -> None:
    gate = Gate()
    config = uvicorn.Config(build_app(gate, database), log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=PATIENCE) as http:
            _, stream = User(http, "ana").begin()
            wait_for(gate.begun.is_set)
            stream.close()
        server.should_exit = True
        time.sleep(0.3)  # it has begun to stop
        gate.opened.set()
        thread.join(PATIENCE)
    assert gate.ended == 1
    assert stored(database) == ["user_message", "assistant_message"]


def test_late_answer_replaces_error(serve: Serve) -> None:
    """The lease expired while the process of the run could not reach the database."""
    gate = Gate()
    server = serve(gate)
    thread_id, stream = server.begin()
    wait_for(gate.begun.is_set)
    assert len(server.tables.own_runs) == 1
    with server.tables.engine.begin() as db:
        _storage.fail_runs(db)
    assert "server stopped" in texts(server.items(thread_id))[0]
    gate.opened.set()
    list(stream)
    (text,) = texts(server.items(thread_id))
    assert "After the gate" in text
    assert server.tables.own_runs == set()


def test_second_server_needs_postgres(serve: Serve, database: str) -> None:
    gate = Gate()
    server = serve(gate)
    thread_id, stream = server.begin()
    if "://" in database:
        other = serve(gate)
        assert [item["type"] for item in other.items(thread_id)] == ["user_message"]
        other.stop()
    else:
        link = Path(database).with_name("link.db")
        link.symlink_to(database)
        for path in (database, link):
            with pytest.raises(ConfigurationError, match=r"Another server uses .*\.db"):
                build_app(echo, path)
    gate.opened.set()
    assert ROOT_KEY in answer(list(stream))
    assert len(texts(server.items(thread_id))) == 1


def test_threads_survive_restart(serve: Serve) -> None:
    server = serve()
    thread_id = thread_of(server.run({"number": 1}))
    before = server.items(thread_id)
    server.stop()

    server = serve()
    assert server.items(thread_id) == before
    server.run_in(thread_id)
    assert server.items(thread_id)[:2] == before
    assert len(server.items(thread_id)) == 4


def test_workflow_that_ignores_cancellation_is_left_behind(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_process, "CLOSE_TIMEOUT", 0.1)
    begun = threading.Event()

    async def run(edn360_input: dict[str, Any]) -> None:
        end = time.monotonic() + 10 * PATIENCE
        while time.monotonic() < end:
            with suppress(asyncio.CancelledError):
                begun.set()
                await asyncio.sleep(1)

    server = serve(run, grace=0.01)
    thread_id, stream = server.begin()
    stream.close()
    wait_for(begun.is_set)
    server.stop()
    assert "server stopped" in texts(serve().items(thread_id))[0]
