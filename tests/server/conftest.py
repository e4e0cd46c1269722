"""Servers for each test: on SQLite, and in slow tests on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.own_server import Server, User, Workflow, echo
from tests.support.postgres import MakeDatabase, postgres

Serve = Callable[..., Server]
KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
_names = itertools.count()


@pytest.fixture(scope="session")
def make_postgres_database() -> Iterator[MakeDatabase]:
    with postgres() as make_database:
        yield make_database


@pytest.fixture(scope="session", params=KINDS)
def make_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> MakeDatabase:
    if request.param == "postgres":
        make: MakeDatabase = request.getfixturevalue("make_postgres_database")
        return make
    return lambda: str(tmp_path_factory.mktemp("database") / "threads.db")


@pytest.fixture
def database(make_database: MakeDatabase) -> str:
    """An empty database."""
    return make_database()


@pytest.fixture
def serve(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers on the same database, each after the end of the last."""
    monkeypatch.delenv("EDN360_SERVER_TOKEN", raising=False)
    servers: list[Server] = []

    def start(run: Workflow = echo, **settings: object) -> Server:
        servers.append(Server(run, database, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def echoing(make_database: MakeDatabase) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("EDN360_SERVER_TOKEN", raising=False)
        server = Server(echo, make_database())
    yield server
    server.stop()


@pytest.fixture
def user(echoing: Server) -> User:
    """A new user of a shared server that echoes inputs."""
    return User(echoing.http, f"user-{next(_names)}")
