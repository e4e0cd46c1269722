"""Clients that hang up, and servers that stop and restart."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import threading
import time
from contextlib import closing, suppress
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from chatkit.types import InferenceOptions, ThreadMetadata, UserMessageItem, UserMessageTextContent
from sqlalchemy.exc import SQLAlchemyError

from edn360_chatkit import ConfigurationError
from edn360_chatkit.server import _process, _storage, build_app
from edn360_chatkit.server._storage import ITEMS, LEASED, THREADS, ThreadStore
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


def add_thread(tables: ThreadStore, thread_id: str) -> str:
    """Add a thread with a message whose run has no process; return the message's id."""
    now = datetime.now()
    thread = ThreadMetadata(id=thread_id, created_at=now)
    asyncio.run(tables.save_thread(thread, "ana"))
    question = UserMessageItem(
        id=f"msg_{thread_id}",
        thread_id=thread_id,
        created_at=now,
        content=[UserMessageTextContent(text="{}")],
        attachments=[],
        inference_options=InferenceOptions(),
    )
    asyncio.run(tables.add_thread_item(thread_id, question, "ana"))
    return question.id


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


def runs(tables: ThreadStore) -> list[str]:
    """The threads whose runs have a lease."""
    with tables.engine.connect() as db:
        return list(db.scalars(sa.select(ITEMS.c.owner).where(LEASED)))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock by which leases stand still, in seconds."""
    now = [1000.0]
    monkeypatch.setattr(_storage, "monotonic", lambda: now[0])
    return now


def test_run_of_dead_process_is_reported(serve: Serve, clock: list[float]) -> None:
    server = serve()
    add_thread(server.tables, "thr_1")
    server.tables.fail_expired_runs()
    clock[0] += 24.0
    server.tables.fail_expired_runs()
    assert runs(server.tables) == ["thr_1"]
    clock[0] += 1.0
    server.tables.fail_expired_runs()
    assert server.items("thr_1")[-1]["id"] == "msg_thr_1_answer"
    assert "server stopped" in texts(server.items("thr_1"))[0]


def test_lease_of_living_run_is_renewed(database: str, clock: list[float]) -> None:
    """Processes look at each other's runs, and only the one whose lease stands still ends."""
    tables = ThreadStore(database)
    tables.alive.add(add_thread(tables, "thr_alive"))
    add_thread(tables, "thr_dead")
    watcher = copy(tables)
    watcher.alive, watcher._seen = set(), {}
    answered = add_thread(tables, "thr_answered")
    tables.alive.add(answered)
    answer_item = _storage.assistant_message(f"{answered}_answer", "thr_answered", "{}")
    asyncio.run(tables.add_thread_item("thr_answered", answer_item, "ana"))
    for _ in range(4):
        for each in (tables, watcher):
            each.fail_expired_runs()
        clock[0] += 10.0
    for each in (tables, watcher):
        each.fail_expired_runs()
    assert runs(tables) == ["thr_alive"]
    tables.close()


