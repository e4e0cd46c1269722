"""OpenAI's own ``ChatKitServer`` behind real HTTP, with answers scripted by the test.

It is self-hosted at ``/chatkit``. It is also hosted, with sessions, client secrets and the REST
endpoints that read a broken run. A test can cut the next stream at any byte.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import uvicorn
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    Attachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Script = Callable[[ThreadMetadata, UserMessageItem], AsyncIterator[Any]]


class MemoryStore(Store[str]):
    """Threads and items in memory, by user."""

    def __init__(self) -> None:
        self.threads: dict[str, tuple[str, ThreadMetadata]] = {}
        self.items: dict[str, list[ThreadItem]] = {}

    async def load_thread(self, thread_id: str, context: str) -> ThreadMetadata:
        if thread_id not in self.threads:
            raise NotFoundError(thread_id)
        return self.threads[thread_id][1]

    async def save_thread(self, thread: ThreadMetadata, context: str) -> None:
        self.threads[thread.id] = (context, thread)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: str
    ) -> Page[ThreadItem]:
        return page(self.items.get(thread_id, []), after, limit, order)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: str
    ) -> Page[ThreadMetadata]:
        mine = [thread for user, thread in self.threads.values() if user == context]
        return page(mine, after, limit, order)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: str) -> None:
        self.items.setdefault(thread_id, []).append(item)

    async def save_item(self, thread_id: str, item: ThreadItem, context: str) -> None:
        items = self.items[thread_id]
        items[[stored.id for stored in items].index(item.id)] = item

    async def load_item(self, thread_id: str, item_id: str, context: str) -> ThreadItem:
        return next(item for item in self.items[thread_id] if item.id == item_id)

    async def delete_thread(self, thread_id: str, context: str) -> None:
        del self.threads[thread_id]

    async def delete_thread_item(self, thread_id: str, item_id: str, context: str) -> None:
        self.items[thread_id] = [i for i in self.items[thread_id] if i.id != item_id]

    async def save_attachment(self, attachment: Attachment, context: str) -> None:
        raise NotImplementedError

    async def load_attachment(self, attachment_id: str, context: str) -> Attachment:
        raise NotImplementedError

    async def delete_attachment(self, attachment_id: str, context: str) -> None:
        raise NotImplementedError


def page(rows: list[Any], after: str | None, limit: int, order: str) -> Page[Any]:
    ordered = rows if order == "asc" else rows[::-1]
    start = [row.id for row in ordered].index(after) + 1 if after else 0
    rows = ordered[start : start + limit]
    more = start + limit < len(ordered)
    return Page(data=rows, has_more=more, after=rows[-1].id if more else None)


class Scripted(ChatKitServer[str]):
    """OpenAI's server, whose runs yield the events of the test's script."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.script: Script | None = None
        self.runs = 0

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: str
    ) -> AsyncIterator[ThreadStreamEvent]:
        self.runs += 1
        assert self.script is not None
        assert input_user_message is not None
        async for event in self.script(thread, input_user_message):
            yield event

    async def handle_stream_cancelled(
        self, thread: ThreadMetadata, pending_items: list[ThreadItem], context: str
    ) -> None:
        pass


