"""The simulator's one router: it records a request, checks it, and answers or fails."""

from __future__ import annotations

import json
import secrets
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import _endpoints as endpoints
from ._requests import APIError
from ._store import Fault, RecordedRequest, Store
from ._stream import EventStream

PREFIX = "/v1/chatkit"
SERVER_PATH = "/chatkit"
_BETA = "chatkit_beta=v1"

_ENDPOINTS: dict[str, tuple[str, str, endpoints.Endpoint]] = {
    "create_session": ("POST", f"{PREFIX}/sessions", endpoints.create_session),
    "cancel_session": ("POST", f"{PREFIX}/sessions/{{id}}/cancel", endpoints.cancel_session),
    "send_message": ("POST", f"{PREFIX}/sessions/{{id}}/messages", endpoints.send_message),
    "list_messages": ("GET", f"{PREFIX}/sessions/{{id}}/messages", endpoints.list_messages),
    "list_threads": ("GET", f"{PREFIX}/threads", endpoints.list_threads),
    "retrieve_thread": ("GET", f"{PREFIX}/threads/{{id}}", endpoints.retrieve_thread),
    "delete_thread": ("DELETE", f"{PREFIX}/threads/{{id}}", endpoints.delete_thread),
    "list_items": ("GET", f"{PREFIX}/threads/{{id}}/items", endpoints.list_items),
    "conversation": ("POST", f"{PREFIX}/conversation", endpoints.conversation),
    "server": ("POST", SERVER_PATH, endpoints.server),
}


def build_app(store: Store) -> Starlette:
    """The ASGI application of a simulator."""
    routes = [
        Route(path, partial(_respond, store, name), methods=[method])
        for name, (method, path, _) in _ENDPOINTS.items()
    ]
    unknown = partial(_respond_unknown, store)
    return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})


async def _respond_unknown(store: Store, request: Request, _: Exception) -> Response:
    return _invalid_url(await _record(store, request)).response


async def _respond(store: Store, name: str, request: Request) -> Response:
    recorded = await _record(store, request)
    match recorded.json:
        case {"type": str(kind)}:
            fault = store.take_fault(name, kind)
        case _:
            fault = store.take_fault(name)
    if fault is not None and not fault.taken:
        return _failure(fault)
    try:
        _check(store, name, recorded)
        answer = _ENDPOINTS[name][2](store, recorded, request.path_params.get("id", ""))
        response = answer if isinstance(answer, Response) else JSONResponse(answer)
    except APIError as error:
        response = error.response
    if fault is not None:
        if isinstance(response, EventStream):
            response.hang_up()  # its client gets the failure instead
        response = _failure(fault)
    response.headers.setdefault("x-request-id", f"req_sim_{secrets.token_hex(4)}")
    return response


async def _record(store: Store, request: Request) -> RecordedRequest:
    body = await request.body()
    try:
        data = json.loads(body) if body else None
    except ValueError:
        data = None
    query, headers = dict(request.query_params), dict(request.headers)
    recorded = RecordedRequest(request.method, request.url.path, query, headers, body, data)
    store.requests.append(recorded)
    return recorded


def _check(store: Store, name: str, request: RecordedRequest) -> None:
    headers = request.headers
    if name not in ("conversation", "server"):
        if headers.get("authorization") != f"Bearer {store.api_key}":
            raise APIError(401, "Incorrect API key provided.", code="invalid_api_key")
        if _BETA not in headers.get("openai-beta", ""):
            text = f"You must provide the 'OpenAI-Beta' header: 'OpenAI-Beta: {_BETA}'."
            raise APIError(400, text, code="invalid_beta")
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if request.body and kind != "application/json" and name != "server":
        text = f"Unsupported content type: '{kind}'. Use 'application/json'."
        raise APIError(400, text, code="content_type")
    if name in ("send_message", "list_messages") and not store.messages_endpoint:
        raise _invalid_url(request)


def _invalid_url(request: RecordedRequest) -> APIError:
    return APIError(404, f"Invalid URL ({request.method} {request.path})")


def _failure(fault: Fault) -> Response:
    if fault.status is None:
        # A body that is shorter than its announced length breaks the connection.
        return Response(b"{", headers={"content-length": "1000"}, media_type="application/json")
    response: Response = APIError(fault.status, f"Simulated failure {fault.status}.").response
    if fault.body is not None:
        response = Response(fault.body, fault.status)
    response.headers.update(dict(fault.headers))
    return response
