"""OpenAI's REST endpoints: sessions and their messages, and a view of the hosted threads."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints

from ._http import APIError, ListQuery, Strict, T, page, read
from ._store import Item, RecordedRequest, Session, SessionRun, Store, Thread
from ._workflow import output_text

# Items of the thread protocol that these endpoints do not list.
_NOT_LISTED = ("end_of_turn", "generated_image", "structured_input")

_Text = Annotated[StrictStr, StringConstraints(min_length=1)]


class _Switch(Strict):
    enabled: StrictBool = True


class _Workflow(Strict):
    id: _Text
    version: _Text | None = None
    state_variables: dict[str, StrictStr | StrictBool | StrictInt | StrictFloat] | None = None
    tracing: _Switch = _Switch()


class _ExpiresAfter(Strict):
    anchor: Literal["created_at"] = "created_at"
    seconds: Annotated[StrictInt, Field(ge=1)] = 600


class _RateLimits(Strict):
    max_requests_per_1_minute: Annotated[StrictInt, Field(ge=1)] = 10


class _ChatKitConfiguration(Strict):
    automatic_thread_titling: _Switch = _Switch()
    file_upload: dict[str, Any] = {"enabled": False}
    history: dict[str, Any] = {"enabled": True}


class _NewSession(Strict):
    workflow: _Workflow
    user: _Text
    expires_after: _ExpiresAfter = _ExpiresAfter()
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


class _ThreadQuery(ListQuery):
    user: str | None = None


# --- sessions and their messages ------------------------------------------------------------------


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
    run = store.start_run("".join(part.text for part in new.content))
    session.runs.append(SessionRun(item, run))
    return _message(item)


def list_messages(store: Store, request: RecordedRequest, session_id: str) -> dict[str, Any]:
    """``GET /sessions/{id}/messages``."""
    session = store.session(session_id)
    query = read(_MessageQuery, request.query)
    messages: list[Item] = []
    for turn in session.runs:
        for text in turn.new_posts():
            fields = {"content": [output_text(text)]}
            turn.replies.append(Item(store.new_id("msg"), session_id, "assistant", fields))
        messages += [turn.message, *turn.replies]
    return _listed(messages, query, _message)


def _message(item: Item) -> dict[str, Any]:
    created = int(item.created.timestamp())
    head = {"id": item.id, "object": "chatkit.message", "role": item.type, "created_at": created}
    return {**head, **item.fields}


# --- threads and their items ----------------------------------------------------------------------


def list_threads(store: Store, request: RecordedRequest, _: str) -> dict[str, Any]:
    """``GET /threads``."""
    query = read(_ThreadQuery, request.query)
    return _listed(store.threads_of(query.user, hosted=True), query, _thread)


def retrieve_thread(store: Store, _: RecordedRequest, thread_id: str) -> dict[str, Any]:
    """``GET /threads/{id}``."""
    return _thread(store.thread(thread_id, None, hosted=True))


def delete_thread(store: Store, _: RecordedRequest, thread_id: str) -> dict[str, Any]:
    """``DELETE /threads/{id}``."""
    del store.threads[store.thread(thread_id, None, hosted=True).id]
    return {"id": thread_id, "object": "chatkit.thread.deleted", "deleted": True}


def list_items(store: Store, request: RecordedRequest, thread_id: str) -> dict[str, Any]:
    """``GET /threads/{id}/items``."""
    query = read(ListQuery, request.query)
    items = store.thread(thread_id, None, hosted=True).items
    return _listed([item for item in items if item.type not in _NOT_LISTED], query, _item)


def _listed(
    entries: Sequence[T], query: ListQuery, form: Callable[[T], dict[str, Any]]
) -> dict[str, Any]:
    entries, more = page(entries, query)
    data = [form(entry) for entry in entries]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "has_more": more, "first_id": first, "last_id": last}


def _thread(thread: Thread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "object": "chatkit.thread",
        "created_at": int(thread.created.timestamp()),
        "title": thread.title,
        "user": thread.user,
        "status": {"type": "active"},
    }


def _item(item: Item) -> dict[str, Any]:
    kind, fields = item.type, item.fields if item.rest_fields is None else item.rest_fields
    if kind == "user_message":
        quoted = fields.get("quoted_text")
        quotes = [{"type": "quoted_text", "text": quoted}] if quoted else []
        options = {"model": None, "tool_choice": None, **fields["inference_options"]}
        fields = {"attachments": [], "inference_options": options}
        fields["content"] = [*item.fields["content"], *quotes]
    elif kind == "workflow":
        kind = "task_group"
        tasks = fields["workflow"]["tasks"]
        names = {"type": "type", "heading": "title", "summary": "content"}
        fields = {"tasks": [{k: task.get(v) for k, v in names.items()} for task in tasks]}
    return {
        "id": item.id,
        "object": "chatkit.thread_item",
        "created_at": int(item.created.timestamp()),
        "thread_id": item.thread_id,
        "type": f"chatkit.{kind}",
        **fields,
    }
