"""Threads, items and the leases of runs in a database: SQLite or PostgreSQL.

A thread and an item are stored as their JSON. The owner of a thread is its user, and that of an
item its thread. A run has a lease from its message to its answer, in the same transactions; the
process that has the run renews the lease. A lease that expires is a run whose process died.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from chatkit import types as ck
from chatkit.store import NotFoundError, Store, StoreItemType, default_generate_id
from pydantic import TypeAdapter
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from ..errors import ConfigurationError
from .workflows import error_text

LEASE = 30
"""How long a lease holds without being renewed, in seconds."""
CONNECTIONS = 8
"""The connections of a process to PostgreSQL. SQLite has one."""
ANSWER_PATIENCE = 600
"""How long an answer waits for a database that can't be reached, in seconds."""
STOPPED = "The server stopped before the workflow's end."
SCHEMA_LOCK = 360_360
"""The advisory lock of PostgreSQL under which one process at a time makes the schema."""

T = TypeVar("T")
Owner: TypeAlias = str
ITEM: TypeAdapter[ck.ThreadItem] = TypeAdapter(ck.ThreadItem)
Unavailable = (OperationalError, InterfaceError)


def _table(name: str, metadata: sa.MetaData, *columns: sa.Column[int]) -> sa.Table:
    number = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
    return sa.Table(
        name,
        metadata,
        sa.Column("position", number, primary_key=True, autoincrement=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        *columns,
        sa.UniqueConstraint("owner", "id"),
        sa.Index(f"{name}_in_order", "owner", "position"),
        sqlite_autoincrement=True,
    )


METADATA = sa.MetaData()
ACTIVE_AT = sa.Column("active_at", sa.Integer)  # seconds since 1970, by the database's clock
THREADS = _table("threads", METADATA, ACTIVE_AT)
ITEMS = _table("items", METADATA)
RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("answer_id", sa.Text, primary_key=True),
    sa.Column("thread_id", sa.Text, nullable=False, index=True),
    sa.Column("expires_at", sa.Integer, nullable=False),
)
NOW = sa.cast(sa.extract("epoch", sa.func.now()), sa.Integer)


def answer_id(message_id: str) -> str:
    """The id of the item that answers a message.

    It is known before the run, so that a run has one answer: the late answer of a run whose lease
    has expired replaces the error.
    """
    return f"{message_id}_answer"


def open_engine(database: str) -> sa.Engine:
    """The engine of a database: the path of an SQLite file, or an SQLAlchemy URL."""
    try:
        url = sa.make_url(database if "://" in database else f"sqlite:///{database}")
    except ArgumentError:
        raise ConfigurationError("The URL of the database can't be read.") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    kind = url.get_backend_name()
    options: dict[str, object]
    if kind == "sqlite":
        # One connection is also the lock between this process's threads.
        options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 60}
    elif kind == "postgresql":
        options = {"pool_size": CONNECTIONS, "connect_args": {"connect_timeout": 10}}
    else:
        raise ConfigurationError("The database must be an SQLite file or postgresql+psycopg://...")
    try:
        return sa.create_engine(url, hide_parameters=True, pool_pre_ping=True, **options)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f'Install {error.name}: pip install "edn360-chatkit[postgres]"'
        ) from None


