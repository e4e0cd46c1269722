"""The application: ``POST /chatkit``, ``GET /health``, and the runs of the process."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    MutableMapping,
)
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from chatkit import types as ck
from chatkit.server import NonStreamingResult
from chatkit.store import NotFoundError
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ._chatkit import WorkflowServer
from ._settings import TOKEN_VARIABLE, ServerSettings
from ._storage import ThreadStore
from ._workflows import as_run

RETRY_AFTER = "5"
"""The ``retry-after`` of a response with status 503, in seconds."""
CLOSING = 5
"""How long streams, workflows and the database have to end after the last run, in seconds."""
RENEWAL = 10.0
"""The time between two renewals of the leases, in seconds."""
LONGEST_USER = 500
"""The length of a user's name, in characters. An index of PostgreSQL holds 2,704 bytes."""
REFUSALS = (HTTPException, ClientDisconnect, ValidationError, NotFoundError, SQLAlchemyError)
RUNNING = (ck.ThreadsCreateReq, ck.ThreadsAddUserMessageReq)
READING = (ck.ThreadsGetByIdReq, ck.ThreadsListReq, ck.ItemsListReq)
CHANGING = (ck.ThreadsUpdateReq, ck.ThreadsDeleteReq)
SERVED = (*RUNNING, *READING, *CHANGING)
REQUEST: TypeAdapter[ck.ChatKitReq] = TypeAdapter(ck.ChatKitReq)

logger = logging.getLogger(__name__)


def build_app(
    workflow: Callable[..., Any],
    database: str | Path = "threads.db",
    settings: ServerSettings | None = None,
) -> WorkflowApp:
    """The application of a ChatKit server around a workflow: ``/chatkit`` and ``/health``.

    Args:
        workflow: A function of an athlete's data as a ``dict`` that returns the program, async or
            sync (it runs in a thread); or ``run_workflow`` of an export of Agent Builder.
        database: The path of an SQLite file, or ``postgresql+psycopg://...``. The tables are made.
        settings: The limits, and who may use the server.

    Raises:
        ConfigurationError: The database can't be opened, another server has the SQLite file, or
            the workflow is a generator.
    """
    return WorkflowApp(workflow, str(database), settings or ServerSettings())


