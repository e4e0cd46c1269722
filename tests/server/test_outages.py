"""A database that is locked, full, away, or restored from its backup."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from tests.server.conftest import Serve
from tests.support.own_server import (
    ROOT_KEY,
    Gate,
    Server,
    answer,
    echo,
    message,
    stored,
    texts,
    thread_of,
)
from tests.support.patience import wait_for
from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow
DOCUMENT = Path(__file__).parents[2] / "docs" / "self-hosting.md"
REFUSED = (503, True)


def status(server: Server) -> tuple[int, bool]:
    """The status of a new run, and whether it says when to try again."""
    response = server.ask("threads.create", input=message())
    return response.status_code, "retry-after" in response.headers


def test_answer_waits_for_lock(serve: Serve, database: str) -> None:
    """Another program holds a lock for longer than a connection waits for it."""
    gate = Gate()
    server = serve(gate)
    server.http.timeout = httpx.Timeout(30)
    thread_id, stream = server.begin()
    wait_for(gate.begun.is_set)
    other = sa.create_engine(database if "://" in database else f"sqlite:///{database}")
    with other.connect() as db:
        if "://" in database:
            db.exec_driver_sql("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        else:
            db.exec_driver_sql("BEGIN EXCLUSIVE")
        gate.opened.set()
        if "://" not in database:
            assert status(server) == REFUSED
        time.sleep(1)
    other.dispose()
    assert ROOT_KEY in answer(list(stream))
    assert len(texts(server.items(thread_id))) == 1


def test_answer_waits_for_room_on_disk(tmp_path: Path) -> None:
    gate = Gate()
    gate.answer = {"title": "x" * 50_000}
    with closing(Server(gate, tmp_path / "threads.db")) as server:
        thread_id, stream = server.begin()
        wait_for(gate.begun.is_set)

        def set_limit(pages: int) -> None:  # SQLite's only connection
            with server.tables.engine.connect() as db:
                db.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        set_limit(1)  # SQLite makes it the number of pages in use
        large = message({"notes": "x" * 50_000})
        refused = server.ask("threads.add_user_message", thread_id=thread_id, input=large)
        assert (refused.status_code, "retry-after" in refused.headers) == REFUSED
        gate.opened.set()
        time.sleep(1)
        assert [item["type"] for item in server.items(thread_id)] == ["user_message"]
        set_limit(1_000_000)
        assert answer(list(stream))[ROOT_KEY] == gate.answer
        assert gate.started == 1


def test_runs_survive_restart_of_postgres(make_postgres_database: Postgres) -> None:
    """Two servers; the database is away for longer than a lease may stand still."""
    database = make_postgres_database()
    gate = Gate()
    servers = [Server(gate, database) for _ in range(2)]
    for server in servers:
        server.http.timeout = httpx.Timeout(60)
    runs = [server.begin() for server in servers]
    wait_for(lambda: gate.started == 2)
    make_postgres_database.stop()
    assert status(servers[0]) == REFUSED
    time.sleep(35)
    make_postgres_database.start()
    time.sleep(12)  # each server has looked at the leases of the other one
    for server, (thread_id, _) in zip(servers, runs, strict=True):
        assert [item["type"] for item in server.items(thread_id)] == ["user_message"]
    make_postgres_database.stop()
    gate.opened.set()
    time.sleep(2)
    make_postgres_database.start()
    for server, (thread_id, stream) in zip(servers, runs, strict=True):
        assert ROOT_KEY in answer(list(stream))
        assert len(texts(server.items(thread_id))) == 1
        server.stop()
    assert gate.started == 2


def test_documented_backup_is_restored(serve: Serve, database: str, tmp_path: Path) -> None:
    server = serve(echo)
    thread_id = thread_of(server.run({"number": 1}))
    items = server.items(thread_id)
    documented, own = "threads.db", database
    if is_postgres := "://" in database:
        documented = "postgresql://chatkit@db.example.com/chatkit"
        own = database.replace("postgresql+psycopg", "postgresql")
    blocks = DOCUMENT.read_text("utf-8").split("**Backups.**")[1].split("```console\n")
    commands = blocks[2 if is_postgres else 1].split("```")[0]
    assert documented in commands
    backup, restore = commands.replace(documented, own).splitlines()
    if shutil.which(backup.split()[0]) is None:
        pytest.skip(f"{backup.split()[0]} is not installed")
    subprocess.run(backup, shell=True, check=True, cwd=tmp_path)  # while the server runs
    server.run({"number": 2})
    server.stop()
    subprocess.run(restore, shell=True, check=True, cwd=tmp_path)
    again = serve(echo)
    assert again.items(thread_id) == items
    assert stored(database) == ["user_message", "assistant_message"]
    assert answer(again.run())[ROOT_KEY]["title"] == "Echo"
