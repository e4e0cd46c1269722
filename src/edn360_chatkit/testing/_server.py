"""The simulated servers: OpenAI's REST API, and the thread protocol, hosted and self-hosted.

The responses of the thread protocol are those of the ``openai-chatkit`` package.
"""

from __future__ import annotations

import json
import secrets
import time
from datetime import datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import _requests as models
from ._requests import APIError, ListParams, read
from ._store import RecordedRequest, Session, Store, Thread
from ._stream import SCRIPTS, Turn
from ._workflow import Data

PREFIX = "/v1/chatkit"
SERVER_PATH = "/chatkit"
_BETA = "chatkit_beta=v1"
_ENDPOINTS = {
    "create_session": ("POST", f"{PREFIX}/sessions"),
    "cancel_session": ("POST", f"{PREFIX}/sessions/{{id}}/cancel"),
    "send_message": ("POST", f"{PREFIX}/sessions/{{id}}/messages"),
    "list_messages": ("GET", f"{PREFIX}/sessions/{{id}}/messages"),
    "list_threads": ("GET", f"{PREFIX}/threads"),
    "retrieve_thread": ("GET", f"{PREFIX}/threads/{{id}}"),
    "delete_thread": ("DELETE", f"{PREFIX}/threads/{{id}}"),
    "list_items": ("GET", f"{PREFIX}/threads/{{id}}/items"),
    "conversation": ("POST", f"{PREFIX}/conversation"),
    "server": ("POST", SERVER_PATH),
}
# OpenAI's API does not list these items of the thread protocol.
_HIDDEN_ITEMS = ("end_of_turn", "generated_image", "structured_input")
# The fields of OpenAI's API for the items of events.json, by their type.
_API_FIELDS: Data = SCRIPTS["in_lists_of_the_api"]


def build_app(store: Store) -> Starlette:
    """The ASGI application of a simulator."""
    routes = [
        Route(path, partial(_respond, store, name), methods=[method])
        for name, (method, path) in _ENDPOINTS.items()
    ]
    unknown = partial(_respond, store, "unknown")
    return Starlette(routes=routes, exception_handlers={404: unknown, 405: unknown})


async def _respond(store: Store, name: str, request: Request, _: object = None) -> Response:
    recorded = await _record(store, request)
    match recorded.json:
        case {"type": str(kind)}:
            names = [name, kind]
        case _:
            names = [name]
    failure = store.next_failure(names)
    if failure is not None and not failure.taken:
        return failure.response
    try:
        _check(store, name, recorded)
        result = _execute(store, name, recorded, request.path_params.get("id", ""))
        response = result if isinstance(result, Response) else JSONResponse(result)
    except APIError as error:
        response = error.response
    if failure is not None:
        if isinstance(response, Turn):
            response.hang_up()
        response = failure.response
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
    """Refuse an unknown endpoint and wrong headers."""
    disabled = () if store.messages_endpoint else ("send_message", "list_messages")
    if name in ("unknown", *disabled):
        raise APIError(404, f"Invalid URL ({request.method} {request.path})")
    headers = request.headers
    if name == "server":
        for header, value in (store.server_headers or {}).items():
            if headers.get(header.lower()) != value:
                raise APIError(401, f"The header '{header}' is missing or wrong.")
        return
    if name != "conversation":
        if headers.get("authorization") != f"Bearer {store.api_key}":
            raise APIError(401, "Incorrect API key provided.", code="invalid_api_key")
        if _BETA not in headers.get("openai-beta", ""):
            text = f"You must provide the 'OpenAI-Beta' header: 'OpenAI-Beta: {_BETA}'."
            raise APIError(400, text, code="invalid_beta")
    kind = headers.get("content-type", "").partition(";")[0].strip()
    if request.body and kind != "application/json":
        text = f"Unsupported content type: '{kind}'. Use 'application/json'."
        raise APIError(400, text, code="content_type")


def _execute(store: Store, name: str, request: RecordedRequest, path_id: str) -> Data | Response:
    """Execute a request with the id in its path, and return its response."""
    match name:
        case "create_session":
            return _create_session(store, read(models.NewSession, request.json))
        case "cancel_session":
            session = store.session(path_id)
            session.data["status"] = "cancelled"
            return session.data
        case "send_message":
            return _send_message(store, path_id, read(models.NewMessage, request.json))
        case "list_messages":
            query = read(models.ListQuery, request.query)
            return _list(_messages(store.session(path_id), query), query)
        case "list_threads":
            users = read(models.ThreadQuery, request.query)
            return _list([_listed_thread(each) for each in store.threads_of(users.user)], users)
        case "retrieve_thread":
            return _listed_thread(store.thread(path_id))
        case "delete_thread":
            del store.threads[store.thread(path_id).data["id"]]
            return {"id": path_id, "object": "chatkit.thread.deleted", "deleted": True}
        case "list_items":
            query = read(models.ListQuery, request.query)
            items = [i for i in store.thread(path_id).items if i["type"] not in _HIDDEN_ITEMS]
            return _list([_listed_item(item) for item in items], query)
        case "conversation":
            return _converse(store, request, _session_of_secret(store, request))
        case _:
            return _converse(store, request, None)


