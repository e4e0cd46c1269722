"""The endpoints under ``/sessions``: sessions, and the session messages protocol."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints

from ._http import APIError, ListQuery, Strict, invalid_url, listed, page, read, read_body
from ._store import Item, RecordedRequest, Session, Store

# --- requests -----------------------------------------------------------------------------------

_Text = Annotated[StrictStr, StringConstraints(min_length=1)]


class _Switch(Strict):
    enabled: StrictBool = True


class _Workflow(Strict):
    id: _Text
    version: _Text | None = None
    state_variables: dict[str, StrictStr | StrictBool | StrictInt | StrictFloat] | None = None
    tracing: _Switch = _Switch()


class _ExpiresAfter(Strict):
    anchor: Literal["created_at"]
    seconds: Annotated[StrictInt, Field(ge=1)]


class _RateLimits(Strict):
    max_requests_per_1_minute: Annotated[StrictInt, Field(ge=1)] = 10


class _FileUpload(Strict):
    enabled: StrictBool = False
    max_file_size: StrictInt | None = None
    max_files: StrictInt | None = None


class _History(Strict):
    enabled: StrictBool = True
    recent_threads: StrictInt | None = None


class _ChatKitConfiguration(Strict):
    automatic_thread_titling: _Switch = _Switch()
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


class _MessageQuery(ListQuery):
    limit: Annotated[int, Field(ge=1, le=100)] = 20


# --- endpoints ----------------------------------------------------------------------------------


class Sessions:
    """The endpoints under ``/sessions``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self, request: RecordedRequest, _: str) -> dict[str, Any]:
        new = read_body(_NewSession, request)
        workflows, workflow_id = self._store.workflow_ids, new.workflow.id
        if not (workflow_id.startswith("wf_") if workflows is None else workflow_id in workflows):
            raise APIError(404, f"No workflow found with id '{workflow_id}'.")
        data: dict[str, Any] = {
            "id": self._store.new_id("cksess"),
            "object": "chatkit.session",
            "status": "active",
            "user": new.user,
            "client_secret": f"ek_sim_{secrets.token_hex(8)}",
            "expires_at": int(time.time()) + new.expires_after.seconds,
            "workflow": new.workflow.model_dump(),
            "rate_limits": new.rate_limits.model_dump(),
            "max_requests_per_1_minute": new.rate_limits.max_requests_per_1_minute,
            "chatkit_configuration": new.chatkit_configuration.model_dump(),
        }
        self._store.sessions[data["id"]] = Session(data)
        return data

    def cancel(self, _: RecordedRequest, session_id: str) -> dict[str, Any]:
        session = self._session(session_id)
        session.data["status"] = "cancelled"
        return session.data

    def send_message(self, request: RecordedRequest, session_id: str) -> dict[str, Any]:
        session = self._session_with_messages(request, session_id)
        new = read_body(_NewMessage, request)
        content = [part.model_dump() for part in new.content]
        item = self._message(session_id, "user_message", content)
        run = self._store.start_run("".join(part.text for part in new.content))
        session.turns.append((item, run))
        return _as_message(item)

    def list_messages(self, request: RecordedRequest, session_id: str) -> dict[str, Any]:
        session = self._session_with_messages(request, session_id)
        query = read(_MessageQuery, request.query)
        items: list[Item] = []
        for message, run in session.turns:
            run.polls += 1
            items.append(message)
            for post in run.visible():
                if post.item is None:
                    content = [{"type": "output_text", "text": post.text, "annotations": []}]
                    post.item = self._message(session_id, "assistant_message", content)
                items.append(post.item)
        messages, more = page(items, query)
        return listed([_as_message(item) for item in messages], more)

    def _session(self, session_id: str) -> Session:
        session = self._store.sessions.get(session_id)
        if session is None:
            raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
        return session

    def _session_with_messages(self, request: RecordedRequest, session_id: str) -> Session:
        if not self._store.messages_endpoint:
            raise invalid_url(request)
        return self._session(session_id)

    def _message(self, session_id: str, kind: str, content: list[dict[str, Any]]) -> Item:
        return Item(self._store.new_id("msg"), session_id, kind, {"content": content})


def _as_message(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "object": "chatkit.message",
        "role": item.type.removesuffix("_message"),
        "created_at": int(item.created.timestamp()),
        **item.fields,
    }
