"""Threads, items and the leases of runs in a database: SQLite or PostgreSQL.

A run has a lease from its message to its answer, in the same transactions as these. The process
that has the run renews its lease. A lease that expires is a run whose process died.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from types import CoroutineType
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from chatkit import types as ck
from chatkit.store import NotFoundError, Store, StoreItemType, default_generate_id
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from ..errors import ConfigurationError
from ._schema import ITEMS, METADATA, NOW, RUNS, THREADS
from ._workflows import error_text

LEASE = 30
"""How long a lease holds without being renewed, in seconds."""
CONNECTIONS = 8
"""The connections of a process to PostgreSQL. SQLite has one."""
ANSWER_PATIENCE = 600
"""How long an answer waits for a database that can't be reached, in seconds."""
SCHEMA_LOCK = 360_360
"""The advisory lock of PostgreSQL under which one process at a time makes the schema."""
STOPPED = "The server stopped before the workflow's end."

P = ParamSpec("P")
T = TypeVar("T")
ITEM: TypeAdapter[ck.ThreadItem] = TypeAdapter(ck.ThreadItem)


def open_engine(database: str) -> sa.Engine:
    """The engine of a database: the path of an SQLite file, or an SQLAlchemy URL."""
    try:
        is_url = "://" in database
        url = sa.make_url(database) if is_url else sa.URL.create("sqlite", database=database)
    except ArgumentError:
        raise ConfigurationError("The URL of the database can't be read.") from None
    options: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": True}
    match url.get_backend_name():
        case "sqlite":
            # One connection is also the lock between this process's threads.
            options |= {"pool_size": 1, "max_overflow": 0, "pool_timeout": 60}
        case "postgresql":
            url = url.set(drivername="postgresql+psycopg")
            options |= {"pool_size": CONNECTIONS, "connect_args": {"connect_timeout": 10}}
        case _:
            raise ConfigurationError("The database must be an SQLite file or postgresql://...")
    try:
        return sa.create_engine(url, **options)
    except ModuleNotFoundError as error:
        hint = 'pip install "edn360-chatkit[postgres]"'
        raise ConfigurationError(f"Install {error.name}: {hint}") from None


def answer_id(message_id: str) -> str:
    """The id of the item that answers a message.

    It is known before the run, so that a run has one answer: the late answer of a run whose lease
    has expired replaces the error.
    """
    return f"{message_id}_answer"


def assistant_message(id: str, thread_id: str, text: str) -> ck.AssistantMessageItem:
    """An assistant's message."""
    content = [ck.AssistantMessageContent(text=text)]
    now = datetime.now()
    return ck.AssistantMessageItem(id=id, thread_id=thread_id, created_at=now, content=content)


def _in_thread(
    method: Callable[Concatenate[ThreadStore, P], T],
) -> Callable[Concatenate[ThreadStore, P], CoroutineType[Any, Any, T]]:
    """Make a sync method async: it runs in a worker thread, with one of the connections."""

    async def call(self: ThreadStore, *args: P.args, **kwargs: P.kwargs) -> T:
        bound = partial(method, self, *args, **kwargs)
        return await anyio.to_thread.run_sync(bound, limiter=self.limiter)

    return call  # type: ignore[return-value]  # mypy calls a CoroutineType a Coroutine