@dataclass
class ChatKitHost:
    """The server, in its own thread.

    Attributes:
        script: The events of the next runs.
        cut_at: The number of bytes after which the next stream breaks.
        finish_after_cut: Whether a run continues after its stream is cut.
        requests: Method and path of each request, or its type in the thread protocol.
        stream_bytes: The bytes of the last complete stream.
    """

    cut_at: int | None = None
    finish_after_cut: bool = True
    keep_alive: bool = False
    requests: list[str] = field(default_factory=list[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    stream_bytes: bytes = b""
    users: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.reset()
        self.api_key = "sk-simulated-key"
        routes = [
            Route("/chatkit", self.self_hosted, methods=["POST"]),
            Route("/v1/chatkit/sessions", self.create_session, methods=["POST"]),
            Route("/v1/chatkit/conversation", self.hosted, methods=["POST"]),
            Route("/v1/chatkit/threads", self.list_threads),
            Route("/v1/chatkit/threads/{thread_id}/items", self.list_items),
        ]
        app = Starlette(routes=routes, exception_handlers={404: self.unknown, 405: self.unknown})
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            app, lifespan="off", log_config=None, log_level="critical", timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(
            target=self.server.run, args=([listener],), daemon=True, name="chatkit-host"
        )
        self.thread.start()
        while not self.server.started:
            time.sleep(0.002)

    def reset(self) -> None:
        self.store = MemoryStore()
        self.chatkit = Scripted(self.store)
        self.cut_at, self.finish_after_cut, self.keep_alive = None, True, False
        self.requests, self.headers, self.users = [], [], {}

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chatkit"

    @property
    def server_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/chatkit"

    async def unknown(self, request: Request, error: Exception) -> Response:
        self.requests.append(f"{request.method} {request.url.path}")
        text = f"Invalid URL ({request.method} {request.url.path})"
        fault = {"message": text, "type": "invalid_request_error", "param": None, "code": None}
        return JSONResponse({"error": fault}, 404)

    async def create_session(self, request: Request) -> Response:
        self.requests.append("POST /sessions")
        number = len(self.users) + 1
        user = (await request.json())["user"]
        self.users[f"ek_test_{number}"] = user
        return JSONResponse(
            {"id": f"cksess_{number}", "client_secret": f"ek_test_{number}", "user": user}
        )

    async def hosted(self, request: Request) -> Response:
        secret = request.headers.get("authorization", "").removeprefix("Bearer ")
        if secret not in self.users:
            return JSONResponse({"error": {"message": "No.", "code": "invalid_secret"}}, 401)
        return await self.process(request, self.users[secret])

    async def self_hosted(self, request: Request) -> Response:
        metadata = json.loads(await request.body()).get("metadata") or {}
        return await self.process(request, metadata.get("user", "nobody"))

    async def process(self, request: Request, user: str) -> Response:
        body = await request.body()
        self.requests.append(json.loads(body)["type"])
        self.headers.append(dict(request.headers))
        result = await self.chatkit.process(body, user)
        if not isinstance(result, StreamingResult):
            return Response(result.json, media_type="application/json")
        cut, self.cut_at = self.cut_at, None
        return EventStream(self, result, cut)

    async def list_threads(self, request: Request) -> Response:
        self.requests.append("GET /threads")
        query = request.query_params
        rows = await self.store.load_threads(
            int(query["limit"]), query.get("after"), query["order"], query["user"]
        )
        return rest_page(rows)

    async def list_items(self, request: Request) -> Response:
        self.requests.append("GET /threads/items")
        query, thread_id = request.query_params, request.path_params["thread_id"]
        rows = await self.store.load_thread_items(
            thread_id, query.get("after"), int(query["limit"]), query["order"], ""
        )
        return rest_page(rows)


def rest_page(rows: Page[Any]) -> Response:
    data = [row.model_dump(mode="json") for row in rows.data]
    for row, made in zip(data, rows.data, strict=True):
        row["type"] = f"chatkit.{row.get('type')}"
        row["created_at"] = int(made.created_at.timestamp())
    last = data[-1]["id"] if data else None
    return JSONResponse({"data": data, "has_more": rows.has_more, "last_id": last})


class EventStream(Response):
    """A stream of OpenAI's server that may be cut at a byte."""

    def __init__(self, host: ChatKitHost, result: StreamingResult, cut: int | None) -> None:
        super().__init__()
        self.host = host
        self.result = result
        self.cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        data = b""
        remaining = self.cut
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        chunks: AsyncIterator[bytes] = self.result.__aiter__()  # type: ignore[no-untyped-call]
        async for chunk in chunks:
            if self.host.keep_alive:
                chunk = b": keep-alive\n\n" + chunk
            if remaining is not None and len(chunk) >= remaining:
                if remaining:
                    body = chunk[:remaining]
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                if self.host.finish_after_cut:
                    async for _ in chunks:
                        pass
                # Only the transport of the protocol object behind ``send`` can break a connection.
                send.__self__.transport.abort()  # type: ignore[attr-defined]  # pyright: ignore
                return
            remaining = None if remaining is None else remaining - len(chunk)
            data += chunk
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        self.host.stream_bytes = data
        with suppress(asyncio.CancelledError):
            await send({"type": "http.response.body", "body": b""})


def moment() -> datetime:
    return datetime.now(timezone.utc)
