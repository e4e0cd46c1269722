"""Threads, items and the leases of runs in a database: SQLite or PostgreSQL.

A run has a lease from its message to its answer, in the same transactions as these. The process
that has the run goes on counting its lease. A lease that stands still for ``LEASE`` seconds, by
the monotonic clock of the process that looks, is a run whose process died. So no clock that is
set wrong, or set anew, ends a run.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
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
from ._schema import ITEMS, METADATA, NOW, THREADS
from ._workflows import error_text

LEASE = 30
"""How long a lease may stand still, in seconds."""
CONNECTIONS = 8
"""The connections of a process to PostgreSQL. SQLite has one."""
ANSWER_PATIENCE = 600
"""How long an answer waits for a database that can't be reached, in seconds."""
SCHEMA_LOCK = 360_360
"""The advisory lock of PostgreSQL under which one process at a time makes the schema."""
STOPPED = "The server stopped before the workflow's end."
ANSWER = "_answer"
"""The end of an answer's id, after its message's: so a late answer replaces an error."""
MODELS: dict[sa.Table, TypeAdapter[Any]] = {
    THREADS: TypeAdapter(ck.ThreadMetadata),
    ITEMS: TypeAdapter(ck.ThreadItem),
}

P = ParamSpec("P")
T = TypeVar("T")


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


def assistant_message(id: str, thread_id: str, text: str) -> ck.AssistantMessageItem:
    """An assistant's message."""
    content = [ck.AssistantMessageContent(text=text)]
    now = datetime.now()
    return ck.AssistantMessageItem(id=id, thread_id=thread_id, created_at=now, content=content)


