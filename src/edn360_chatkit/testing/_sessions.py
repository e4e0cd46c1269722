"""The simulator's sessions, and the session messages protocol."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ._host import Host, Session
from ._wire import APIError, Ids, Strict, invalid_url, listed, read, read_json, read_query, select

# --- what the API takes ---------------------------------------------------------------------

_Text = Annotated[StrictStr, StringConstraints(min_length=1)]


class _Tracing(Strict):
    enabled: StrictBool = True


class _Workflow(Strict):
    id: _Text
    version: _Text | None = None
    state_variables: dict[str, StrictStr | StrictBool | StrictInt | StrictFloat] | None = None
    tracing: _Tracing = _Tracing()


class _ExpiresAfter(Strict):
    anchor: Literal["created_at"]
    seconds: Annotated[StrictInt, Field(ge=1)]


class _RateLimits(Strict):
    max_requests_per_1_minute: Annotated[StrictInt, Field(ge=1)] = 10


class _Enabled(Strict):
    enabled: StrictBool = True


class _FileUpload(Strict):
    enabled: StrictBool = False
    max_file_size: StrictInt | None = None
    max_files: StrictInt | None = None


class _History(Strict):
    enabled: StrictBool = True
    recent_threads: StrictInt | None = None


class _ChatKitConfiguration(Strict):
    automatic_thread_titling: _Enabled = _Enabled()
    file_upload: _FileUpload = _FileUpload()
    history: _History = _History()


class _NewSession(Strict):
    workflow: _Workflow
    user: _Text
    expires_after: _ExpiresAfter = _ExpiresAfter(anchor="created_at", seconds=600)
    rate_limits: _RateLimits = _RateLimits()
    chatkit_configuration: _ChatKitConfiguration = _ChatKitConfiguration()


class _InputText(Strict):
    type: Literal["input_text"]
    text: StrictStr


class _NewMessage(Strict):
    role: Literal["user"]
    content: Annotated[list[_InputText], Field(min_length=1)]


# --- what the API does ----------------------------------------------------------------------


class Sessions:
    """The endpoints under ``/sessions``."""

    def __init__(self, host: Host, ids: Ids) -> None:
        self._host = host
        self._ids = ids

    async def create(self, request: Request) -> Response:
        asked = read(_NewSession, read_json(await request.body()))
        known = self._host.workflow_ids
        workflow_id = asked.workflow.id
        if not (workflow_id in known if known is not None else workflow_id.startswith("wf_")):
            raise APIError(404, f"No workflow found with id '{workflow_id}'.")
        limits = asked.rate_limits.model_dump()
        data: dict[str, Any] = {
            "id": self._ids("cksess"),
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

    async def cancel(self, request: Request) -> Response:
        session = self._session(request)
        session.data["status"] = "cancelled"
        return JSONResponse(session.data)

    def _check_messages_endpoint(self, request: Request) -> None:
        if not self._host.messages_endpoint:
            raise invalid_url(request.method, request.url.path)

    async def send_message(self, request: Request) -> Response:
        self._check_messages_endpoint(request)
        session = self._session(request)
        asked = read(_NewMessage, read_json(await request.body()))
        item = self._message("user", [part.model_dump() for part in asked.content])
        text = "".join(part.text for part in asked.content)
        session.turns.append((item, self._host.start_run(text)))
        return JSONResponse(item)

    async def list_messages(self, request: Request) -> Response:
        self._check_messages_endpoint(request)
        session = self._session(request)
        asked = read_query(request.query_params, least=1)
        items: list[dict[str, Any]] = []
        for message, run in session.turns:
            run.polls += 1
            items.append(message)
            for post in run.visible():
                if post.item is None:
                    post.item = self._message(
                        "assistant", [{"type": "output_text", "text": post.text, "annotations": []}]
                    )
                items.append(post.item)
        return listed(*select(items, asked, lambda item: item["id"]))

    def _message(self, role: str, content: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._ids("msg"),
            "object": "chatkit.message",
            "role": role,
            "created_at": int(time.time()),
            "content": content,
        }
