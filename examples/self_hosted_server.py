"""Serve a workflow of your own as a ChatKit server.

    pip install openai-chatkit starlette uvicorn
    python self_hosted_server.py --port 8000 --database threads.db

It serves a demo that way. For your own workflow, write ``async def run(edn360_input)`` in a file
next to this one and end it with ``serve(run)``; docs/self-hosting.md shows how.

A run belongs to the server and not to the request that started it: it goes on when the client
hangs up, and its answer is in the thread for whoever asks later.
"""
# ruff: noqa: S608 - the names that are put into SQL are written in this file

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import secrets
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal, TypeAlias, TypeVar, cast

import uvicorn
from chatkit import types as ck
from chatkit.server import ChatKitServer, NonStreamingResult, StreamingResult
from chatkit.store import NotFoundError, Store, StoreItemType, default_generate_id
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Run: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""The workflow: an athlete's data in, the program out."""

ROOT_KEY = "client_training_program_enriched"
GRACE = 30  # seconds
logger = logging.getLogger(__name__)

_report: ContextVar[Callable[[str], None] | None] = ContextVar("report", default=None)


def report_progress(text: str) -> None:
    """Tell whoever watches the run what it does now; call it from anywhere inside ``run``.

    Outside of a run it does nothing, so that a workflow can be run and tested without a server.
    """
    report = _report.get()
    if report is not None:
        report(text)


# --- the workflow, as ChatKit sees it --------------------------------------------------------


class WorkflowServer(ChatKitServer[str]):
    """ChatKit's protocol around one workflow. The context of a request is its user."""

    def __init__(self, threads: SQLiteStore, run: Run) -> None:
        super().__init__(threads)
        self._threads = threads
        self._run = run

    async def respond(
        self, thread: ck.ThreadMetadata, input_user_message: ck.UserMessageItem | None, context: str
    ) -> AsyncIterator[ck.ThreadStreamEvent]:
        """Run the workflow. The base class stores every item that is done, and so the answer."""
        if input_user_message is None:  # the output of a client's tool, which nothing here uses
            return
        started = monotonic()
        loop = asyncio.get_running_loop()
        reports: asyncio.Queue[str | None] = asyncio.Queue()

        def report(text: str) -> None:
            # By way of the event loop, so that a run may report from its own threads as well.
            loop.call_soon_threadsafe(reports.put_nowait, text)

        text = "".join(part.text for part in input_user_message.content)
        answer = asyncio.create_task(self._answer(text, report))
        answer.add_done_callback(lambda _: reports.put_nowait(None))
        item = ck.WorkflowItem(
            id=self.store.generate_item_id("workflow", thread, context),
            thread_id=thread.id,
            created_at=datetime.now(),
            workflow=ck.Workflow(type="custom", tasks=[]),
        )
        try:
            yield ck.ThreadItemAddedEvent(item=item)
            while (reported := await reports.get()) is not None:
                yield ck.ProgressUpdateEvent(icon="agent", text=reported)
                for event in _next_task(item, reported):
                    yield event
            for event in _next_task(item, None):
                yield event
            item.workflow.summary = ck.DurationSummary(duration=round(monotonic() - started))
            yield ck.ThreadItemDoneEvent(item=item)
            yield ck.ThreadItemDoneEvent(item=self._message(thread, answer.result(), context))
        finally:
            answer.cancel()

    async def _answer(self, text: str, report: Callable[[str], None]) -> str:
        """The text of the answer, which tells what went wrong if something did."""
        _report.set(report)
        report_progress("Running the workflow")
        try:
            edn360_input = json.loads(text)
            if not isinstance(edn360_input, dict):
                raise ValueError("The message is no JSON object with an athlete's data.")
            returned = await self._run(cast("dict[str, Any]", edn360_input))
            # A paid answer is not lost over a date or a NaN in it: all of it becomes plain JSON.
            answer = to_jsonable_python(returned, fallback=str, inf_nan_mode="null")
            if not isinstance(answer, dict):
                raise TypeError(f"The workflow must return a dict, and returned {answer!r}.")
            has_root = ROOT_KEY in answer or "error" in answer
            return _json_text(answer if has_root else {ROOT_KEY: answer})
        except (Exception, asyncio.CancelledError) as error:
            logger.exception("The workflow failed.")
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            return _json_text({"error": {"message": reason}})

    def _message(self, thread: ck.ThreadMetadata, text: str, user: str) -> ck.AssistantMessageItem:
        return ck.AssistantMessageItem(
            id=self.store.generate_item_id("message", thread, user),
            thread_id=thread.id,
            created_at=datetime.now(),
            content=[ck.AssistantMessageContent(text=text)],
        )

    async def close_interrupted_runs(self) -> None:
        """Write it into their threads that runs ended with the process that they ran in."""
        text = _json_text({"error": {"message": "The server stopped before the workflow's end."}})
        for user, thread_id in self._threads.unanswered():
            thread = await self.store.load_thread(thread_id, user)
            await self.store.add_thread_item(thread_id, self._message(thread, text, user), user)

    async def handle_stream_cancelled(
        self, thread: ck.ThreadMetadata, pending_items: list[ck.ThreadItem], context: str
    ) -> None:
        """Store nothing: only the end of this server cancels a run, and the next start says so."""

    def get_stream_options(self, thread: ck.ThreadMetadata, context: str) -> ck.StreamOptions:
        """Offer no stop button, since hanging up does not stop a run."""
        return ck.StreamOptions(allow_cancel=False)


