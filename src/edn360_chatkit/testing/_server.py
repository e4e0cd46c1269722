"""The simulator's HTTP side: sessions, their messages, and what the API enforces.

Statuses and messages follow what OpenAI's API is known to answer. The wire's shapes are checked
with models of their own, so that nothing here leans on the code under test.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
)
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PREFIX = "/v1/chatkit"
BETA = "chatkit_beta=v1"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the simulator got.

    Attributes:
        method: The HTTP method.
        path: The path, as it was decoded.
        query: The query's parameters.
        headers: The headers, names in lower case.
        body: The raw body.
        json: The body, parsed; ``None`` where there is none.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that is set for a request; see ``ChatKitSimulator.fail_next``."""

    endpoint: str
    status: int | None
    taken: bool
    headers: Mapping[str, str]
    body: str | None


@dataclass(slots=True)
class Post:
    """A message that the workflow posts; it gets its id when it is first seen."""

    text: str
    item: dict[str, Any] | None = None


@dataclass(slots=True)
class Run:
    """What a workflow posts for one message, and when."""

    started: float
    delay: float
    empty_polls: int
    posts: list[Post]
    polls: int = 0

    def visible(self) -> list[Post]:
        """The posts that are there by now. The last one is the answer, the others lead to it."""
        elapsed = time.monotonic() - self.started
        shown: list[Post] = []
        for place, post in enumerate(self.posts, start=1):
            share = place / len(self.posts)
            if elapsed >= self.delay * share and self.polls > self.empty_polls * share:
                shown.append(post)
        return shown


@dataclass(slots=True)
class Session:
    """A session, its user messages and their runs, oldest first."""

    data: dict[str, Any]
    turns: list[tuple[dict[str, Any], Run]] = field(
        default_factory=list[tuple[dict[str, Any], Run]]
    )


class Host(Protocol):
    """What the server needs of the simulator."""

    api_key: str
    workflow_ids: Sequence[str] | None
    sessions: dict[str, Session]

    def record(self, request: RecordedRequest) -> None: ...
    def take_fault(self, endpoint: str) -> Fault | None: ...
    def start_run(self, text: str) -> Run: ...


