"""The journal of a batch: a SQLite file with the state of each run."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from .._protocol.durations import MOST_SEEN
from ..errors import ConfigurationError, InvalidInputError

State: TypeAlias = Literal["sending", "started", "done", "failed"]
"""``sending``: the message may have been sent. ``started``: the server has it."""

LOCK_SECONDS = 1.0
"""How long to wait for the lock of a journal, in seconds: an ended batch may still be closing."""

FORMAT = 0x0ED36001
"""SQLite's ``application_id`` of a journal. A change of the tables needs a new number."""

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    key TEXT PRIMARY KEY,
    input TEXT NOT NULL,    -- a digest of the input
    state TEXT NOT NULL,
    run TEXT NOT NULL,      -- the reference as JSON; without the message's id while "sending"
    result TEXT,            -- the response or the error as JSON
    started REAL,           -- unix time
    seconds REAL            -- the duration of the run
) WITHOUT ROWID;
CREATE TEMP TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the journal. ``run`` and ``result`` are JSON, and ``started`` is unix time."""

    input: str
    state: State
    run: str
    result: str | None = field(repr=False)
    started: float | None

    def is_of(self, text: str) -> bool:
        """Whether this is the input of the run."""
        return self.input == _digest(text)


class Journal:
    """The states of a batch's runs, by key. Threads share it.

    A killed process loses no change. "sending" is on the disk before the message leaves, so a power
    failure loses only later changes, which the server can tell. The file holds programs, so only
    its owner can read it. It holds no credentials.

    Raises:
        ConfigurationError: The file is in use by another batch, is no journal, or can't be
            written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self._lock = threading.Lock()
        self._process = os.getpid()
        try:
            self._connection = _open(self.path)
        except (OSError, ValueError, sqlite3.Error) as error:
            fault = f"can't be used: {error}. Nothing was sent."
            if "locked" in str(error):
                fault = (
                    "is in use by another batch, in this process or another one. Wait for its end, "
                    "or use another journal; nothing was sent. A with block around a batch closes "
                    "it after an early exit."
                )
            raise ConfigurationError(f"The journal {self.path} {fault}") from None

    def close(self) -> None:
        """Close the file."""
        if os.getpid() == self._process:
            with self._lock:
                self._connection.close()

    def __del__(self) -> None:
        if not hasattr(self, "_connection"):
            return
        if os.getpid() == self._process:
            # SQLite's connection is in a cycle, and keeps its lock until the garbage collection.
            self._connection.close()
        else:
            # In a forked child a close would remove changes of the parent, so never close it.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))

    def find(self, key: str) -> Entry | None:
        """Find the run with a key. A batch can do this once for each key.

        Raises:
            InvalidInputError: The batch had the key before.
        """
        if not self._execute("INSERT OR IGNORE INTO seen VALUES (?)", key).rowcount:
            raise InvalidInputError(
                f"Two inputs of the batch have the key {key!r}. Pass (key, input) pairs; this one "
                "was not sent."
            )
        query = "SELECT input, state, run, result, started FROM runs WHERE key = ?"
        row = self._execute(query, key).fetchone()
        return None if row is None else Entry(*row)

    def sending(self, key: str, text: str, run: str) -> None:
        """Note that the message is sent next."""
        values = "(key, input, state, run) VALUES (?, ?, 'sending', ?)"
        statement = f"INSERT OR REPLACE INTO runs {values}"
        self._execute(statement, key, _digest(text), run, synchronous="FULL")

    def started(self, key: str, run: str) -> None:
        """Note that the server has the message."""
        change = "UPDATE runs SET state = 'started', run = ?, started = ? WHERE key = ?"
        self._execute(change, run, time.time(), key)

    def ended(
        self, key: str, state: Literal["done", "failed"], result: str, seconds: float | None = None
    ) -> None:
        """Note the response or error of a run, and its duration in seconds."""
        change = "UPDATE runs SET state = ?, result = ?, seconds = ? WHERE key = ?"
        self._execute(change, state, result, seconds, key)

    def not_sent(self, key: str) -> None:
        """Note that the message was not sent, so that the next batch sends it."""
        self._execute("DELETE FROM runs WHERE key = ?", key)

    def durations(self) -> list[float]:
        """The durations of some of the runs, in seconds."""
        query = "SELECT seconds FROM runs WHERE seconds IS NOT NULL LIMIT ?"
        return [seconds for (seconds,) in self._execute(query, MOST_SEEN)]

    def _execute(
        self, statement: str, *values: object, synchronous: str = "NORMAL"
    ) -> sqlite3.Cursor:
        if os.getpid() != self._process:
            raise OSError(f"The journal {self.path} belongs to the process that has opened it.")
        try:
            with self._lock:
                self._connection.execute(f"PRAGMA synchronous = {synchronous}")
                return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            # Not a ChatKitError, which would end only its run: without its journal a batch ends.
            raise OSError(f"The journal {self.path} can't be written: {error}.") from None


def _digest(text: str) -> str:
    """A digest of a message's text, without its timestamp.

    A restarted program often writes a new time into its input.
    """
    try:
        data = json.loads(text)
        data["context"].pop("timestamp", None)
        text = json.dumps(data, sort_keys=True)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass  # no JSON object, or no context
    return hashlib.sha256(text.encode()).hexdigest()


def _open(path: Path) -> sqlite3.Connection:
    # Only SQLite opens an existing file: if a process closes a file, POSIX drops each lock that the
    # process has there, and so the lock of another batch.
    with suppress(FileExistsError):
        # SQLite would create it with a mode that lets other users open it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    if not os.access(path, os.W_OK):
        raise PermissionError("it is read-only")
    _check(path)
    path.chmod(0o600)
    connection = sqlite3.connect(
        path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # The lock lasts until the file is closed or the process ends, even by a kill.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(f"PRAGMA application_id = {FORMAT}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(path: Path) -> None:
    """Raise a ``ValueError`` for the file of another program, which must not change."""
    # "immutable" needs no lock, which another batch may hold.
    try:
        number, tables = _content(path, "mode=ro&immutable=1")
    except sqlite3.DatabaseError:
        # After a full disk, a part of the content is only in SQLite's log.
        number, tables = _content(path, "mode=rw")
    if tables and number != FORMAT:
        raise ValueError("it is no journal of this version")


def _content(path: Path, options: str) -> tuple[int, int]:
    """The ``application_id`` of a SQLite file, and the number of its tables."""
    uri = f"{path.absolute().as_uri()}?{options}"
    with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS)) as connection:
        (number,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return number, tables