def test_lease_that_is_renewed_at_the_last_moment_stays(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner renews the lease between the other's look and its end of the run."""
    tables = ThreadStore(database)
    tables.alive.add(add_thread(tables, "thr_1"))
    watcher = copy(tables)
    watcher.alive, watcher._seen = set(), {}
    watcher.fail_expired_runs()
    renewals: list[float] = []

    def later() -> float:
        now = time.monotonic() + 60
        if not renewals:
            renewals.append(now)
            tables.fail_expired_runs()
        return now

    monkeypatch.setattr(_storage, "monotonic", later)
    watcher.fail_expired_runs()
    assert (len(renewals), runs(tables)) == (1, ["thr_1"])
    tables.close()


def test_leases_get_time_after_outage(database: str, clock: list[float]) -> None:
    """After an outage, a process may look before another one could renew its leases."""
    tables = ThreadStore(database)
    add_thread(tables, "thr_1")
    tables.fail_expired_runs()
    with tables.engine.begin() as db:
        db.exec_driver_sql("ALTER TABLE items RENAME TO gone")
    clock[0] += 60.0
    with pytest.raises(SQLAlchemyError):
        tables.fail_expired_runs()
    with tables.engine.begin() as db:
        db.exec_driver_sql("ALTER TABLE gone RENAME TO items")
    tables.fail_expired_runs()
    assert runs(tables) == ["thr_1"]
    tables.close()


def test_stopping_process_fails_own_run_only(database: str) -> None:
    tables = ThreadStore(database)
    own = add_thread(tables, "thr_own")
    add_thread(tables, "thr_of_other_process")
    asyncio.run(tables.fail_run(own))
    assert runs(tables) == ["thr_of_other_process"]
    tables.close()


def test_deleted_thread_has_no_run(database: str) -> None:
    tables = ThreadStore(database)
    add_thread(tables, "thr_1")
    asyncio.run(tables.delete_thread("thr_1", "ana"))
    assert runs(tables) == []
    tables.close()


def test_restart_reports_runs_of_killed_process(tmp_path: Path) -> None:
    """An SQLite file belongs to a single process, so no lease needs to expire."""
    tables = ThreadStore(str(tmp_path / "threads.db"))
    add_thread(tables, "thr_1")
    tables.close()
    tables = ThreadStore(str(tmp_path / "threads.db"))
    assert runs(tables) == []
    tables.close()


def test_late_answer_replaces_error(serve: Serve) -> None:
    """The lease expired while the process of the run could not reach the database."""
    gate = Gate()
    server = serve(gate)
    thread_id, stream = server.begin()
    wait_for(gate.begun.is_set)
    assert len(server.tables.alive) == 1
    server.tables.fail_runs()
    assert "server stopped" in texts(server.items(thread_id))[0]
    gate.opened.set()
    list(stream)
    (text,) = texts(server.items(thread_id))
    assert "After the gate" in text
    assert server.tables.alive == set()


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


def test_database_of_example_server_is_read(tmp_path: Path) -> None:
    """Version 0.1 stored no leases and no times."""
    file = tmp_path / "threads.db"
    columns = "position INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, id TEXT NOT NULL"
    with closing(sqlite3.connect(file)) as db, db:
        for table in ("threads", "items"):
            db.execute(f"CREATE TABLE {table} ({columns}, data TEXT NOT NULL, UNIQUE (owner, id))")
        thread = ThreadMetadata(id="thr_1", created_at=datetime.now()).model_dump_json()
        db.execute("INSERT INTO threads (owner, id, data) VALUES ('ana', 'thr_1', ?)", [thread])
    tables = ThreadStore(str(file))
    tables.delete_old_threads(1)
    assert len(asyncio.run(tables.load_threads(10, None, "asc", "ana")).data) == 1
    tables.delete_old_threads(-1)  # now it has a time
    assert asyncio.run(tables.load_threads(10, None, "asc", "ana")).data == []
    tables.close()


def test_old_threads_are_deleted(database: str) -> None:
    tables = ThreadStore(database)
    for thread_id in ("thr_old", "thr_old_with_run", "thr_new"):
        add_thread(tables, thread_id)
    with tables.engine.begin() as db:
        answered = ITEMS.c.owner != "thr_old_with_run"
        db.execute(sa.update(ITEMS).where(answered).values(lease=None))
        db.execute(sa.update(THREADS).where(THREADS.c.id != "thr_new").values(active_at=1))
    tables.delete_old_threads(0.5)
    page = asyncio.run(tables.load_threads(10, None, "asc", "ana"))
    assert [thread.id for thread in page.data] == ["thr_old_with_run", "thr_new"]
    assert stored(database) == ["user_message", "user_message"]
    tables.close()


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
    monkeypatch.setattr(_process, "CLOSING", 0.1)
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
