"""The simulator's door: which requests come in, what is checked, and what is set to fail."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ._host import Fault, Host, RecordedRequest
from ._rest import Threads
from ._sessions import Sessions
from ._stream import EventStream
from ._threads import ThreadProtocol
from ._wire import APIError, Ids, invalid_url

PREFIX = "/v1/chatkit"
SERVER_PATH = "/chatkit"
BETA = "chatkit_beta=v1"

_Handler = Callable[[Request], Awaitable[Response]]


def _check(request: Request, host: Host) -> None:
    """What holds for every request with the API key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secrets.compare_digest(
        key.encode(), host.api_key.encode()
    ):
        raise APIError(401, "Incorrect API key provided.", code="invalid_api_key")
    if BETA not in request.headers.get("openai-beta", ""):
        raise APIError(
            400,
            f"You must provide the 'OpenAI-Beta' header: 'OpenAI-Beta: {BETA}'.",
            code="invalid_beta",
        )


async def _check_body(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if await request.body() and kind != "application/json":
        raise APIError(
            400, f"Unsupported content type: '{kind}'. Use 'application/json'.", code="content_type"
        )


def _failure(fault: Fault) -> Response:
    if fault.status is None:
        # It promises more than it sends, and the server then hangs up: the answer is lost.
        return Response(b"{", headers={"content-length": "1000"}, media_type="application/json")
    if fault.body is not None:
        response = Response(fault.body, fault.status)
    else:
        response = APIError(fault.status, f"Simulated failure {fault.status}.").response()
    response.headers.update(dict(fault.headers))
    return response


async def _record(request: Request) -> RecordedRequest:
    body = await request.body()
    try:
        data = json.loads(body) if body else None
    except ValueError:
        data = None
    return RecordedRequest(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        headers=dict(request.headers),
        body=body,
        json=data,
    )


def _request_type(data: Any) -> str:
    """What a request of the thread protocol says that it is."""
    return str(data.get("type")) if isinstance(data, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def build_app(host: Host) -> Starlette:
    """The ASGI application for a simulator."""
    ids = Ids()
    sessions, threads, protocol = Sessions(host, ids), Threads(host), ThreadProtocol(host, ids)

    def endpoint(name: str, handler: _Handler) -> _Handler:
        async def answer(request: Request) -> Response:
            recorded = await _record(request)
            host.record(recorded)
            fault = host.take_fault(name, _request_type(recorded.json))
            if fault is not None and not fault.taken:
                return _failure(fault)
            try:
                response = await handler(request)
            except APIError as error:
                response = error.response()
            if fault is not None:
                if isinstance(response, EventStream):
                    response.hang_up()  # nobody will read it
                response = _failure(fault)
            response.headers.setdefault("x-request-id", f"req_sim_{secrets.token_hex(4)}")
            return response

        return answer

    def with_key(handler: _Handler) -> _Handler:
        async def checked(request: Request) -> Response:
            _check(request, host)
            await _check_body(request)
            return await handler(request)

        return checked

    async def conversation(request: Request) -> Response:
        await _check_body(request)
        return await protocol.conversation(request)

    async def unknown(request: Request, error: Exception) -> Response:
        host.record(await _record(request))
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status in (404, 405):
            return invalid_url(request.method, request.url.path).response()
        return APIError(status, "The server had an error.").response()

    def route(path: str, name: str, handler: _Handler, method: str) -> Route:
        return Route(PREFIX + path, endpoint(name, with_key(handler)), methods=[method])

    return Starlette(
        routes=[
            route("/sessions", "create_session", sessions.create, "POST"),
            route("/sessions/{session_id}/cancel", "cancel_session", sessions.cancel, "POST"),
            route("/sessions/{session_id}/messages", "send_message", sessions.send_message, "POST"),
            route(
                "/sessions/{session_id}/messages", "list_messages", sessions.list_messages, "GET"
            ),
            route("/threads", "list_threads", threads.list, "GET"),
            route("/threads/{thread_id}", "retrieve_thread", threads.retrieve, "GET"),
            route("/threads/{thread_id}", "delete_thread", threads.delete, "DELETE"),
            route("/threads/{thread_id}/items", "list_items", threads.items, "GET"),
            Route(
                PREFIX + "/conversation",
                endpoint("conversation", conversation),
                methods=["POST"],
            ),
            Route(SERVER_PATH, endpoint("server", protocol.server), methods=["POST"]),
        ],
        exception_handlers={404: unknown, 405: unknown},
    )