def _transaction(
    method: Callable[Concatenate[ThreadStore, sa.Connection, P], T],
) -> Callable[Concatenate[ThreadStore, P], CoroutineType[Any, Any, T]]:
    """Make a sync method async: one transaction, in a worker thread."""

    async def call(self: ThreadStore, *args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            with self.engine.begin() as db:
                return method(self, db, *args, **kwargs)

        return await anyio.to_thread.run_sync(work, limiter=self.limiter)

    return call  # type: ignore[return-value]  # mypy calls a CoroutineType a Coroutine


class ThreadStore(Store[str]):
    """Threads and items as openai-chatkit asks for them. Users see their own threads only.

    Attributes:
        alive: The messages whose runs this process has.
    """

    def __init__(self, database: str) -> None:
        self.alive: set[str] = set()
        self.engine = open_engine(database)
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self._insert = sqlite.insert if self._is_sqlite else postgresql.insert
        self.limiter = anyio.CapacityLimiter(1 if self._is_sqlite else CONNECTIONS)
        self._lock: sqlite3.Connection | None = None
        self._seen: dict[tuple[str, int], float] = {}  # leases of others, and when they counted
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
            for table, column in ((THREADS, "active_at"), (ITEMS, "lease")):
                # The example server of version 0.1 made its tables without them.
                if column not in [row["name"] for row in sa.inspect(db).get_columns(table.name)]:
                    db.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column} BIGINT")
            is_new = THREADS.c.active_at.is_(None)
            db.execute(sa.update(THREADS).where(is_new).values(active_at=NOW))
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

    def _put(
        self, db: sa.Connection, owner: str, row: ck.ThreadMetadata | ck.ThreadItem, **more: int
    ) -> None:
        table = THREADS if isinstance(row, ck.ThreadMetadata) else ITEMS
        values = {"data": row.model_dump_json(), **more}
        insert = self._insert(table).values(owner=owner, id=row.id, **values)
        db.execute(insert.on_conflict_do_update(index_elements=["owner", "id"], set_=values))
        thread_id = row.id if table is THREADS else owner
        db.execute(sa.update(THREADS).where(THREADS.c.id == thread_id).values(active_at=NOW))

    @_transaction
    def _page(
        self,
        db: sa.Connection,
        table: sa.Table,
        owner: str,
        after: str | None,
        limit: int,
        order: str,
    ) -> ck.Page[Any]:
        """A page of rows. It has ChatKit's parameters, besides the connection."""
        rows = sa.select(table.c.id, table.c.data).where(table.c.owner == owner)
        position, limit = table.c.position, max(1, min(limit, 100))
        if after is not None:
            start, _ = self._get(db, table, owner, after)
            rows = rows.where(position > start if order == "asc" else position < start)
        rows = rows.order_by(position if order == "asc" else position.desc())
        page = db.execute(rows.limit(limit + 1)).all()
        more = len(page) > limit
        data = [MODELS[table].validate_json(row.data) for row in page[:limit]]
        return ck.Page(data=data, has_more=more, after=page[limit - 1].id if more else None)

    def _delete_threads(self, db: sa.Connection, thread_ids: Sequence[str]) -> None:
        for column in (ITEMS.c.owner, THREADS.c.id):
            db.execute(sa.delete(column.table).where(column.in_(thread_ids)))

    @_transaction
    def load_thread(self, db: sa.Connection, thread_id: str, context: str) -> ck.ThreadMetadata:
        _, data = self._get(db, THREADS, context, thread_id)
        return ck.ThreadMetadata.model_validate_json(data)

    @_transaction
    def save_thread(self, db: sa.Connection, thread: ck.ThreadMetadata, context: str) -> None:
        self._put(db, context, thread)

    @_transaction
    def delete_thread(self, db: sa.Connection, thread_id: str, context: str) -> None:
        self._get(db, THREADS, context, thread_id)
        self._delete_threads(db, [thread_id])

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: str
    ) -> ck.Page[ck.ThreadMetadata]:
        return await self._page(THREADS, context, after, limit, order)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: str
    ) -> ck.Page[ck.ThreadItem]:
        await self.load_thread(thread_id, context)  # or it raises: the thread is another user's
        return await self._page(ITEMS, thread_id, after, limit, order)

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

    @_transaction
    def save_item(
        self, db: sa.Connection, thread_id: str, item: ck.ThreadItem, context: str
    ) -> None:
        self._get(db, THREADS, context, thread_id)
        if isinstance(item, ck.UserMessageItem):
            self._put(db, thread_id, item, lease=0)
        else:
            # As in fail_runs, the message's row comes first, so that they can't deadlock.
            message = ITEMS.c.id == item.id.removesuffix(ANSWER)
            db.execute(sa.update(ITEMS).where(message).values(lease=None))
            self._put(db, thread_id, item)

    async def _not_served(self, *args: Any, **kwargs: Any) -> Any:
        raise NotFoundError("This server has no attachments, widgets or tools.")

    load_item = delete_thread_item = _not_served
    save_attachment = load_attachment = delete_attachment = _not_served

    async def fail_run(self, id: str) -> None:
        """Answer a message of this process with an error, if it has no answer."""
        await anyio.to_thread.run_sync(self.fail_runs, ITEMS.c.id == id, limiter=self.limiter)

    def fail_expired_runs(self) -> None:
        """Count the leases of this process, and answer the runs of dead processes."""
        seen, self._seen = self._seen, {}  # an error forgets them: all may count again, then
        mine, leased = ITEMS.c.id.in_(list(self.alive)), ITEMS.c.lease.is_not(None)
        with self.engine.begin() as db:
            db.execute(sa.update(ITEMS).where(mine, leased).values(lease=ITEMS.c.lease + 1))
            others = db.execute(sa.select(ITEMS.c.id, ITEMS.c.lease).where(~mine, leased)).all()
        now = monotonic()
        self._seen = {(run, lease): seen.get((run, lease), now) for run, lease in others}
        for (run, lease), since in self._seen.items():
            if now - since >= LEASE:
                self.fail_runs(ITEMS.c.id == run, ITEMS.c.lease == lease)

    def fail_runs(self, *which: sa.ColumnElement[bool]) -> None:
        """Answer runs with an error in their threads. Several processes may do it at once."""
        end = sa.update(ITEMS).where(ITEMS.c.lease.is_not(None), *which).values(lease=None)
        with self.engine.begin() as db:
            for thread_id, run in db.execute(end.returning(ITEMS.c.owner, ITEMS.c.id)).all():
                item = assistant_message(run + ANSWER, thread_id, error_text(STOPPED))
                self._put(db, thread_id, item)

    def delete_old_threads(self, days: float) -> None:
        """Delete some of the threads without a new item for so many days."""
        old = sa.select(THREADS.c.id).where(THREADS.c.active_at < NOW - int(days * 86_400))
        under_way = sa.select(ITEMS.c.owner).where(ITEMS.c.lease.is_not(None))
        with self.engine.begin() as db:
            old = old.where(THREADS.c.id.not_in(under_way)).limit(500)
            self._delete_threads(db, db.scalars(old).all())
