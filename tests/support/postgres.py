"""PostgreSQL from Debian's packages, on loopback, with its own directory."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.contract.foreign.nginx import free_port


class Postgres:
    """A server on loopback. Called, it makes a database and returns its URL."""

    def __init__(self, command: list[str], directory: Path, user: dict[str, Any]) -> None:
        self._command = command
        self._options = {"cwd": directory, **user}
        url = f"postgresql+psycopg://postgres@127.0.0.1:{command[command.index('-p') + 1]}"
        self._url = url
        self._engine = sa.create_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
        self._numbers = itertools.count()
        self.start()

    def __call__(self) -> str:
        name = f"threads_{next(self._numbers)}"
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return f"{self._url}/{name}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, **self._options)
        _wait_until_ready(self._engine)

    def stop(self) -> None:
        """Stop it, and end the connections that are open."""
        self._engine.dispose()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)


MakeDatabase = Callable[[], str]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start it with a directory of its own."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = programs[-1].parent
    as_root = os.getuid() == 0  # PostgreSQL refuses to run as root
    owner = pwd.getpwnam("postgres") if as_root else pwd.getpwuid(os.getuid())
    directory = Path(tempfile.mkdtemp(prefix="edn360-postgres-"))
    shutil.chown(directory, owner.pw_uid, owner.pw_gid)
    user: dict[str, Any] = {}
    if as_root:
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    data = directory / "data"
    initdb = [str(folder / "initdb"), "-A", "trust", "-U", "postgres", "-N", "-D", str(data)]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=directory, **user)
    command = [str(folder / "postgres"), "-D", str(data), "-p", str(free_port())]
    command += ["-k", str(directory), "-c", "fsync=off"]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]
    server = Postgres(command, directory, user)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)


def _wait_until_ready(engine: sa.Engine) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            assert time.monotonic() < end, "PostgreSQL does not start"
            time.sleep(0.1)
        else:
            return
