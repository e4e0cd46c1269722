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

import pytest
import sqlalchemy as sa

from tests.contract.foreign.nginx import free_port

MakeDatabase = Callable[[], str]


@contextmanager
def postgres() -> Iterator[MakeDatabase]:
    """Start PostgreSQL, and yield a function that creates a database and returns its URL."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    folder = programs[-1].parent
    as_root = os.getuid() == 0  # PostgreSQL refuses to run as root
    owner = pwd.getpwnam("postgres") if as_root else pwd.getpwuid(os.getuid())
    directory = Path(tempfile.mkdtemp(prefix="edn360-postgres-"))
    shutil.chown(directory, owner.pw_uid, owner.pw_gid)
    user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if as_root else {}
    data, port = directory / "data", free_port()
    initdb = [str(folder / "initdb"), "-A", "trust", "-U", "postgres", "-N", "-D", str(data)]
    options = ["-D", str(data), "-p", str(port), "-k", str(directory), "-c", "fsync=off"]
    options += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=directory, **user)  # type: ignore[call-overload]
    process = subprocess.Popen(  # type: ignore[call-overload]
        [str(folder / "postgres"), *options], cwd=directory, stderr=subprocess.DEVNULL, **user
    )
    try:
        url = f"postgresql+psycopg://postgres@127.0.0.1:{port}"
        engine = sa.create_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
        numbers = itertools.count()

        def make_database() -> str:
            name = f"threads_{next(numbers)}"
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            return f"{url}/{name}"

        _wait_until_ready(engine)
        yield make_database
        engine.dispose()
    finally:
        process.send_signal(signal.SIGINT)  # closes open connections
        process.wait(30)
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
