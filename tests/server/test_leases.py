"""The database of a server: the leases of its runs, and the age of its threads."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing, suppress
from copy import copy
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from chatkit.store import NotFoundError
from chatkit.types import InferenceOptions, ThreadMetadata, UserMessageItem, UserMessageTextContent
from sqlalchemy.exc import SQLAlchemyError

from edn360_chatkit.server import _storage
from edn360_chatkit.server._storage import HAS_LEASE, ITEMS, THREADS, ThreadStore
from tests.server.conftest import Serve
from tests.support.own_server import stored, texts


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


def runs(tables: ThreadStore) -> list[str]:
    """The threads whose runs have a lease."""
    with tables.engine.connect() as db:
        return list(db.scalars(sa.select(ITEMS.c.owner).where(HAS_LEASE)))


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
    tables.own_runs.add(add_thread(tables, "thr_alive"))
    add_thread(tables, "thr_dead")
    watcher = copy(tables)
    watcher.own_runs, watcher._other_leases = set(), {}
    answered = add_thread(tables, "thr_answered")
    tables.own_runs.add(answered)
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


def test_lease_renewed_at_last_moment_stays(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner renews the lease between the other's look and its end of the run."""
    tables = ThreadStore(database)
    tables.own_runs.add(add_thread(tables, "thr_1"))
    watcher = copy(tables)
    watcher.own_runs, watcher._other_leases = set(), {}
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


@pytest.mark.parametrize("is_answer_first", [True, False])
def test_deletion_during_answer_leaves_no_item(database: str, is_answer_first: bool) -> None:
    tables = ThreadStore(database)
    answer = _storage.assistant_message(f"{add_thread(tables, 'thr_1')}_answer", "thr_1", "{}")

    def do_second() -> None:
        with suppress(NotFoundError):
            second = tables.delete_thread if is_answer_first else tables.save_item
            arguments = ("thr_1", "ana") if is_answer_first else ("thr_1", answer, "ana")
            asyncio.run(second(*arguments))

    thread = threading.Thread(target=do_second)
    with tables.engine.begin() as db:
        if is_answer_first:
            _storage._end_leases(db, ITEMS.c.owner == "thr_1")
            _storage._put(db, "thr_1", answer)
        else:
            _storage._delete_threads(db, ["thr_1"])
        thread.start()
        time.sleep(0.3)  # the other transaction waits
    thread.join()
    with tables.engine.connect() as db:
        assert db.scalars(sa.select(ITEMS.c.id)).all() == []
    tables.close()


def test_restart_reports_runs_of_killed_process(tmp_path: Path) -> None:
    """An SQLite file belongs to a single process, so no lease needs to expire."""
    tables = ThreadStore(str(tmp_path / "threads.db"))
    add_thread(tables, "thr_1")
    tables.close()
    tables = ThreadStore(str(tmp_path / "threads.db"))
    assert runs(tables) == []
    tables.close()


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