class WorkflowApp:
    """An ASGI application. Serve it as it is: in a ``Mount``, its lifespan would not run.

    Attributes:
        settings: The limits, and who may use it.
        runs: The runs under way, those in the queue included. They outlive their requests.
        deadline: When the runs must have ended, by ``time.monotonic``; ``None`` while the server
            is not stopping.
    """

    def __init__(
        self, workflow: Callable[..., Any], database: str, settings: ServerSettings
    ) -> None:
        settings.tokens()
        run = as_run(workflow)
        self.settings: ServerSettings = settings
        self.runs: set[asyncio.Task[None]] = set()
        self.deadline: float | None = None
        self._threads = ThreadStore(database)
        self._server = WorkflowServer(self._threads, run, settings)
        routes = [
            Route("/chatkit", self._chatkit, methods=["POST"]),
            Route("/health", self._health, methods=["GET"]),
        ]
        handlers = dict.fromkeys(REFUSALS, _refuse)
        # Held and not a base class, so that types are complete without the extra.
        self._app = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Serve a connection, as ASGI calls it."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Close the database. The end of the server does it, too."""
        self._threads.close()

    def drain(self, seconds: float) -> None:
        """Accept no more runs, and give those under way so many seconds at most."""
        deadline = monotonic() + seconds
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    @property
    def is_drained(self) -> bool:
        """Whether the server is stopping and no run is left, or their time is over."""
        return self.deadline is not None and (not self.runs or monotonic() >= self.deadline)

    async def end_runs(self) -> None:
        """Cancel the runs that are left; their threads say so."""
        late = list(self.runs)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CLOSING)

    async def _listen(self, stream: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The chunks of a run's stream, which a task reads to its end without a listener, too.

        It must be one task: ChatKit's stream sets context variables, and resets them at its end.
        """
        chunks: asyncio.Queue[bytes] = asyncio.Queue()

        async def read() -> None:
            async for chunk in stream:
                chunks.put_nowait(chunk)

        task = asyncio.create_task(read())
        self.runs.add(task)
        task.add_done_callback(self.runs.discard)
        task.add_done_callback(lambda _: chunks.put_nowait(b""))
        chunk = await chunks.get()
        while chunk:
            yield chunk
            try:
                chunk = await asyncio.wait_for(chunks.get(), self.settings.keep_alive)
            except asyncio.TimeoutError:
                chunk = b": keep-alive\n\n"
        task.result()  # a failure breaks the stream off, so that it does not look complete

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None, None]:
        stop = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(stop,), daemon=True)
        keeper.start()
        yield
        self.drain(self.settings.grace)
        while not self.is_drained:  # another ASGI server than serve()
            await asyncio.sleep(0.05)
        await self.end_runs()
        stop.set()
        keeper.join(CLOSING)
        self.close()

    def _keep(self, stop: threading.Event) -> None:
        """Renew the leases, answer the runs of dead processes, and delete old threads."""
        while not stop.is_set():
            try:
                self._threads.fail_expired_runs()
                if self.settings.retention_days is not None:
                    self._threads.delete_old_threads(self.settings.retention_days)
            except Exception as error:  # without this thread, every lease would expire
                logger.warning("The database can't be used: %s.", type(error).__name__)
            stop.wait(RENEWAL)

    async def _health(self, request: Request) -> Response:
        """Whether the server is alive, and what it does."""
        draining = self.deadline is not None
        return JSONResponse({"status": "ok", "runs": len(self.runs), "draining": draining})

    async def _chatkit(self, request: Request) -> Response:
        """Answer a request of ChatKit's protocol."""
        user = await self._authenticated(request)
        body = await self._body(request)
        parsed = REQUEST.validate_json(body)
        if self.settings.authenticate is None:
            user = parsed.metadata.get("user")
        if not isinstance(user, str) or not 0 < len(user) <= LONGEST_USER:
            says = f"metadata.user must name the user in {LONGEST_USER} characters at most."
            raise HTTPException(400, says)
        if not isinstance(parsed, SERVED):
            # A retry, too: it could run a workflow twice. A new message does the same.
            raise HTTPException(400, f"The server does not answer {parsed.type}.")
        if isinstance(parsed, RUNNING) and self.deadline is not None:
            raise HTTPException(503, "The server is stopping, and takes no new runs.")
        result = await self._server.process(body, user)
        if isinstance(result, NonStreamingResult):
            return Response(result.json, media_type="application/json")
        chunks = self._listen(result)
        first = await anext(chunks)  # it raises while the response can still be a 404

        async def stream() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(stream(), headers=headers, media_type="text/event-stream")

    async def _authenticated(self, request: Request) -> str | None:
        """The user that ``authenticate`` names, if it is set; raise ``HTTPException`` with 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else ""
        if self.settings.authenticate is not None:
            try:
                user = self.settings.authenticate(token)
                if inspect.isawaitable(user):
                    user = await user
            except Exception as error:  # its text may hold the token
                logger.warning("authenticate failed with %s.", type(error).__qualname__)
                user = None
            if user is None:
                raise HTTPException(401, "The bearer token is not valid.")
            return user
        if self.settings.protected and not self.settings.accepts(token):
            raise HTTPException(401, "The bearer token is missing or wrong.")
        if not self.settings.protected and "origin" in request.headers:
            # Any web site that a user visits could send requests to their own machine.
            raise HTTPException(403, f"Set ${TOKEN_VARIABLE} before browsers may use the server.")
        return None

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.settings.max_request_bytes:
                limit = self.settings.max_request_bytes
                raise HTTPException(413, f"The request is larger than {limit} bytes.")
        return bytes(body)


async def _refuse(request: Request, error: Exception) -> Response:
    """The response to a request that is not served."""
    match error:
        case HTTPException():
            status, message = error.status_code, error.detail
        case ClientDisconnect():
            status, message = 400, "The request is not complete."
        case NotFoundError():
            status, message = 404, str(error)
        case ValidationError():
            fault = error.errors(include_input=False, include_url=False)[0]
            path = ".".join(map(str, fault["loc"]))
            status, message = 400, f"No ChatKit request: {path}: {fault['msg']}"
        case DataError():
            status, message = 400, "The database can't hold a value of the request."
        case _:
            logger.warning("The database can't be used: %s.", type(error).__name__)
            status, message = 503, "The database can't be used."
    headers = {"retry-after": RETRY_AFTER} if status == 503 else None
    return JSONResponse({"error": {"message": message}}, status, headers)