class Database:
    """The tables, with sync methods; each is one transaction."""

    def __init__(self, database: str) -> None:
        self.engine = open_engine(database)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._insert = sqlite.insert if self.is_sqlite else postgresql.insert
        self._lock: sqlite3.Connection | None = None
        self.renewed: set[str] = set()
        """The runs of this process that are alive."""
        try:
            if self.is_sqlite and self.engine.url.database:
                self._lock_file(self.engine.url.database)
            self._create_schema()
        except (SQLAlchemyError, sqlite3.Error) as error:
            self.close()
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise ConfigurationError(f"The database can't be opened: {reason}") from None

    def _lock_file(self, path: str) -> None:
        """Refuse a second process; the operating system unlocks the file when this one ends."""
        self._lock = sqlite3.connect(f"{path}.lock", timeout=0, check_same_thread=False)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self.close()
            raise ConfigurationError(
                f"Another server uses {path}. Stop it, or use PostgreSQL for several processes."
            ) from None

    def _create_schema(self) -> None:
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        with self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(SCHEMA_LOCK)))
            METADATA.create_all(connection)
            columns = [column["name"] for column in sa.inspect(connection).get_columns("threads")]
            if "active_at" not in columns:  # a database of the example server of version 0.1
                connection.exec_driver_sql("ALTER TABLE threads ADD COLUMN active_at INTEGER")
        if self.is_sqlite:
            self.fail_runs()  # this process is the only one, and has no run yet

    def close(self) -> None:
        """Close the connections, and unlock the file."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()

    def get(self, table: sa.Table, owner: Owner, id: str) -> tuple[int, str]:
        """The position and the data of a row; raise ``NotFoundError`` if there is none."""
        with self.engine.connect() as connection:
            return self._get(connection, table, owner, id)

    def _get(self, db: sa.Connection, table: sa.Table, owner: Owner, id: str) -> tuple[int, str]:
        columns = sa.select(table.c.position, table.c.data)
        row = db.execute(columns.where(table.c.owner == owner, table.c.id == id)).one_or_none()
        if row is None:
            raise NotFoundError(f"This user's {table.name} have no '{id}'.")
        return row[0], row[1]

    def _put(self, db: sa.Connection, table: sa.Table, owner: Owner, id: str, data: str) -> None:
        insert = self._insert(table).values(owner=owner, id=id, data=data)
        db.execute(
            insert.on_conflict_do_update(index_elements=["owner", "id"], set_={"data": data})
        )

    def page(
        self, table: sa.Table, owner: Owner, after: str | None, limit: int, order: str
    ) -> ck.Page[str]:
        """The data of some rows, in the order of their positions."""
        position = table.c.position
        ascending = order == "asc"
        query = sa.select(table.c.id, table.c.data).where(table.c.owner == owner)
        limit = max(1, min(limit, 100))
        with self.engine.connect() as db:
            if after is not None:
                start, _ = self._get(db, table, owner, after)
                query = query.where(position > start if ascending else position < start)
            ordered = query.order_by(position if ascending else position.desc())
            rows = db.execute(ordered.limit(limit + 1)).all()
        more = len(rows) > limit
        last = rows[limit - 1][0] if more else None
        return ck.Page(data=[data for _, data in rows[:limit]], has_more=more, after=last)

    def save_thread(self, thread: ck.ThreadMetadata, user: Owner) -> None:
        """Add or change a thread."""
        with self.engine.begin() as db:
            self._put(db, THREADS, user, thread.id, thread.model_dump_json())
            self._touch(db, thread.id)

    def _touch(self, db: sa.Connection, thread_id: str) -> None:
        db.execute(sa.update(THREADS).where(THREADS.c.id == thread_id).values(active_at=NOW))

    def add_item(self, thread_id: str, item: ck.ThreadItem, user: Owner) -> None:
        """Add or change an item. A user's message begins a lease, and its answer ends it."""
        with self.engine.begin() as db:
            self._get(db, THREADS, user, thread_id)
            self._put(db, ITEMS, thread_id, item.id, item.model_dump_json())
            self._touch(db, thread_id)
            if isinstance(item, ck.UserMessageItem):
                self._lease(db, thread_id, answer_id(item.id))
            elif isinstance(item, ck.AssistantMessageItem):
                db.execute(sa.delete(RUNS).where(RUNS.c.answer_id == item.id))

    def begin_run(self, thread_id: str, run: str) -> None:
        """Begin the lease of a run whose message is there already, as of a retry."""
        with self.engine.begin() as db:
            self._lease(db, thread_id, run)

    def _lease(self, db: sa.Connection, thread_id: str, run: str) -> None:
        expires = NOW + LEASE
        insert = self._insert(RUNS).values(answer_id=run, thread_id=thread_id, expires_at=expires)
        db.execute(
            insert.on_conflict_do_update(index_elements=["answer_id"], set_={"expires_at": expires})
        )

    def renew_leases(self) -> None:
        """Renew the leases of this process's runs."""
        alive = RUNS.c.answer_id.in_(list(self.renewed))
        if self.renewed:
            with self.engine.begin() as db:
                db.execute(sa.update(RUNS).where(alive).values(expires_at=NOW + LEASE))

    def fail_expired_runs(self) -> None:
        """Answer the runs of processes that died with an error."""
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
                    self._touch(db, thread_id)

    def delete_thread(self, thread_id: str, user: Owner) -> None:
        """Delete a thread and all that is in it."""
        with self.engine.begin() as db:
            self._get(db, THREADS, user, thread_id)
            self._delete_threads(db, [thread_id])

    def delete_old_threads(self, days: float) -> None:
        """Delete the threads without a new item for so many days."""
        old = sa.select(THREADS.c.id).where(THREADS.c.active_at < NOW - int(days * 86_400))
        old = old.where(THREADS.c.id.not_in(sa.select(RUNS.c.thread_id)))
        with self.engine.begin() as db:
            self._delete_threads(db, db.scalars(old.limit(1000)).all())

    def _delete_threads(self, db: sa.Connection, thread_ids: Iterable[str]) -> None:
        for thread_id in thread_ids:
            db.execute(sa.delete(RUNS).where(RUNS.c.thread_id == thread_id))
            db.execute(sa.delete(ITEMS).where(ITEMS.c.owner == thread_id))
            db.execute(sa.delete(THREADS).where(THREADS.c.id == thread_id))

    def delete_item(self, thread_id: str, item_id: str, user: Owner) -> None:
        """Delete an item."""
        with self.engine.begin() as db:
            self._get(db, THREADS, user, thread_id)
            rows = sa.delete(ITEMS).where(ITEMS.c.owner == thread_id, ITEMS.c.id == item_id)
            db.execute(rows)


