"""A web service that starts runs, reports them, and streams them to browsers.

    pip install ".[simulator]" fastapi
    edn360-chatkit simulate --steps
    # in another terminal, with the variables that `simulate` prints:
    uvicorn fastapi_service:app --app-dir examples --timeout-graceful-shutdown 5

- ``PUT /runs/{key}`` with the athlete's data starts a run. The caller chooses the key. The same
  request may be sent again: it starts no second, paid run.
- ``GET /runs/{key}`` returns the state of the run, and the program when it is done.
- ``GET /runs/{key}/events`` streams the run, for a browser's ``EventSource``. The last event is
  ``status``, the same as ``GET /runs/{key}``; close the ``EventSource`` if it is done or failed.

A run belongs to the service and not to a request: a browser that leaves ends nothing. The
references are in SQLite, and a service that was killed takes its runs up when it starts again.
It runs in one process: a second one can't open the same database. The database holds programs, so
protect it.

A self-hosted server may cancel its runs when the service is restarted, since that closes their
streams; see docs/self-hosting.md. If the service is killed in the very moment of sending, it sends
nothing again: ``GET /runs/{key}`` finds the run if the message has arrived. If not, the state stays
``running`` and ``run`` has no ``message_id``, or the response is 409. Use another key then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from edn360_chatkit import (
    APIError,
    AsyncChatKitClient,
    ChatKitError,
    EDN360Input,
    InvalidInputError,
    MessageSentEvent,
    RunReference,
    SessionCreatedEvent,
    WorkflowEvent,
)
from edn360_chatkit.reading import read_input

logger = logging.getLogger(__name__)


class Store:
    """The runs in SQLite: the key, the reference, and the status as JSON once the run is over."""

    def __init__(self, path: str) -> None:
        # Each statement is on the disk when it returns: a reference must survive a kill.
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS runs (key TEXT PRIMARY KEY, reference TEXT, status TEXT)"
        )
        # A service that was killed before it stored a reference has not sent the message.
        self._db.execute("DELETE FROM runs WHERE reference IS NULL")

    def add(self, key: str) -> bool:
        """Add a run; ``False`` if there is one with this key."""
        return self._db.execute("INSERT OR IGNORE INTO runs (key) VALUES (?)", (key,)).rowcount > 0

    def remove(self, key: str) -> None:
        self._db.execute("DELETE FROM runs WHERE key = ?", (key,))

    def save_reference(self, key: str, run: RunReference) -> None:
        self._db.execute("UPDATE runs SET reference = ? WHERE key = ?", (str(run), key))

    def save_status(self, key: str, status: str) -> None:
        self._db.execute("UPDATE runs SET status = ? WHERE key = ?", (status, key))

    def get(self, key: str) -> tuple[str | None, str | None] | None:
        """The reference and the status of a run; ``None`` if there is no such run."""
        query = "SELECT reference, status FROM runs WHERE key = ?"
        row: tuple[str | None, str | None] | None = self._db.execute(query, (key,)).fetchone()
        return row

    def open_keys(self) -> list[str]:
        """The keys of the runs that are not over."""
        return [key for (key,) in self._db.execute("SELECT key FROM runs WHERE status IS NULL")]

    def close(self) -> None:
        self._db.close()


class Feed:
    """The events of a run, for any number of browsers."""

    def __init__(self) -> None:
        self._events: list[WorkflowEvent] = []
        self._ended = False
        self._news = asyncio.Event()

    def add(self, event: WorkflowEvent) -> None:
        self._events.append(event)
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def read(self) -> AsyncIterator[WorkflowEvent]:
        """All events from the first one on, until the run is over."""
        position = 0
        while True:
            for event in self._events[position:]:
                position += 1
                yield event
            if position == len(self._events):
                if self._ended:
                    return
                await self._news.wait()


class Runs:
    """The runs of the service. One task for each of them waits for its end."""

    def __init__(self, client: AsyncChatKitClient, store: Store) -> None:
        self._client, self._store = client, store
        self._feeds: dict[str, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, key: str, edn360_input: EDN360Input) -> None:
        """Start a run, unless there is one with this key."""
        if not self._store.add(key):
            return

        def save(event: WorkflowEvent) -> None:
            # The message is sent between the two events. Over threads the first may come twice.
            if isinstance(event, (SessionCreatedEvent, MessageSentEvent)):
                self._store.save_reference(key, event.run)

        try:
            await self._client.start_workflow(edn360_input, on_event=save)
        except ChatKitError as error:
            if error.run is not None:
                self._store.save_reference(key, error.run)
            elif not (isinstance(error, APIError) and error.may_have_been_taken):
                self._store.remove(key)
            raise
        self.follow(key)

    async def status(self, key: str) -> str:
        """The state of a run as JSON. It is stored once the run is over."""
        reference, status = self._row(key)
        if status is None:
            now = await self._client.retrieve_run(reference)
            status = now.model_dump_json(exclude_none=True)
            if now.state != "running":
                self._store.save_status(key, status)
        return status

    def follow(self, key: str) -> Feed:
        """The events of a run. One task reads them, however many browsers look."""
        feed = self._feeds.get(key)
        if feed is None:
            feed = Feed()
            reference, status = self._row(key)
            if status is not None:
                feed.end()
                return feed
            self._feeds[key] = feed
            task = asyncio.create_task(self._follow(key, reference, feed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return feed

    def follow_all(self) -> None:
        """Take up the runs that the service before this one has left."""
        for key in self._store.open_keys():
            self.follow(key)

    async def close(self) -> None:
        """Stop to wait. The runs stay in the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, key: str, reference: str, feed: Feed) -> None:
        try:
            async with self._client.stream_response(reference) as events:
                async for event in events:
                    feed.add(event)
            await self.status(key)
        except ChatKitError as error:
            logger.warning("Run %s: %s", key, error)
            with suppress(ChatKitError):
                await self.status(key)
        finally:
            del self._feeds[key]
            feed.end()

    def _row(self, key: str) -> tuple[str, str | None]:
        row = self._store.get(key)
        if row is None:
            raise HTTPException(404, "There is no run with this key.")
        reference, status = row
        if reference is None:
            raise HTTPException(409, "The run is about to start.")
        return reference, status


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None, None]:
    """One client and one store for the whole service."""
    store = Store(os.environ.get("RUNS_DATABASE", "runs.db"))
    async with AsyncChatKitClient(max_attempts=120) as client:
        app.state.runs = runs = Runs(client, store)
        runs.follow_all()
        yield
        await runs.close()
    store.close()


