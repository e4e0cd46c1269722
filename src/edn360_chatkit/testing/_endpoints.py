"""The endpoints: OpenAI's REST API, and ChatKit's thread protocol, hosted and self-hosted.

The answers of the thread protocol are those of the published ``openai-chatkit`` package.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.responses import Response

from ._requests import (
    PARAMS,
    APIError,
    CreateThread,
    Envelope,
    ListParams,
    ListQuery,
    NewMessage,
    NewSession,
    OneThread,
    ThreadQuery,
    read,
)
from ._store import Data, RecordedRequest, Session, Store, Thread
from ._stream import EventStream, Turn, thread_data
from ._workflow import output_text, read_data

PREFIX = "/v1/chatkit"
SERVER_PATH = "/chatkit"
_CONFIGURATION = {
    "automatic_thread_titling": {"enabled": True},
    "file_upload": {"enabled": False},
    "history": {"enabled": True},
}
# Items of the thread protocol that OpenAI's API does not list.
_NOT_LISTED = ("end_of_turn", "generated_image", "structured_input")
# The fields that OpenAI's API has for items of extras.json, by their type.
_API_FIELDS: Data = read_data("extras.json")["in_lists_of_the_api"]


def _create_session(store: Store, request: RecordedRequest, _: str) -> Data:
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


def _cancel_session(store: Store, _: RecordedRequest, session_id: str) -> Data:
    session = store.session(session_id)
    session.data["status"] = "cancelled"
    return session.data


def _send_message(store: Store, request: RecordedRequest, session_id: str) -> Data:
    session = store.session(session_id)
    content = read(NewMessage, request.json).content
    if session.data["status"] != "active":
        raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
    text = "".join(part.text for part in content)
    run = store.start_run(text, session.data["workflow"]["version"])
    run.messages.append(_message(store, "user", [part.model_dump() for part in content]))
    session.runs.append(run)
    return run.messages[0]


def _list_messages(store: Store, request: RecordedRequest, session_id: str) -> Data:
    session = store.session(session_id)
    query = read(ListQuery, request.query)
    if query.limit == 0:
        raise APIError(400, "Invalid value for 'limit'.", param="limit", code="invalid_value")
    for run in session.runs:
        run.messages += [_message(store, "assistant", [output_text(t)]) for t in run.poll()]
    return _list([message for run in session.runs for message in run.messages], query)


def _message(store: Store, role: str, content: list[Data]) -> Data:
    return _listed(store.new("msg"), "message", role=role, content=content)


def _list_threads(store: Store, request: RecordedRequest, _: str) -> Data:
    query = read(ThreadQuery, request.query)
    threads = store.threads_of(query.user, hosted=True)
    return _list([_listed_thread(thread) for thread in threads], query)


def _retrieve_thread(store: Store, _: RecordedRequest, thread_id: str) -> Data:
    return _listed_thread(store.thread(thread_id, None, hosted=True))


def _listed_thread(thread: Thread) -> Data:
    title, status = thread.data.get("title"), {"type": "active"}
    return _listed(thread.data, "thread", title=title, user=thread.user, status=status)


def _delete_thread(store: Store, _: RecordedRequest, thread_id: str) -> Data:
    del store.threads[store.thread(thread_id, None, hosted=True).data["id"]]
    return {"id": thread_id, "object": "chatkit.thread.deleted", "deleted": True}


def _list_items(store: Store, request: RecordedRequest, thread_id: str) -> Data:
    query = read(ListQuery, request.query)
    items = store.thread(thread_id, None, hosted=True).items
    return _list([_listed_item(item) for item in items if item["type"] not in _NOT_LISTED], query)


def _listed_item(item: Data) -> Data:
    kind = item["type"]
    fields = _API_FIELDS.get(kind, item)
    if kind == "user_message":
        quoted = item.get("quoted_text")
        quotes = [{"type": "quoted_text", "text": quoted}] if quoted else []
        options = {"model": None, "tool_choice": None, **item["inference_options"]}
        content = [*item["content"], *quotes]
        fields = {"content": content, "attachments": [], "inference_options": options}
    elif kind == "workflow":
        kind, tasks = "task_group", item["workflow"]["tasks"]
        sources = {"type": "type", "heading": "title", "summary": "content"}
        fields = {"tasks": [{k: task.get(v) for k, v in sources.items()} for task in tasks]}
    names = {"thread_id": item["thread_id"], "type": f"chatkit.{kind}"}
    return _listed(item, "thread_item", **{**fields, **names})


def _listed(data: Data, kind: str, **fields: Any) -> Data:
    """A thread, an item or a message in the form of OpenAI's API."""
    created = int(datetime.fromisoformat(data["created_at"]).timestamp())
    return {**fields, "id": data["id"], "object": f"chatkit.{kind}", "created_at": created}


