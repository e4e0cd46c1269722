"""The endpoints under ``/sessions``: sessions, and the session messages protocol."""

from __future__ import annotations

import secrets
import time
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints

from ._answers import output_text
from ._http import APIError, ListQuery, Strict, listed, page, read
from ._store import Item, RecordedRequest, Session, Store

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


def create_session(store: Store, request: RecordedRequest, _: str) -> dict[str, Any]:
    """``POST /sessions``."""
    new = read(_NewSession, request.json)
    workflows, workflow_id = store.workflow_ids, new.workflow.id
    if not (workflow_id.startswith("wf_") if workflows is None else workflow_id in workflows):
        raise APIError(404, f"No workflow found with id '{workflow_id}'.")
    data: dict[str, Any] = {
        "id": store.new_id("cksess"),
        "object": "chatkit.session",
        "status": "active",
        "client_secret": f"ek_sim_{secrets.token_hex(8)}",
        "expires_at": int(time.time()) + new.expires_after.seconds,
        "max_requests_per_1_minute": new.rate_limits.max_requests_per_1_minute,
        **new.model_dump(exclude={"expires_after"}),
    }
    store.sessions[data["id"]] = Session(data)
    return data


def cancel_session(store: Store, _: RecordedRequest, session_id: str) -> dict[str, Any]:
    """``POST /sessions/{id}/cancel``."""
    session = store.session(session_id)
    session.data["status"] = "cancelled"
    return session.data


def send_message(store: Store, request: RecordedRequest, session_id: str) -> dict[str, Any]:
    """``POST /sessions/{id}/messages``."""
    session = store.session(session_id)
    new = read(_NewMessage, request.json)
    content = [part.model_dump() for part in new.content]
    item = Item(store.new_id("msg"), session_id, "user", {"content": content})
    session.turns.append((item, store.start_run("".join(part.text for part in new.content))))
    return _message(item)


def list_messages(store: Store, request: RecordedRequest, session_id: str) -> dict[str, Any]:
    """``GET /sessions/{id}/messages``."""
    session = store.session(session_id)
    query = read(_MessageQuery, request.query)
    items: list[Item] = []
    for message, run in session.turns:
        run.polls += 1
        items.append(message)
        for post in run.visible():
            if post.item is None:
                fields = {"content": [output_text(post.text)]}
                post.item = Item(store.new_id("msg"), session_id, "assistant", fields)
            items.append(post.item)
    messages, more = page(items, query)
    return listed([_message(item) for item in messages], more)


def _message(item: Item) -> dict[str, Any]:
    created = int(item.created.timestamp())
    head = {"id": item.id, "object": "chatkit.message", "role": item.type, "created_at": created}
    return {**head, **item.fields}
