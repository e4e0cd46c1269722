"""The application: ``POST /chatkit``, ``GET /health``, and the runs of the process."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
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

from ..errors import ConfigurationError
from ._chatkit import WorkflowServer
from ._settings import TOKEN_VARIABLE, Authenticate, ServerSettings
from ._storage import ThreadStore
from ._workflows import as_run

RETRY_AFTER = "5"
"""The ``retry-after`` of a response with status 503, in seconds."""
CLOSE_TIMEOUT = 5
"""The time that streams, workflows and the database have to end after the last run, in seconds."""
RENEWAL_INTERVAL = 10.0
"""The time between two increases of the leases, in seconds."""
MAX_USER_LENGTH = 500
"""The length of a user's name, in characters. An index of PostgreSQL holds 2,704 bytes."""
EXPECTED_ERRORS = (HTTPException, ClientDisconnect, ValidationError, NotFoundError, SQLAlchemyError)
RUN_REQUESTS = {"threads.create", "threads.add_user_message"}
# threads.retry_after_item is missing on purpose: it could run a workflow twice.
READ_REQUESTS = {"threads.get_by_id", "threads.list", "items.list"}
SERVED_REQUESTS = RUN_REQUESTS | READ_REQUESTS | {"threads.update", "threads.delete"}
REQUEST: TypeAdapter[ck.ChatKitReq] = TypeAdapter(ck.ChatKitReq)

logger = logging.getLogger(__name__)


def build_app(
    workflow: Callable[..., Any],
    database: str | Path = "threads.db",
    settings: ServerSettings | None = None,
) -> WorkflowApp:
    """The application of a ChatKit server around a workflow: ``/chatkit`` and ``/health``.

    Args:
        workflow: A function that takes an athlete's data as a ``dict`` and returns the program. It
            may be async; a sync function runs in a thread. An export of Agent Builder: its
            ``run_workflow``.
        database: The path of an SQLite file, or ``postgresql+psycopg://...``. The server creates
            the tables.
        settings: The limits of the server, and the callers that it accepts.

    Raises:
        ConfigurationError: The database can't be opened, another server has the SQLite file, or
            the workflow is a generator.
    """
    return WorkflowApp(workflow, str(database), settings or ServerSettings())