def _list(entries: list[Data], query: ListQuery) -> Data:
    data, more = _page(entries, query)
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "has_more": more, "first_id": first, "last_id": last}


def _page(entries: list[Data], query: ListParams) -> tuple[list[Data], bool]:
    """A page of a list, oldest entry first, and whether there is more."""
    rest = entries if query.order == "asc" else entries[::-1]
    for name, place in (("before", query.before), ("after", query.after)):
        ids = [entry["id"] for entry in rest]
        if place in ids:
            rest = rest[: ids.index(place)] if name == "before" else rest[ids.index(place) + 1 :]
        elif place is not None:
            text = f"Invalid value for '{name}': No entry found with id '{place}'."
            raise APIError(400, text, param=name, code="invalid_value")
    more = len(rest) > query.limit
    if query.before is not None and query.after is None:
        rest = rest[max(len(rest) - query.limit, 0) :]
    return rest[: query.limit], more


def _conversation(store: Store, request: RecordedRequest, _: str) -> Data | Response:
    header = request.headers.get("authorization", "")
    for session_id in store.sessions:
        data = store.session(session_id).data
        if header != f"Bearer {data['client_secret']}":
            continue
        if data["status"] != "active":
            raise APIError(401, f"The session is {data['status']}.", code="invalid_session")
        return _converse(store, request, data)
    raise APIError(401, "Incorrect client secret provided.", code="invalid_client_secret")


def _server(store: Store, request: RecordedRequest, _: str) -> Data | Response:
    for name, value in (store.server_headers or {}).items():
        if request.headers.get(name.lower()) != value:
            raise APIError(401, f"The header '{name}' is missing or wrong.")
    return _converse(store, request, None)


def _converse(store: Store, request: RecordedRequest, session: Data | None) -> Data | Response:
    """Answer a request of the thread protocol, hosted in a session or else self-hosted."""
    envelope, hosted = read(Envelope, request.json), session is not None
    kind, user = envelope.type, str((session or envelope.metadata).get("user", "default"))
    if kind not in PARAMS:
        text = f"Invalid value for 'type': '{kind}' is not simulated."
        raise APIError(400, text, param="type", code="invalid_value")
    params = read(PARAMS[kind], envelope.params, "params")
    if isinstance(params, OneThread):
        thread = store.thread(params.thread_id, user, hosted=hosted)
    elif isinstance(params, ListParams):
        return _protocol_page(
            [thread_data(thread) for thread in store.threads_of(user, hosted=hosted)], params
        )
    else:
        fields: Data = {"status": {"type": "active"}, "metadata": {}}
        thread = Thread(store.new("cthr" if hosted else "thr", **fields), user, hosted)
        store.threads[thread.data["id"]] = thread
    if isinstance(params, CreateThread):
        text = "".join(part.text for part in params.input.content)
        run = store.start_run(text, session["workflow"]["version"] if session else None)
        return EventStream(Turn(store, thread, run, params.input.model_dump(exclude_none=True)))
    if isinstance(params, ListParams):
        return _protocol_page(thread.items, params)
    if kind == "threads.delete":
        del store.threads[thread.data["id"]]
        return {}
    return thread_data(thread, _protocol_page(thread.items, ListParams(order="asc")))


def _protocol_page(entries: list[Data], params: ListParams) -> Data:
    data, more = _page(entries, params)
    cursor = {"after": data[-1]["id"]} if data and more else {}
    return {"data": data, "has_more": more, **cursor}


ENDPOINTS: dict[str, tuple[str, str, Callable[[Store, RecordedRequest, str], Data | Response]]] = {
    "create_session": ("POST", f"{PREFIX}/sessions", _create_session),
    "cancel_session": ("POST", f"{PREFIX}/sessions/{{id}}/cancel", _cancel_session),
    "send_message": ("POST", f"{PREFIX}/sessions/{{id}}/messages", _send_message),
    "list_messages": ("GET", f"{PREFIX}/sessions/{{id}}/messages", _list_messages),
    "list_threads": ("GET", f"{PREFIX}/threads", _list_threads),
    "retrieve_thread": ("GET", f"{PREFIX}/threads/{{id}}", _retrieve_thread),
    "delete_thread": ("DELETE", f"{PREFIX}/threads/{{id}}", _delete_thread),
    "list_items": ("GET", f"{PREFIX}/threads/{{id}}/items", _list_items),
    "conversation": ("POST", f"{PREFIX}/conversation", _conversation),
    "server": ("POST", SERVER_PATH, _server),
}