def _create_session(store: Store, new: models.NewSession) -> Data:
    workflows, workflow_id = store.workflow_ids, new.workflow.id
    if not (workflow_id.startswith("wf_") if workflows is None else workflow_id in workflows):
        raise APIError(404, f"No workflow found with id '{workflow_id}'.")
    data: Data = {
        **new.model_dump(exclude={"expires_after"}),
        "id": store.new_id("cksess"),
        "object": "chatkit.session",
        "status": "active",
        "client_secret": f"ek_sim_{secrets.token_hex(8)}",
        "expires_at": int(time.time()) + new.expires_after.seconds,
        "max_requests_per_1_minute": new.rate_limits.max_requests_per_1_minute,
    }
    store.sessions[data["id"]] = Session(data, store.new_thread(new.user, hosted=True))
    return data


def _send_message(store: Store, session_id: str, message: models.NewMessage) -> Data:
    session = store.session(session_id)
    if session.data["status"] != "active":
        raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
    content = message.model_dump(include={"content"})
    turn = Turn(store, session.thread, content, session.data["workflow"]["version"])
    session.empty_polls, session.visible_items = store.empty_polls, len(session.thread.items)
    turn.hang_up()  # the run continues without a client
    return _listed_message(turn.message)


def _messages(session: Session, query: models.ListQuery) -> list[Data]:
    if query.limit == 0:
        raise APIError(400, "Invalid value for 'limit'.", param="limit", code="invalid_value")
    items = session.thread.items
    if session.empty_polls > 0:
        session.empty_polls -= 1
        items = items[: session.visible_items]
    return [_listed_message(i) for i in items if i["type"] in ("user_message", "assistant_message")]


def _listed_message(item: Data) -> Data:
    role = item["type"].removesuffix("_message")
    return _listed(item, "message", role=role, content=item["content"])


def _listed_thread(thread: Thread) -> Data:
    title, status = thread.data.get("title"), {"type": "active"}
    return _listed(thread.data, "thread", title=title, user=thread.user, status=status)


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
        names = {"type": "type", "heading": "title", "summary": "content"}
        fields = {"tasks": [{new: task.get(old) for new, old in names.items()} for task in tasks]}
    fields = {**fields, "thread_id": item["thread_id"], "type": f"chatkit.{kind}"}
    return _listed(item, "thread_item", **fields)


def _listed(data: Data, kind: str, **fields: Any) -> Data:
    """A thread, an item or a message in the form of OpenAI's API."""
    created = int(datetime.fromisoformat(data["created_at"]).timestamp())
    return {**fields, "id": data["id"], "object": f"chatkit.{kind}", "created_at": created}


def _list(entries: list[Data], query: models.ListQuery) -> Data:
    """A page in the form of OpenAI's API."""
    page = _page(entries, query)
    ids = [entry["id"] for entry in page["data"]] or [None]
    return {"object": "list", **page, "first_id": ids[0], "last_id": ids[-1]}


def _page(entries: list[Data], params: ListParams) -> Data:
    """A page of entries, which are sorted by age, oldest first."""
    rest = entries if params.order == "asc" else entries[::-1]
    ids = [entry["id"] for entry in rest]
    for name, entry_id in (("after", params.after), ("before", params.before)):
        if entry_id not in (None, *ids):
            text = f"Invalid value for '{name}': No entry found with id '{entry_id}'."
            raise APIError(400, text, param=name, code="invalid_value")
    start = 0 if params.after is None else ids.index(params.after) + 1
    end = len(ids) if params.before is None else ids.index(params.before)
    page = rest[start:end][: params.limit]
    if params.before is not None and params.after is None:
        page = rest[max(end - params.limit, 0) : end]  # the entries next to ``before``
    return {"data": page, "has_more": len(page) < end - start}


def _session_of_secret(store: Store, request: RecordedRequest) -> Data:
    header = request.headers.get("authorization", "")
    sessions = [s for s in store.sessions.values() if header == f"Bearer {s.data['client_secret']}"]
    if not sessions:
        raise APIError(401, "Incorrect client secret provided.", code="invalid_client_secret")
    data = store.session(sessions[0].data["id"]).data
    if data["status"] != "active":
        raise APIError(401, f"The session is {data['status']}.", code="invalid_session")
    return data


def _converse(store: Store, request: RecordedRequest, session: Data | None) -> Data | Response:
    """Execute a request of the thread protocol. A self-hosted server has no session."""
    envelope, hosted = read(models.Envelope, request.json), session is not None
    kind, user = envelope.type, str((session or envelope.metadata).get("user", "default"))
    if kind not in models.PARAMS:
        text = f"Invalid value for 'type': '{kind}' is not simulated."
        raise APIError(400, text, param="type", code="invalid_value")
    params = read(models.PARAMS[kind], envelope.params, "params")
    if isinstance(params, models.OneThread):
        thread = store.thread(params.thread_id, user, hosted=hosted)
    elif isinstance(params, ListParams):
        threads = store.threads_of(user, hosted=hosted)
        return _page_with_cursor([each.view() for each in threads], params)
    else:
        thread = store.new_thread(user, hosted=hosted)
        store.threads[thread.data["id"]] = thread
    if isinstance(params, models.NewThread):
        message = params.input.model_dump(exclude_none=True)
        return Turn(store, thread, message, session["workflow"]["version"] if session else None)
    if isinstance(params, ListParams):
        return _page_with_cursor(thread.items, params)
    if kind == "threads.delete":
        del store.threads[thread.data["id"]]
        return {}
    return thread.view(_page_with_cursor(thread.items, ListParams(order="asc")))


def _page_with_cursor(entries: list[Data], params: ListParams) -> Data:
    page = _page(entries, params)
    return {**page, "after": page["data"][-1]["id"]} if page["has_more"] and page["data"] else page