class WorkflowApp:
    """An ASGI application. Do not use it in a ``Mount``: its lifespan would not run.

    Attributes:
        settings: The limits of the server, and the callers that it accepts.
        runs: The runs in flight and in the queue. They continue after their requests.
        deadline: The end of the runs' time, by ``time.monotonic``; ``None`` while the server is
            not stopping.
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
        handlers = dict.fromkeys(EXPECTED_ERRORS, _error_response)
        # An attribute and no base class, so that types are complete without the extra.
        self._app = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection. A server calls it with the arguments of ASGI."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """Close the database. A server closes it at its end."""
        self._threads.close()

    def drain(self, seconds: float) -> None:
        """Refuse new runs, and give the runs in flight so many seconds at most."""
        deadline = monotonic() + seconds
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    @property
    def is_drained(self) -> bool:
        """Whether the server is stopping, and its runs have ended or their time is over."""
        return self.deadline is not None and (not self.runs or monotonic() >= self.deadline)

    async def end_runs(self) -> None:
        """Cancel the runs in flight. Their threads get an error."""
        if tasks := list(self.runs):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None, None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._maintain_database, args=(stop,), daemon=True)
        thread.start()
        yield
        self.drain(self.settings.grace)
        while not self.is_drained:  # serve() waits before the lifespan, other ASGI servers do not
            await asyncio.sleep(0.05)
        await self.end_runs()
        stop.set()
        thread.join(CLOSE_TIMEOUT)
        self.close()

    def _maintain_database(self, stop: threading.Event) -> None:
        """Renew the leases, answer the runs of dead processes, and delete old threads."""
        while not stop.is_set():
            try:
                self._threads.fail_expired_runs()
                if self.settings.retention_days is not None:
                    self._threads.delete_old_threads(self.settings.retention_days)
            except Exception as error:  # if this thread ended, every lease would expire
                logger.warning("The database can't be used: %s.", type(error).__name__)
            stop.wait(RENEWAL_INTERVAL)

    async def _health(self, request: Request) -> Response:
        """The state of the server."""
        draining = self.deadline is not None
        return JSONResponse({"status": "ok", "runs": len(self.runs), "draining": draining})

    async def _chatkit(self, request: Request) -> Response:
        """Answer a request of ChatKit's protocol."""
        user = await self._authenticated_user(request)
        body = await self._body(request)
        parsed = REQUEST.validate_json(body)
        if self.settings.authenticate is None:
            user = parsed.metadata.get("user")
        if not isinstance(user, str) or not 0 < len(user) <= MAX_USER_LENGTH:
            message = f"metadata.user must name the user in {MAX_USER_LENGTH} characters at most."
            raise HTTPException(400, message)
        if parsed.type not in SERVED_REQUESTS:
            raise HTTPException(400, f"The server does not support requests of {parsed.type}.")
        if parsed.type in RUN_REQUESTS and self.deadline is not None:
            raise HTTPException(503, "The server is stopping, and refuses new runs.")
        result = await self._server.process(body, user)
        if isinstance(result, NonStreamingResult):
            return Response(result.json, media_type="application/json")
        return await self._stream(result)

    async def _stream(self, events: AsyncIterable[bytes]) -> Response:
        """Start a run, and stream its events. The run continues after a hang-up.

        It is read by a single task: ChatKit sets context variables, and resets them at its end.
        """
        chunks: asyncio.Queue[bytes] = asyncio.Queue()

        async def read() -> None:
            async for chunk in events:
                chunks.put_nowait(chunk)

        task = asyncio.create_task(read())
        self.runs.add(task)
        task.add_done_callback(self.runs.discard)
        task.add_done_callback(lambda _: chunks.put_nowait(b""))

        async def body(chunk: bytes) -> AsyncIterator[bytes]:
            while chunk:
                yield chunk
                try:
                    chunk = await asyncio.wait_for(chunks.get(), self.settings.keep_alive)
                except asyncio.TimeoutError:
                    chunk = b": keep-alive\n\n"
            task.result()  # after a failure, the stream must not look complete

        first = await chunks.get()
        if not first:
            task.result()  # it raises the error of a run that can't start: 404 or 503
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(body(first), headers=headers, media_type="text/event-stream")

    async def _authenticated_user(self, request: Request) -> str | None:
        """Check the token, and return the user if ``authenticate`` is set.

        Raises:
            HTTPException: The request is refused, with 401, 403 or 503.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else ""
        if self.settings.authenticate is not None:
            return await self._verified_user(token, self.settings.authenticate)
        try:
            is_accepted = not self.settings.protected or self.settings.accepts(token)
        except ConfigurationError as error:  # perhaps an editor is replacing the file
            logger.warning("%s", error)
            raise HTTPException(503, "The server can't read its tokens.") from None
        if not is_accepted:
            raise HTTPException(401, "The bearer token is missing or wrong.")
        if not self.settings.protected and "origin" in request.headers:
            # Any web site that a user visits could send requests to the user's machine.
            raise HTTPException(403, f"Set ${TOKEN_VARIABLE} before browsers may use the server.")
        return None

    async def _verified_user(self, token: str, authenticate: Authenticate) -> str:
        try:
            user = authenticate(token)
            if inspect.isawaitable(user):
                user = await user
        except Exception as error:  # its text may hold the token
            logger.warning("authenticate failed with %s.", type(error).__qualname__)
            user = None
        if user is None:
            raise HTTPException(401, "The bearer token is not valid.")
        return user

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.settings.max_request_bytes:
                limit = self.settings.max_request_bytes
                raise HTTPException(413, f"The request is larger than {limit} bytes.")
        return bytes(body)


async def _error_response(request: Request, error: Exception) -> Response:
    """The response to a refused request."""
    match error:
        case HTTPException():
            status, message = error.status_code, error.detail
        case ClientDisconnect():
            status, message = 400, "The request is not complete."
        case NotFoundError():
            status, message = 404, str(error)
        case ValidationError():
            fault = error.errors(include_input=False, include_url=False)[0]
            path = ".".join(map(str, fault["loc"]))  # empty for invalid JSON
            reason = ": ".join(filter(None, (path, fault["msg"])))
            status, message = 400, f"The request is not valid: {reason}"
        case DataError():
            status, message = 400, "The database can't hold a value of the request."
        case _:
            logger.warning("The database can't be used: %s.", type(error).__name__)
            status, message = 503, "The database can't be used."
    headers = {"retry-after": RETRY_AFTER} if status == 503 else None
    return JSONResponse({"error": {"message": message}}, status, headers)