def assistant_message(id: str, thread_id: str, text: str) -> ck.AssistantMessageItem:
    """An assistant's message."""
    content = [ck.AssistantMessageContent(text=text)]
    now = datetime.now()
    return ck.AssistantMessageItem(id=id, thread_id=thread_id, created_at=now, content=content)


class ThreadStore(Store[str]):
    """The database as openai-chatkit asks for it. Users see their own threads only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limiter = anyio.CapacityLimiter(1 if database.is_sqlite else CONNECTIONS)

    async def call(self, method: Callable[..., T], *args: object) -> T:
        """Call a method of the database in a worker thread."""
        return await anyio.to_thread.run_sync(partial(method, *args), limiter=self._limiter)

    # The ids of the base class have 32 random bits; among some ten thousand items, two are equal.
    def generate_thread_id(self, context: str) -> str:
        return default_generate_id("thread") + secrets.token_hex(12)

    def generate_item_id(
        self, item_type: StoreItemType, thread: ck.ThreadMetadata, context: str
    ) -> str:
        return default_generate_id(item_type) + secrets.token_hex(12)

    async def load_thread(self, thread_id: str, context: str) -> ck.ThreadMetadata:
        _, data = await self.call(self._database.get, THREADS, context, thread_id)
        return ck.ThreadMetadata.model_validate_json(data)

    async def save_thread(self, thread: ck.ThreadMetadata, context: str) -> None:
        await self.call(self._database.save_thread, thread, context)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: str
    ) -> ck.Page[ck.ThreadMetadata]:
        page = await self.call(self._database.page, THREADS, context, after, limit, order)
        threads = [ck.ThreadMetadata.model_validate_json(data) for data in page.data]
        return ck.Page(data=threads, has_more=page.has_more, after=page.after)

    async def delete_thread(self, thread_id: str, context: str) -> None:
        await self.call(self._database.delete_thread, thread_id, context)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: str
    ) -> ck.Page[ck.ThreadItem]:
        await self.load_thread(thread_id, context)
        page = await self.call(self._database.page, ITEMS, thread_id, after, limit, order)
        items = [ITEM.validate_json(data) for data in page.data]
        return ck.Page(data=items, has_more=page.has_more, after=page.after)

    async def load_item(self, thread_id: str, item_id: str, context: str) -> ck.ThreadItem:
        await self.load_thread(thread_id, context)
        _, data = await self.call(self._database.get, ITEMS, thread_id, item_id)
        return ITEM.validate_json(data)

    async def add_thread_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        # A user's message is refused at once. An answer is paid for, so it waits.
        patience = 0 if isinstance(item, ck.UserMessageItem) else ANSWER_PATIENCE
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(Unavailable),
            wait=wait_exponential(max=5),
            stop=stop_after_delay(patience),
            reraise=True,
        ):
            with attempt:
                await self.call(self._database.add_item, thread_id, item, context)

    async def save_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        await self.add_thread_item(thread_id, item, context)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: str) -> None:
        await self.call(self._database.delete_item, thread_id, item_id, context)

    async def save_attachment(self, attachment: ck.Attachment, context: str) -> None:
        raise NotFoundError("This server takes no attachments.")

    async def load_attachment(self, attachment_id: str, context: str) -> ck.Attachment:
        raise NotFoundError("This server takes no attachments.")

    async def delete_attachment(self, attachment_id: str, context: str) -> None:
        raise NotFoundError("This server takes no attachments.")
