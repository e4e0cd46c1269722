"""The simulator's one router: it records a request, checks it, and answers or fails."""

from __future__ import annotations

import json
import secrets
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ._endpoints import ENDPOINTS
from ._requests import APIError
from ._store import RecordedRequest, Store
from ._stream import EventStream

_BETA = "chatkit_beta=v1"


def build_app(store: Store) -> Starlette:
    """The ASGI application of a simulator."""
    routes = [
        Route(path, partial(_respond, store, name), methods=[method])
        for name, (method, path, _) in ENDPOINTS.items()
    ]
    unknown = partial(_respond_unknown, store)
    return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})


async def _respond_unknown(store: Store, request: Request, _: Exception) -> Response:
    return _invalid_url(await _record(store, request)).response


async def _respond(store: Store, name: str, request: Request) -> Response:
    recorded = await _record(store, request)
    kind = str(recorded.json.get("type")) if isinstance(recorded.json, dict) else ""
    fault = store.take_fault(name, kind)
    if fault is not None and not fault.taken:
        return fault.response
    try:
        _check(store, name, recorded)
        answer = ENDPOINTS[name][2](store, recorded, request.path_params.get("id", ""))
        response = answer if isinstance(answer, Response) else JSONResponse(answer)
    except APIError as error:
        response = error.response
    if fault is not None:
        if isinstance(response, EventStream):
            response.hang_up()  # its client gets the failure instead
        response = fault.response
    response.headers.setdefault("x-request-id", f"req_sim_{secrets.token_hex(4)}")
    return response


async def _record(store: Store, request: Request) -> RecordedRequest:
    body = await request.body()
    try:
        data = json.loads(body)
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