def _next_task(item: ck.WorkflowItem, title: str | None) -> Iterator[ck.ThreadStreamEvent]:
    """End the last task of a workflow item, and begin the next one if there is one."""
    tasks = item.workflow.tasks
    if tasks:
        tasks[-1].status_indicator = "complete"
        done = ck.WorkflowTaskUpdated(task_index=len(tasks) - 1, task=tasks[-1])
        yield ck.ThreadItemUpdatedEvent(item_id=item.id, update=done)
    if title is not None:
        tasks.append(ck.CustomTask(title=title, status_indicator="loading"))
        added = ck.WorkflowTaskAdded(task_index=len(tasks) - 1, task=tasks[-1])
        yield ck.ThreadItemUpdatedEvent(item_id=item.id, update=added)


def _json_text(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")  # models write half characters


# --- threads and items -----------------------------------------------------------------------

_Table: TypeAlias = Literal["threads", "items"]
_Row = TypeVar("_Row")
_ITEM: TypeAdapter[ck.ThreadItem] = TypeAdapter(ck.ThreadItem)
# The owner of a thread is its user, and that of an item its thread. Their order is the position's.
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS {0} (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        owner TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, UNIQUE (owner, id)
    );
    CREATE INDEX IF NOT EXISTS {0}_in_order ON {0} (owner, position);
"""


class SQLiteStore(Store[str]):
    """Threads and their items as JSON in an SQLite file. Users see their own threads only.

    Each call reads or writes a few rows by an index, in about a millisecond, and a run writes four
    times. So they are simply made on the event loop, where no two overlap and none can be
    cancelled halfway. One process at a time has the file, or the start of another would take the
    runs of this one for dead; for several processes, take a database server.
    """

    def __init__(self, database: str | Path) -> None:
        # Opened by whoever builds the app, and then used by the event loop's thread alone.
        self._lock = sqlite3.connect(f"{database}.lock", timeout=0, check_same_thread=False)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self._lock.close()
            raise RuntimeError(f"Another server uses {database}.") from None
        self._db = sqlite3.connect(database, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(_SCHEMA.format("threads") + _SCHEMA.format("items"))

    def close(self) -> None:
        self._db.close()
        self._lock.close()

    # The ids of the base class have 32 random bits; among some ten thousand items, two are equal.
    def generate_thread_id(self, context: str) -> str:
        return default_generate_id("thread") + secrets.token_hex(12)

    def generate_item_id(
        self, item_type: StoreItemType, thread: ck.ThreadMetadata, context: str
    ) -> str:
        return default_generate_id(item_type) + secrets.token_hex(12)

    def _get(self, table: _Table, owner: str, id: str) -> tuple[int, str]:
        query = f"SELECT position, data FROM {table} WHERE owner = ? AND id = ?"
        found = self._db.execute(query, (owner, id)).fetchone()
        if found is None:
            raise NotFoundError(f"This user's {table} have no '{id}'.")
        return found[0], found[1]

    def _put(self, table: _Table, owner: str, id: str, data: str) -> None:
        with self._db:
            self._db.execute(
                f"INSERT INTO {table} (owner, id, data) VALUES (?, ?, ?) "
                "ON CONFLICT (owner, id) DO UPDATE SET data = excluded.data",
                (owner, id, data),
            )

    def _page(
        self,
        table: _Table,
        owner: str,
        after: str | None,
        limit: int,
        order: str,
        read: Callable[[str], _Row],
    ) -> ck.Page[_Row]:
        beyond, direction, start = (">", "ASC", 0) if order == "asc" else ("<", "DESC", 2**62)
        if after is not None:
            start, _ = self._get(table, owner, after)
        limit = max(1, min(limit, 100))
        query = (
            f"SELECT id, data FROM {table} WHERE owner = ? AND position {beyond} ? "
            f"ORDER BY position {direction} LIMIT ?"
        )
        rows = self._db.execute(query, (owner, start, limit + 1)).fetchall()
        more = len(rows) > limit
        return ck.Page(
            data=[read(data) for _, data in rows[:limit]],
            has_more=more,
            after=rows[limit - 1][0] if more else None,
        )

    def unanswered(self) -> list[tuple[str, str]]:
        """User and thread of each message without an answer; every run posts exactly one."""
        rows = self._db.execute(
            "SELECT threads.owner, threads.id, SUM(CASE json_extract(items.data, '$.type') "
            "WHEN 'user_message' THEN 1 WHEN 'assistant_message' THEN -1 ELSE 0 END) "
            "FROM threads JOIN items ON items.owner = threads.id GROUP BY threads.position"
        ).fetchall()
        return [(user, thread_id) for user, thread_id, missing in rows for _ in range(missing)]

    async def load_thread(self, thread_id: str, context: str) -> ck.ThreadMetadata:
        return ck.ThreadMetadata.model_validate_json(self._get("threads", context, thread_id)[1])

    async def save_thread(self, thread: ck.ThreadMetadata, context: str) -> None:
        self._put("threads", context, thread.id, thread.model_dump_json())

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: str
    ) -> ck.Page[ck.ThreadMetadata]:
        read = ck.ThreadMetadata.model_validate_json
        return self._page("threads", context, after, limit, order, read)

    async def delete_thread(self, thread_id: str, context: str) -> None:
        self._get("threads", context, thread_id)
        with self._db:
            self._db.execute("DELETE FROM items WHERE owner = ?", (thread_id,))
            self._db.execute("DELETE FROM threads WHERE id = ?", (thread_id,))

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: str
    ) -> ck.Page[ck.ThreadItem]:
        self._get("threads", context, thread_id)
        return self._page("items", thread_id, after, limit, order, _ITEM.validate_json)

    async def load_item(self, thread_id: str, item_id: str, context: str) -> ck.ThreadItem:
        self._get("threads", context, thread_id)
        return _ITEM.validate_json(self._get("items", thread_id, item_id)[1])

    async def add_thread_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        self._get("threads", context, thread_id)
        self._put("items", thread_id, item.id, item.model_dump_json())

    async def save_item(self, thread_id: str, item: ck.ThreadItem, context: str) -> None:
        await self.add_thread_item(thread_id, item, context)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: str) -> None:
        self._get("threads", context, thread_id)
        with self._db:
            self._db.execute("DELETE FROM items WHERE owner = ? AND id = ?", (thread_id, item_id))

    async def save_attachment(self, attachment: ck.Attachment, context: str) -> None:
        raise NotFoundError("This server takes no attachments.")

    async def load_attachment(self, attachment_id: str, context: str) -> ck.Attachment:
        raise NotFoundError("This server takes no attachments.")

    async def delete_attachment(self, attachment_id: str, context: str) -> None:
        raise NotFoundError("This server takes no attachments.")


# --- HTTP ------------------------------------------------------------------------------------


def build_app(
    run: Run,
    database: str | Path,
    *,
    token: str | None = None,
    keep_alive: float = 15.0,
    grace: float = GRACE,
) -> Starlette:
    """The application: ``POST /chatkit``.

    The user is whoever the caller names in ``metadata.user``. So the callers must be services of
    your own, which know for whom they ask; the token tells that they are.

    Args:
        run: The workflow.
        database: The SQLite file for the threads.
        token: What callers must show as bearer token; else ``$EDN360_SERVER_TOKEN``. Without
            either, everybody who reaches the port is let in.
        keep_alive: Seconds of silence after which a stream gets a comment, so that proxies do
            not cut it.
        grace: Seconds that runs under way get to finish when the server is stopped.
    """
    secret = token or os.environ.get("EDN360_SERVER_TOKEN", "")
    store = SQLiteStore(database)
    server = WorkflowServer(store, run)
    runs: set[asyncio.Task[None]] = set()

    async def chatkit(request: Request) -> Response:
        shown = request.headers.get("authorization", "")
        if secret and not secrets.compare_digest(shown.encode(), f"Bearer {secret}".encode()):
            return _refusal(401, "The bearer token is missing or wrong.")
        body = await request.body()
        try:
            user = ck.BaseReq.model_validate_json(body).metadata.get("user")
            if not isinstance(user, str) or not user:
                return _refusal(400, "metadata.user must name the user of the threads.")
            result = await server.process(body, user)
            if isinstance(result, NonStreamingResult):
                return Response(result.json, media_type="application/json")
            # A task of the server's own reads ChatKit's stream to its end, whoever listens. It
            # must be one task: the stream sets context variables, and resets them at its end.
            chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
            task = asyncio.create_task(_read(result, chunks))
            runs.add(task)
            task.add_done_callback(runs.discard)
            task.add_done_callback(lambda _: chunks.put_nowait(None))
            first = await chunks.get()
            if first is None:
                task.result()  # nothing is sent yet, so a thread that is not there can be a 404
        except ValidationError as error:
            fault = error.errors(include_input=False, include_url=False)[0]
            path = ".".join(map(str, fault["loc"]))
            return _refusal(400, f"No ChatKit request: {path}: {fault['msg']}")
        except NotFoundError as error:
            return _refusal(404, str(error))

        async def stream() -> AsyncIterator[bytes]:
            chunk = first
            while chunk is not None:
                yield chunk
                try:
                    chunk = await asyncio.wait_for(chunks.get(), keep_alive)
                except asyncio.TimeoutError:
                    chunk = b": keep-alive\n\n"
            task.result()  # a failure breaks the stream off, so that it does not look complete

        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(stream(), headers=headers, media_type="text/event-stream")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        await server.close_interrupted_runs()
        yield
        if runs:
            logger.warning("%d runs are under way; they get %s s.", len(runs), grace)
            _, late = await asyncio.wait(runs, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        store.close()

    return Starlette(routes=[Route("/chatkit", chatkit, methods=["POST"])], lifespan=lifespan)


async def _read(result: StreamingResult, chunks: asyncio.Queue[bytes | None]) -> None:
    async for chunk in result:
        chunks.put_nowait(chunk)


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status)


def serve(run: Run) -> None:
    """Serve a workflow as the command line says."""
    parser = argparse.ArgumentParser(description="A self-hosted ChatKit server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--database", default="threads.db", help="an SQLite file")
    options = parser.parse_args()
    local = options.host in ("127.0.0.1", "::1", "localhost")
    if not local and not os.environ.get("EDN360_SERVER_TOKEN"):
        parser.error("set EDN360_SERVER_TOKEN before others can reach this server")
    app = build_app(run, options.database)
    uvicorn.run(app, host=options.host, port=options.port, timeout_graceful_shutdown=GRACE)


async def demo(edn360_input: dict[str, Any]) -> dict[str, Any]:
    """Stands in for a workflow: no training advice."""
    for step in ("Reading the questionnaires", "Planning the week", "Choosing exercises"):
        report_progress(step)
        await asyncio.sleep(0.5)
    exercise = {"order": 1, "name": "Squat", "series": 3, "reps": "8-10", "rpe": "7"}
    block = {"id": "A", "primary_muscles": ["quadriceps"], "exercises": [exercise]}
    return {
        "title": f"Demo for {edn360_input['user_profile']['user_id']}, not training advice",
        "weeks": 4,
        "sessions": [{"id": "D1", "name": "Full body", "blocks": [block]}],
    }


if __name__ == "__main__":
    serve(demo)