app = FastAPI(lifespan=lifespan)


@app.exception_handler(ChatKitError)
async def report(request: Request, error: Exception) -> Response:
    """Invalid data, or an error of the workflow's server. The text repeats no athlete's data."""
    status = 422 if isinstance(error, InvalidInputError) else 502
    return JSONResponse({"error": {"type": type(error).__name__, "message": str(error)}}, status)


def runs_of(request: Request) -> Runs:
    """The runs of the service."""
    runs: Runs = request.app.state.runs
    return runs


@app.put("/runs/{key}", status_code=202)
async def start_run(key: str, request: Request) -> dict[str, str]:
    """Start a run, once for each key."""
    # Not FastAPI's own reading: its 422 repeats the athlete's data.
    edn360_input = read_input((await request.body()).decode("utf-8", "replace"))
    await runs_of(request).start(key, edn360_input)
    return {"status": f"/runs/{key}", "events": f"/runs/{key}/events"}


@app.get("/runs/{key}")
async def get_run(key: str, request: Request) -> Response:
    """The state of a run."""
    try:
        status = await runs_of(request).status(key)
    except InvalidInputError as error:
        # The service was killed before the message was sent over threads.
        raise HTTPException(409, str(error)) from None
    return Response(status, media_type="application/json")


@app.get("/runs/{key}/events")
async def stream_run(key: str, request: Request) -> StreamingResponse:
    """The events of a run, and its status at the end."""
    runs = runs_of(request)
    feed = runs.follow(key)

    async def stream() -> AsyncIterator[str]:
        async for event in feed.read():
            yield f"event: {event.type}\ndata: {event.model_dump_json()}\n\n"
        with suppress(ChatKitError):  # the browser comes back by itself
            yield f"event: status\ndata: {await runs.status(key)}\n\n"

    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return StreamingResponse(stream(), headers=headers, media_type="text/event-stream")
