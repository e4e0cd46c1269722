"""Threads, items and the leases of runs in a database: SQLite or PostgreSQL.

A thread and an item are stored as JSON. The owner of a thread is its user, and the owner of an
item is its thread. The column ``position`` has their order.

A run has a lease, a number. The transaction of its message creates the lease, and that of its
answer deletes it. Meanwhile the process of the run keeps increasing the number. If the number does
not change for ``LEASE_SECONDS``, the process is dead. The other processes measure this by their
monotonic clocks, so a wrong clock ends no run.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from chatkit import types as ck
from chatkit.store import NotFoundError, Store, StoreItemType, default_generate_id
from pydantic import TypeAdapter
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from ..errors import ConfigurationError
from ._workflows import error_text

LEASE_SECONDS = 25
"""The time without an increase after which a lease expires."""
POOL_SIZE = 8
"""The connections of a process to PostgreSQL. SQLite has a single connection."""
ANSWER_RETRY_SECONDS = 600
"""The time for which storing an answer is retried while the database can't be used."""
SCHEMA_LOCK = 360_360
"""The advisory lock of PostgreSQL for the process that creates the schema."""
STOP_REASON = "The server stopped before the workflow's end."
ANSWER_SUFFIX = "_answer"
"""The id of an answer is its message's id with this suffix: so a late answer replaces an error."""


def _table(name: str, *columns: sa.Column[int]) -> sa.Table:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Table(
        name,
        METADATA,
        sa.Column("position", number, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False, index=True),
        sa.Column("data", sa.Text, nullable=False),
        *columns,
        sa.UniqueConstraint("owner", "id"),
        sa.Index(f"{name}_in_order", "owner", "position"),
    )


METADATA = sa.MetaData()
# Seconds since 1970 by the database's clock, because the clocks of processes differ.
NOW = sa.cast(sa.extract("epoch", sa.func.now()), sa.BigInteger)
THREADS = _table("threads", sa.Column("active_at", sa.BigInteger, index=True))
ITEMS = _table("items", sa.Column("lease", sa.BigInteger, index=True))
HAS_LEASE = ITEMS.c.lease >= 0  # SQLite uses no index for IS NOT NULL
MODELS: dict[sa.Table, TypeAdapter[Any]] = {
    THREADS: TypeAdapter(ck.ThreadMetadata),
    ITEMS: TypeAdapter(ck.ThreadItem),
}

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
            # The threads of the process take turns with the single connection.
            options |= {"pool_size": 1, "max_overflow": 0, "pool_timeout": 60}
        case "postgresql":
            url = url.set(drivername="postgresql+psycopg")
            options |= {"pool_size": POOL_SIZE, "connect_args": {"connect_timeout": 10}}
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