class APIError(Exception):
    """An error answer, in the shape of OpenAI's API."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def response(self) -> JSONResponse:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, self.status)


# --- what the API takes ---------------------------------------------------------------------

_Text = Annotated[StrictStr, StringConstraints(min_length=1)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Tracing(_Wire):
    enabled: StrictBool = True


class _Workflow(_Wire):
    id: _Text
    version: _Text | None = None
    state_variables: dict[str, StrictStr | StrictBool | StrictInt | StrictFloat] | None = None
    tracing: _Tracing = _Tracing()


class _ExpiresAfter(_Wire):
    anchor: Literal["created_at"]
    seconds: Annotated[StrictInt, Field(ge=1)]


class _RateLimits(_Wire):
    max_requests_per_1_minute: Annotated[StrictInt, Field(ge=1)] = 10


class _Enabled(_Wire):
    enabled: StrictBool = True


class _FileUpload(_Wire):
    enabled: StrictBool = False
    max_file_size: StrictInt | None = None
    max_files: StrictInt | None = None


class _History(_Wire):
    enabled: StrictBool = True
    recent_threads: StrictInt | None = None


class _ChatKitConfiguration(_Wire):
    automatic_thread_titling: _Enabled = _Enabled()
    file_upload: _FileUpload = _FileUpload()
    history: _History = _History()


class _NewSession(_Wire):
    workflow: _Workflow
    user: _Text
    expires_after: _ExpiresAfter = _ExpiresAfter(anchor="created_at", seconds=600)
    rate_limits: _RateLimits = _RateLimits()
    chatkit_configuration: _ChatKitConfiguration = _ChatKitConfiguration()


class _InputText(_Wire):
    type: Literal["input_text"]
    text: StrictStr


class _NewMessage(_Wire):
    role: Literal["user"]
    content: Annotated[list[_InputText], Field(min_length=1)]


_W = TypeVar("_W", bound=_Wire)


def _read(model: type[_W], body: bytes) -> _W:
    try:
        data = json.loads(body)
    except ValueError:
        raise APIError(400, "We could not parse the JSON body of your request.") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
    param = ""
    for part in fault["loc"]:
        param += f"[{part}]" if isinstance(part, int) else f".{part}"
    param = param.lstrip(".")
    if fault["type"] == "extra_forbidden":
        raise APIError(400, f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")
    if fault["type"] == "missing":
        raise APIError(
            400,
            f"Missing required parameter: '{param}'.",
            param=param,
            code="missing_required_parameter",
        )
    raise APIError(
        400, f"Invalid value for '{param}': {fault['msg']}.", param=param, code="invalid_value"
    )


# --- what the API does ----------------------------------------------------------------------


class _API:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._numbers = itertools.count(1)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_sim{next(self._numbers):06d}"

    async def create_session(self, request: Request) -> Response:
        asked = _read(_NewSession, await request.body())
        known = self._host.workflow_ids
        workflow_id = asked.workflow.id
        if not (workflow_id in known if known is not None else workflow_id.startswith("wf_")):
            raise APIError(404, f"No workflow found with id '{workflow_id}'.")
        limits = asked.rate_limits.model_dump()
        data: dict[str, Any] = {
            "id": self._id("cksess"),
            "object": "chatkit.session",
            "status": "active",
            "user": asked.user,
            "client_secret": f"ek_sim_{secrets.token_hex(8)}",
            "expires_at": int(time.time()) + asked.expires_after.seconds,
            "workflow": asked.workflow.model_dump(),
            "rate_limits": limits,
            "max_requests_per_1_minute": limits["max_requests_per_1_minute"],
            "chatkit_configuration": asked.chatkit_configuration.model_dump(),
        }
        self._host.sessions[data["id"]] = Session(data)
        return JSONResponse(data)

    def _session(self, request: Request) -> Session:
        session_id = request.path_params["session_id"]
        session = self._host.sessions.get(session_id)
        if session is None:
            raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
        return session

    async def cancel_session(self, request: Request) -> Response:
        session = self._session(request)
        session.data["status"] = "cancelled"
        return JSONResponse(session.data)

    async def send_message(self, request: Request) -> Response:
        session = self._session(request)
        asked = _read(_NewMessage, await request.body())
        item = self._message("user", [part.model_dump() for part in asked.content])
        text = "".join(part.text for part in asked.content)
        session.turns.append((item, self._host.start_run(text)))
        return JSONResponse(item)

    async def list_messages(self, request: Request) -> Response:
        session = self._session(request)
        limit, order = _page(request.query_params)
        items: list[dict[str, Any]] = []
        for message, run in session.turns:
            run.polls += 1
            items.append(message)
            for post in run.visible():
                if post.item is None:
                    content: list[dict[str, Any]] = [
                        {"type": "output_text", "text": post.text, "annotations": []}
                    ]
                    post.item = self._message("assistant", content)
                items.append(post.item)
        if order == "desc":
            items.reverse()
        page = items[:limit]
        return JSONResponse(
            {
                "object": "list",
                "data": page,
                "has_more": len(items) > limit,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
            }
        )

    def _message(self, role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id("msg"),
            "object": "chatkit.message",
            "role": role,
            "created_at": int(time.time()),
            "content": content,
        }


def _page(query: Mapping[str, str]) -> tuple[int, str]:
    for name in query:
        if name not in ("limit", "order", "after", "before"):
            raise APIError(
                400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )
    limit, order = query.get("limit", "20"), query.get("order", "desc")
    if not limit.isdecimal() or not 1 <= int(limit) <= 100:
        raise APIError(400, "Invalid value for 'limit'.", param="limit", code="invalid_value")
    if order not in ("asc", "desc"):
        raise APIError(400, "Invalid value for 'order'.", param="order", code="invalid_value")
    return int(limit), order


# --- the door -------------------------------------------------------------------------------

_Handler = Callable[[Request], Awaitable[Response]]


def _check(request: Request, host: Host) -> None:
    """What holds for every request."""
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


def build_app(host: Host) -> Starlette:
    """The ASGI application for a simulator."""
    api = _API(host)

    async def write_down(request: Request) -> None:
        body = await request.body()
        try:
            data = json.loads(body) if body else None
        except ValueError:
            data = None
        host.record(
            RecordedRequest(
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                headers=dict(request.headers),
                body=body,
                json=data,
            )
        )

    def endpoint(name: str, handler: _Handler) -> _Handler:
        async def answer(request: Request) -> Response:
            await write_down(request)
            fault = host.take_fault(name)
            if fault is not None and not fault.taken:
                return _failure(fault)
            try:
                _check(request, host)
                await _check_body(request)
                response = await handler(request)
            except APIError as error:
                response = error.response()
            response = response if fault is None else _failure(fault)
            response.headers.setdefault("x-request-id", f"req_sim_{secrets.token_hex(4)}")
            return response

        return answer

    async def unknown(request: Request, error: Exception) -> Response:
        await write_down(request)
        status = error.status_code if isinstance(error, HTTPException) else 500
        path = f"{request.method} {request.url.path}"
        if status in (404, 405):
            return APIError(404, f"Invalid URL ({path})").response()
        return APIError(status, "The server had an error.").response()

    def route(path: str, name: str, handler: _Handler, method: str) -> Route:
        return Route(PREFIX + path, endpoint(name, handler), methods=[method])

    return Starlette(
        routes=[
            route("/sessions", "create_session", api.create_session, "POST"),
            route("/sessions/{session_id}/cancel", "cancel_session", api.cancel_session, "POST"),
            route("/sessions/{session_id}/messages", "send_message", api.send_message, "POST"),
            route("/sessions/{session_id}/messages", "list_messages", api.list_messages, "GET"),
        ],
        exception_handlers={404: unknown, 405: unknown},
    )
