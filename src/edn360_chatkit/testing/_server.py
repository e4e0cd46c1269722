"""The simulator's one router: it records a request, checks it, and answers or fails."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ._conversation import Conversation
from ._http import APIError, invalid_url
from ._rest import Threads
from ._sessions import Sessions
from ._store import Fault, RecordedRequest, Store
from ._stream import EventStream

PREFIX = "/v1/chatkit"
SERVER_PATH = "/chatkit"
_BETA = "chatkit_beta=v1"

_Handler = Callable[[RecordedRequest, str], dict[str, Any] | Response]


def build_app(store: Store) -> Starlette:
    """The ASGI application of a simulator."""
    sessions, threads, conversation = Sessions(store), Threads(store), Conversation(store)

    def route(method: str, path: str, name: str, handler: _Handler) -> Route:
        return Route(path, partial(_endpoint, store, name, handler), methods=[method])

    def with_key(method: str, path: str, name: str, handler: _Handler) -> Route:
        return route(method, PREFIX + path, name, partial(_with_key, store, handler))

    async def unknown(request: Request, _: Exception) -> Response:
        store.requests.append(recorded := await _record(request))
        return invalid_url(recorded).response()

    return Starlette(
        routes=[
            with_key("POST", "/sessions", "create_session", sessions.create),
            with_key("POST", "/sessions/{id}/cancel", "cancel_session", sessions.cancel),
            with_key("POST", "/sessions/{id}/messages", "send_message", sessions.send_message),
            with_key("GET", "/sessions/{id}/messages", "list_messages", sessions.list_messages),
            with_key("GET", "/threads", "list_threads", threads.list),
            with_key("GET", "/threads/{id}", "retrieve_thread", threads.retrieve),
            with_key("DELETE", "/threads/{id}", "delete_thread", threads.delete),
            with_key("GET", "/threads/{id}/items", "list_items", threads.items),
            route("POST", f"{PREFIX}/conversation", "conversation", conversation.hosted),
            route("POST", SERVER_PATH, "server", conversation.self_hosted),
        ],
        exception_handlers={404: unknown, 405: unknown},
    )


async def _endpoint(store: Store, name: str, handler: _Handler, request: Request) -> Response:
    recorded = await _record(request)
    store.requests.append(recorded)
    kind = recorded.json.get("type") if isinstance(recorded.json, dict) else None
    fault = store.take_fault(name, str(kind))
    if fault is not None and not fault.taken:
        return _failure(fault)
    try:
        if name != "server":
            _check_content_type(recorded)
        answer = handler(recorded, request.path_params.get("id", ""))
        response = answer if isinstance(answer, Response) else JSONResponse(answer)
    except APIError as error:
        response = error.response()
    if fault is not None:
        if isinstance(response, EventStream):
            response.hang_up()  # its client gets the failure instead
        response = _failure(fault)
    response.headers.setdefault("x-request-id", f"req_sim_{secrets.token_hex(4)}")
    return response


async def _record(request: Request) -> RecordedRequest:
    body = await request.body()
    try:
        data = json.loads(body) if body else None
    except ValueError:
        data = None
    query, headers = dict(request.query_params), dict(request.headers)
    return RecordedRequest(request.method, request.url.path, query, headers, body, data)


def _with_key(
    store: Store, handler: _Handler, request: RecordedRequest, path_id: str
) -> dict[str, Any] | Response:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    same = secrets.compare_digest(key.encode(), store.api_key.encode())
    if scheme.lower() != "bearer" or not same:
        raise APIError(401, "Incorrect API key provided.", code="invalid_api_key")
    if _BETA not in request.headers.get("openai-beta", ""):
        text = f"You must provide the 'OpenAI-Beta' header: 'OpenAI-Beta: {_BETA}'."
        raise APIError(400, text, code="invalid_beta")
    return handler(request, path_id)


def _check_content_type(request: RecordedRequest) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if request.body and kind != "application/json":
        text = f"Unsupported content type: '{kind}'. Use 'application/json'."
        raise APIError(400, text, code="content_type")


def _failure(fault: Fault) -> Response:
    if fault.status is None:
        # A body that is shorter than its announced length breaks the connection.
        return Response(b"{", headers={"content-length": "1000"}, media_type="application/json")
    if fault.body is not None:
        response = Response(fault.body, fault.status)
    else:
        response = APIError(fault.status, f"Simulated failure {fault.status}.").response()
    response.headers.update(dict(fault.headers))
    return response