class ThreadStore(Store[str]):
    """The storage of openai-chatkit. Users see only their own threads.

    Attributes:
        own_runs: The ids of the messages whose runs are in this process.
    """

    def __init__(self, database: str) -> None:
        self.own_runs: set[str] = set()
        self.engine = open_engine(database)
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        self.limiter = anyio.CapacityLimiter(1 if self._is_sqlite else POOL_SIZE)
        self._lock: sqlite3.Connection | None = None
        # The leases of other processes, with the time of their last increase.
        self._other_leases: dict[tuple[str, int], float] = {}
        try:
            if self._is_sqlite:
                self._lock_file(self.engine.url.database or "")
            self._create_schema()
        except (SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise ConfigurationError(f"The database can't be opened: {reason}") from None

    def _lock_file(self, path: str) -> None:
        """Refuse a second process. The operating system releases the lock of a dead process."""
        lock_path = f"{os.path.realpath(path)}.lock"  # also if the path is a symbolic link
        self._lock = sqlite3.connect(lock_path, timeout=0, check_same_thread=False)
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
                # The tables of the example server of version 0.1 do not have them.
                if column not in [row["name"] for row in sa.inspect(db).get_columns(table.name)]:
                    db.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column} BIGINT")
            has_no_time = THREADS.c.active_at.is_(None)
            db.execute(sa.update(THREADS).where(has_no_time).values(active_at=NOW))
            if self._is_sqlite:
                fail_runs(db)  # no other process has the file, so these runs are dead

    def close(self) -> None:
        """Close the connections, and unlock the file."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()

    # An id of the base class has 32 random bits: a collision is likely among 100,000 items.
    def generate_thread_id(self, context: str) -> str:
        return default_generate_id("thread") + secrets.token_hex(12)

    def generate_item_id(
        self, item_type: StoreItemType, thread: ck.ThreadMetadata, context: str
    ) -> str:
        return default_generate_id(item_type) + secrets.token_hex(12)

    async def _transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Call a function with a connection, as a transaction in a worker thread."""

        def transact() -> T:
            with self.engine.begin() as db:
                return work(db)

        return await anyio.to_thread.run_sync(transact, limiter=self.limiter)

    async def load_thread(self, thread_id: str, context: str) -> ck.ThreadMetadata:
        _, data = await self._transact(lambda db: _get(db, THREADS, context, thread_id))
        return ck.ThreadMetadata.model_validate_json(data)

    async def save_thread(self, thread: ck.ThreadMetadata, context: str) -> None:
        await self._transact(lambda db: _put(db, context, thread))

    async def delete_thread(self, thread_id: str, context: str) -> None:
        await self.load_thread(thread_id, context)
        await self._transact(lambda db: _delete_threads(db, [thread_id]))

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: str
    ) -> ck.Page[ck.ThreadMetadata]:
        return await self._load_page(THREADS, context, after, limit, order)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: str
    ) -> ck.Page[ck.ThreadItem]:
        await self.load_thread(thread_id, context)
        return await self._load_page(ITEMS, thread_id, after, limit, order)

    async def _load_page(
        self, table: sa.Table, owner: str, after: str | None, limit: int, order: str
    ) -> ck.Page[Any]:
        position, limit = table.c.position, max(1, min(limit, 100))
        rows = sa.select(table.c.id, table.c.data).where(table.c.owner == owner)
        if after is not None:
            start, _ = await self._transact(lambda db: _get(db, table, owner, after))
            rows = rows.where(position > start if order == "asc" else position < start)
        rows = rows.order_by(position if order == "asc" else position.desc()).limit(limit + 1)
        page = await self._transact(lambda db: db.execute(rows).all())
        has_more = len(page) > limit
        data = [MODELS[table].validate_json(row.data) for row in page[:limit]]
        return ck.Page(data=data, has_more=has_more, after=page[limit - 1].id if has_more else None)

    async def add_thread_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        # A message can be sent again. An answer costs money, so storing it is retried.
        seconds = 0 if isinstance(item, ck.UserMessageItem) else ANSWER_RETRY_SECONDS
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(SQLAlchemyError),
            wait=wait_exponential(max=5),
            stop=stop_after_delay(seconds),
            reraise=True,
        )
        await retrying(self.save_item, thread_id, item, context)

    async def save_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        def save(db: sa.Connection) -> None:
            if isinstance(item, ck.UserMessageItem):
                _put(db, thread_id, item, lease=0)
            else:
                _end_leases(db, ITEMS.c.id == item.id.removesuffix(ANSWER_SUFFIX))
                _put(db, thread_id, item)
            # At the end: a concurrent deletion of the thread has been waited for.
            _get(db, THREADS, context, thread_id)

        await self._transact(save)

    async def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise NotFoundError("This server has no attachments, widgets or tools.")

    load_item = delete_thread_item = _refuse
    save_attachment = load_attachment = delete_attachment = _refuse

    async def fail_run(self, message_id: str) -> None:
        """Answer a message of this process with an error, if it has no answer."""
        await self._transact(lambda db: fail_runs(db, ITEMS.c.id == message_id))

    def fail_expired_runs(self) -> None:
        """Increase the leases of this process, and answer the runs of dead processes."""
        # After an error of the database, every lease gets the whole time again.
        earlier_leases, self._other_leases = self._other_leases, {}
        is_own = ITEMS.c.id.in_(list(self.own_runs))
        with self.engine.begin() as db:
            db.execute(sa.update(ITEMS).where(HAS_LEASE, is_own).values(lease=ITEMS.c.lease + 1))
            others = sa.select(ITEMS.c.id, ITEMS.c.lease).where(HAS_LEASE, ~is_own)
            leases = [(row.id, row.lease) for row in db.execute(others)]
        now = monotonic()
        self._other_leases = {lease: earlier_leases.get(lease, now) for lease in leases}
        for (message_id, lease), start in self._other_leases.items():
            if now - start >= LEASE_SECONDS:
                with self.engine.begin() as db:
                    fail_runs(db, ITEMS.c.id == message_id, ITEMS.c.lease == lease)

    def delete_old_threads(self, days: float) -> None:
        """Delete up to 500 threads without a new item for so many days."""
        is_old = THREADS.c.active_at < NOW - int(days * 86_400)
        with_run = sa.select(ITEMS.c.owner).where(HAS_LEASE)
        old = sa.select(THREADS.c.id).where(is_old, THREADS.c.id.not_in(with_run)).limit(500)
        with self.engine.begin() as db:
            _delete_threads(db, db.scalars(old).all())


def _get(db: sa.Connection, table: sa.Table, owner: str, id: str) -> tuple[int, str]:
    """The position and the data of a row."""
    columns = sa.select(table.c.position, table.c.data)
    row = db.execute(columns.where(table.c.owner == owner, table.c.id == id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no '{id}' in this user's {table.name}.")
    return row.position, row.data


def _put(
    db: sa.Connection, owner: str, row: ck.ThreadMetadata | ck.ThreadItem, **columns: int
) -> None:
    """Insert or update a row, and the time of its thread."""
    table = THREADS if isinstance(row, ck.ThreadMetadata) else ITEMS
    is_row = (table.c.owner == owner) & (table.c.id == row.id)
    values = {"data": row.model_dump_json(), **columns}
    if not db.execute(sa.update(table).where(is_row).values(values)).rowcount:
        db.execute(sa.insert(table).values(owner=owner, id=row.id, **values))
    thread_id = row.id if table is THREADS else owner
    db.execute(sa.update(THREADS).where(THREADS.c.id == thread_id).values(active_at=NOW))


def _delete_threads(db: sa.Connection, thread_ids: Sequence[str]) -> None:
    # The last statement deletes the items that were stored while the first one waited.
    for column in (ITEMS.c.owner, THREADS.c.id, ITEMS.c.owner):
        db.execute(sa.delete(column.table).where(column.in_(thread_ids)))


def _end_leases(db: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[tuple[str, str]]:
    """End the leases of runs, and return their threads and messages.

    The rows stay locked, so another process that ends these runs waits and finds no lease.
    """
    end = sa.update(ITEMS).where(HAS_LEASE, *conditions).values(lease=None)
    rows = db.execute(end.returning(ITEMS.c.owner, ITEMS.c.id)).all()
    return [(row.owner, row.id) for row in rows]


def fail_runs(db: sa.Connection, *conditions: sa.ColumnElement[bool]) -> None:
    """Answer runs with an error in their threads."""
    for thread_id, message_id in _end_leases(db, *conditions):
        answer_id, text = message_id + ANSWER_SUFFIX, error_text(STOP_REASON)
        _put(db, thread_id, assistant_message(answer_id, thread_id, text))