class ThreadStore(Store[str]):
    """Threads and items as openai-chatkit asks for them. Users see their own threads only.

    Each method is one transaction.

    Attributes:
        alive: The runs of this process, by the ids of their answers. Their leases are renewed.
    """

    def __init__(self, database: str) -> None:
        self.alive: set[str] = set()
        self.engine = open_engine(database)
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self._insert = sqlite.insert if self._is_sqlite else postgresql.insert
        self.limiter = anyio.CapacityLimiter(1 if self._is_sqlite else CONNECTIONS)
        self._lock: sqlite3.Connection | None = None
        try:
            if self._is_sqlite:
                self._lock_file(self.engine.url.database or "")
            self._create_schema()
        except (SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise ConfigurationError(f"The database can't be opened: {reason}") from None

    def _lock_file(self, path: str) -> None:
        """Refuse a second process; the operating system unlocks the file when this one ends."""
        lock = f"{os.path.realpath(path)}.lock"  # the same by way of a symbolic link
        self._lock = sqlite3.connect(lock, timeout=0, check_same_thread=False)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self.close()
            raise ConfigurationError(
                f"Another server uses {path}. Stop it, or use PostgreSQL for several processes."
            ) from None

    def _create_schema(self) -> None:
        if self._is_sqlite:
            with self.engine.connect() as db:
                db.exec_driver_sql("PRAGMA journal_mode = WAL")
        with self.engine.begin() as db:
            if not self._is_sqlite:
                db.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
            METADATA.create_all(db)
            columns = [column["name"] for column in sa.inspect(db).get_columns("threads")]
            if "active_at" not in columns:  # a database of the example server of version 0.1
                db.exec_driver_sql("ALTER TABLE threads ADD COLUMN active_at INTEGER")
                db.execute(sa.update(THREADS).values(active_at=NOW))
        if self._is_sqlite:
            self.fail_runs()  # this process is the only one, and has no run yet

    def close(self) -> None:
        """Close the connections, and unlock the file."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()

    # The ids of the base class have 32 random bits; among some ten thousand items, two are equal.
    def generate_thread_id(self, context: str) -> str:
        return default_generate_id("thread") + secrets.token_hex(12)

    def generate_item_id(
        self, item_type: StoreItemType, thread: ck.ThreadMetadata, context: str
    ) -> str:
        return default_generate_id(item_type) + secrets.token_hex(12)

    def _get(self, db: sa.Connection, table: sa.Table, owner: str, id: str) -> tuple[int, str]:
        """The position and the data of a row."""
        columns = sa.select(table.c.position, table.c.data)
        row = db.execute(columns.where(table.c.owner == owner, table.c.id == id)).one_or_none()
        if row is None:
            raise NotFoundError(f"This user's {table.name} have no '{id}'.")
        return row[0], row[1]

    def _put(self, db: sa.Connection, table: sa.Table, owner: str, id: str, data: str) -> None:
        row = self._insert(table).values(owner=owner, id=id, data=data)
        db.execute(row.on_conflict_do_update(index_elements=["owner", "id"], set_={"data": data}))
        thread_id = id if table is THREADS else owner
        db.execute(sa.update(THREADS).where(THREADS.c.id == thread_id).values(active_at=NOW))

    def _page(
        self, table: sa.Table, owner: str, after: str | None, limit: int, order: str
    ) -> ck.Page[str]:
        rows = sa.select(table.c.id, table.c.data).where(table.c.owner == owner)
        position, limit = table.c.position, max(1, min(limit, 100))
        ascending = order == "asc"
        with self.engine.connect() as db:
            if after is not None:
                start, _ = self._get(db, table, owner, after)
                rows = rows.where(position > start if ascending else position < start)
            rows = rows.order_by(position if ascending else position.desc()).limit(limit + 1)
            page = db.execute(rows).all()
        more = len(page) > limit
        data = [row.data for row in page[:limit]]
        return ck.Page(data=data, has_more=more, after=page[limit - 1].id if more else None)

    def _delete_threads(self, db: sa.Connection, thread_ids: Sequence[str]) -> None:
        for column in (RUNS.c.thread_id, ITEMS.c.owner, THREADS.c.id):
            db.execute(sa.delete(column.table).where(column.in_(thread_ids)))

    @_in_thread
    def load_thread(self, thread_id: str, context: str) -> ck.ThreadMetadata:
        with self.engine.connect() as db:
            _, data = self._get(db, THREADS, context, thread_id)
        return ck.ThreadMetadata.model_validate_json(data)

    @_in_thread
    def save_thread(self, thread: ck.ThreadMetadata, context: str) -> None:
        with self.engine.begin() as db:
            self._put(db, THREADS, context, thread.id, thread.model_dump_json())

    @_in_thread
    def load_threads(
        self, limit: int, after: str | None, order: str, context: str
    ) -> ck.Page[ck.ThreadMetadata]:
        page = self._page(THREADS, context, after, limit, order)
        threads = [ck.ThreadMetadata.model_validate_json(data) for data in page.data]
        return ck.Page(data=threads, has_more=page.has_more, after=page.after)

    @_in_thread
    def delete_thread(self, thread_id: str, context: str) -> None:
        with self.engine.begin() as db:
            self._get(db, THREADS, context, thread_id)
            self._delete_threads(db, [thread_id])

    @_in_thread
    def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: str
    ) -> ck.Page[ck.ThreadItem]:
        with self.engine.connect() as db:
            self._get(db, THREADS, context, thread_id)
        page = self._page(ITEMS, thread_id, after, limit, order)
        items = [ITEM.validate_json(data) for data in page.data]
        return ck.Page(data=items, has_more=page.has_more, after=page.after)

    async def add_thread_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        # A user's message is refused at once. An answer is paid for, so it waits.
        patience = 0 if isinstance(item, ck.UserMessageItem) else ANSWER_PATIENCE
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(SQLAlchemyError),
            wait=wait_exponential(max=5),
            stop=stop_after_delay(patience),
            reraise=True,
        ):
            with attempt:
                await self.save_item(thread_id, item, context)

    @_in_thread
    def save_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        # A user's message begins a lease, and its answer ends it.
        with self.engine.begin() as db:
            self._get(db, THREADS, context, thread_id)
            self._put(db, ITEMS, thread_id, item.id, item.model_dump_json())
            if isinstance(item, ck.UserMessageItem):
                run = {"answer_id": answer_id(item.id), "thread_id": thread_id}
                db.execute(sa.insert(RUNS).values(**run, expires_at=NOW + LEASE))
            elif isinstance(item, ck.AssistantMessageItem):
                db.execute(sa.delete(RUNS).where(RUNS.c.answer_id == item.id))

    async def _not_served(self, *args: Any, **kwargs: Any) -> Any:
        raise NotFoundError("This server has no attachments, widgets or tools.")

    load_item = delete_thread_item = _not_served
    save_attachment = load_attachment = delete_attachment = _not_served

    @_in_thread
    def fail_run(self, run: str) -> None:
        """Answer a run of this process with an error, if it has no answer."""
        self.fail_runs(RUNS.c.answer_id == run)

    def fail_expired_runs(self) -> None:
        """Renew the leases of this process, and answer the runs of dead processes."""
        with self.engine.begin() as db:
            alive = RUNS.c.answer_id.in_(list(self.alive))
            db.execute(sa.update(RUNS).where(alive).values(expires_at=NOW + LEASE))
        self.fail_runs(RUNS.c.expires_at < NOW)

    def fail_runs(self, *which: sa.ColumnElement[bool]) -> None:
        """Answer runs with an error in their threads. Several processes may do it at once."""
        with self.engine.begin() as db:
            for run, thread_id in db.execute(
                sa.select(RUNS.c.answer_id, RUNS.c.thread_id).where(*which)
            ).all():
                if db.execute(sa.delete(RUNS).where(RUNS.c.answer_id == run, *which)).rowcount:
                    item = assistant_message(run, thread_id, error_text(STOPPED))
                    self._put(db, ITEMS, thread_id, run, item.model_dump_json())

    def delete_old_threads(self, days: float) -> None:
        """Delete some of the threads without a new item for so many days."""
        old = sa.select(THREADS.c.id).where(THREADS.c.active_at < NOW - int(days * 86_400))
        old = old.where(THREADS.c.id.not_in(sa.select(RUNS.c.thread_id)))
        with self.engine.begin() as db:
            self._delete_threads(db, db.scalars(old.limit(500)).all())
