"""The endpoints: OpenAI's REST API, and ChatKit's thread protocol, hosted and self-hosted.

The answers of the thread protocol are those of the published ``openai-chatkit`` package.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from starlette.responses import Response

from ._requests import (
    APIError,
    Envelope,
    ListParams,
    ListQuery,
    NewMessage,
    NewSession,
    Params,
    ThreadQuery,
    read,
)
from ._store import Item, RecordedRequest, Session, Store, T, Thread, page
from ._stream import EventStream, Turn, item_data, new_item, thread_data
from ._workflow import output_text

Data = dict[str, Any]
Endpoint = Callable[[Store, RecordedRequest, str], Data | Response]

_CONFIGURATION = {
    "automatic_thread_titling": {"enabled": True},
    "file_upload": {"enabled": False},
    "history": {"enabled": True},
}
# Items of the thread protocol that OpenAI's API does not list.
_NOT_LISTED = ("end_of_turn", "generated_image", "structured_input")
_REQUIRED = {
    "threads.create": ("input",),
    "threads.add_user_message": ("input", "thread_id"),
    "threads.get_by_id": ("thread_id",),
    "threads.list": (),
    "threads.delete": ("thread_id",),
    "items.list": ("thread_id",),
}


def create_session(store: Store, request: RecordedRequest, _: str) -> Data:
    new = read(NewSession, request.json)
    workflows, workflow_id = store.workflow_ids, new.workflow.id
    if not (workflow_id.startswith("wf_") if workflows is None else workflow_id in workflows):
        raise APIError(404, f"No workflow found with id '{workflow_id}'.")
    limit = new.rate_limits.get("max_requests_per_1_minute", 10)
    data: Data = {
        "id": store.new_id("cksess"),
        "object": "chatkit.session",
        "status": "active",
        "client_secret": f"ek_sim_{secrets.token_hex(8)}",
        "expires_at": int(time.time()) + new.expires_after.seconds,
        "user": new.user,
        "workflow": new.workflow.model_dump(),
        "rate_limits": {"max_requests_per_1_minute": limit},
        "max_requests_per_1_minute": limit,
        "chatkit_configuration": {**_CONFIGURATION, **new.chatkit_configuration},
    }
    store.sessions[data["id"]] = Session(data)
    return data


def cancel_session(store: Store, _: RecordedRequest, session_id: str) -> Data:
    session = store.session(session_id)
    session.data["status"] = "cancelled"
    return session.data


def send_message(store: Store, request: RecordedRequest, session_id: str) -> Data:
    session = store.session(session_id)
    new = read(NewMessage, request.json)
    if session.data["status"] != "active":
        raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
    text = "".join(part.text for part in new.content)
    run = store.start_run(text, session.data["workflow"]["version"])
    content = [part.model_dump() for part in new.content]
    run.messages.append(Item(store.new_id("msg"), session_id, "user", {"content": content}))
    session.runs.append(run)
    return _message(run.messages[0])


def list_messages(store: Store, request: RecordedRequest, session_id: str) -> Data:
    session = store.session(session_id)
    query = read(ListQuery, request.query)
    if query.limit == 0:
        raise APIError(400, "Invalid value for 'limit'.", param="limit", code="invalid_value")
    for run in session.runs:
        for text in run.new_posts():
            fields = {"content": [output_text(text)]}
            run.messages.append(Item(store.new_id("msg"), session_id, "assistant", fields))
    return _list([item for run in session.runs for item in run.messages], query, _message)


def list_threads(store: Store, request: RecordedRequest, _: str) -> Data:
    query = read(ThreadQuery, request.query)
    return _list(store.threads_of(query.user, hosted=True), query, _thread)


def retrieve_thread(store: Store, _: RecordedRequest, thread_id: str) -> Data:
    return _thread(store.thread(thread_id, None, hosted=True))


def delete_thread(store: Store, _: RecordedRequest, thread_id: str) -> Data:
    del store.threads[store.thread(thread_id, None, hosted=True).id]
    return {"id": thread_id, "object": "chatkit.thread.deleted", "deleted": True}


def list_items(store: Store, request: RecordedRequest, thread_id: str) -> Data:
    query = read(ListQuery, request.query)
    items = store.thread(thread_id, None, hosted=True).items
    return _list([item for item in items if item.type not in _NOT_LISTED], query, _item)


def _list(entries: Sequence[T], query: ListQuery, view: Callable[[T], Data]) -> Data:
    data, more = page(entries, query, view)
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "has_more": more, "first_id": first, "last_id": last}


def _view(entry: Item | Thread, kind: str, **fields: Any) -> Data:
    created = int(entry.created.timestamp())
    return {"id": entry.id, "object": f"chatkit.{kind}", "created_at": created, **fields}


def _message(item: Item) -> Data:
    return _view(item, "message", role=item.type, **item.fields)


def _thread(thread: Thread) -> Data:
    status = {"type": "active"}
    return _view(thread, "thread", title=thread.title, user=thread.user, status=status)


def _item(item: Item) -> Data:
    kind, fields = item.type, item.rest_fields or item.fields
    if kind == "user_message":
        quoted = fields.get("quoted_text")
        quotes = [{"type": "quoted_text", "text": quoted}] if quoted else []
        options = {"model": None, "tool_choice": None, **fields["inference_options"]}
        content = [*fields["content"], *quotes]
        fields = {"content": content, "attachments": [], "inference_options": options}
    elif kind == "workflow":
        kind, tasks = "task_group", fields["workflow"]["tasks"]
        names = {"type": "type", "heading": "title", "summary": "content"}
        fields = {"tasks": [{k: task.get(v) for k, v in names.items()} for task in tasks]}
    return _view(item, "thread_item", thread_id=item.thread_id, type=f"chatkit.{kind}", **fields)


def conversation(store: Store, request: RecordedRequest, _: str) -> Data | Response:
    header = request.headers.get("authorization", "")
    for session_id in store.sessions:
        data = store.session(session_id).data
        if header != f"Bearer {data['client_secret']}":
            continue
        if data["status"] != "active":
            raise APIError(401, f"The session is {data['status']}.", code="invalid_session")
        return _converse(store, request, data)
    raise APIError(401, "Incorrect client secret provided.", code="invalid_client_secret")


def server(store: Store, request: RecordedRequest, _: str) -> Data | Response:
    for name, value in (store.server_headers or {}).items():
        if request.headers.get(name.lower()) != value:
            raise APIError(401, f"The header '{name}' is missing or wrong.")
    return _converse(store, request, None)


def _converse(store: Store, request: RecordedRequest, session: Data | None) -> Data | Response:
    """Answer a request of the thread protocol, hosted in a session or else self-hosted."""
    envelope, hosted = read(Envelope, request.json), session is not None
    kind, user = envelope.type, str((session or envelope.metadata).get("user", "default"))
    if kind not in _REQUIRED:
        text = f"Invalid value for 'type': '{kind}' is not simulated."
        raise APIError(400, text, param="type", code="invalid_value")
    params = read(Params, envelope.params, "params")
    for name in _REQUIRED[kind]:
        if getattr(params, name) is None:
            text = f"Missing required parameter: 'params.{name}'."
            raise APIError(400, text, param=f"params.{name}", code="missing_required_parameter")
    if kind == "threads.list":
        return _page(store.threads_of(user, hosted=hosted), params, thread_data)
    if kind == "threads.create":
        thread = Thread(store.new_id("cthr" if hosted else "thr"), user, hosted)
        store.threads[thread.id] = thread
    else:
        thread = store.thread(params.thread_id or "", user, hosted=hosted)
    if params.input is not None:
        fields = params.input.model_dump(exclude_none=True)
        thread.items.append(new_item(store, thread, "user_message", **fields))
        version = session["workflow"]["version"] if session else None
        run = store.start_run("".join(part.text for part in params.input.content), version)
        survives = hosted or run.settings.survives_hang_up
        return EventStream(Turn(store, thread, run), survives=survives)
    if kind == "items.list":
        return _page(thread.items, params, item_data)
    if kind == "threads.delete":
        del store.threads[thread.id]
        return {}
    return thread_data(thread, _page(thread.items, ListParams(order="asc"), item_data))


def _page(entries: Sequence[T], params: ListParams, view: Callable[[T], Data]) -> Data:
    data, more = page(entries, params, view)
    cursor = {"after": data[-1]["id"]} if data and more else {}
    return {"data": data, "has_more": more, **cursor}
