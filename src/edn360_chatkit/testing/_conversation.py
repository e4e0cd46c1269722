"""ChatKit's thread protocol: one endpoint, hosted with sessions and self-hosted without.

The requests and answers are those of the published ``openai-chatkit`` package. Like it, and unlike
OpenAI's API, it ignores unknown fields.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr
from starlette.responses import Response

from ._http import APIError, ListQuery, invalid_value, page, read
from ._store import RecordedRequest, Store, Thread
from ._stream import EventStream
from ._turns import Turn, item_data, new_item, thread_data

_TITLE = "Simulated training program"


class _InputText(BaseModel):
    type: Literal["input_text"]
    text: StrictStr


class _Tool(BaseModel):
    id: StrictStr


class _InferenceOptions(BaseModel):
    tool_choice: _Tool | None = None
    model: StrictStr | None = None


class _Input(BaseModel):
    content: list[_InputText]
    attachments: Annotated[list[StrictStr], Field(max_length=0)]  # the simulator has no uploads
    quoted_text: StrictStr | None = None
    inference_options: _InferenceOptions


class _Params(BaseModel):
    """The parameters of all types of requests; the type says which of them are needed."""

    input: _Input | None = None
    thread_id: StrictStr | None = None
    title: StrictStr | None = None
    limit: StrictInt | None = None
    order: Literal["asc", "desc"] = "desc"
    after: StrictStr | None = None

    def query(self) -> ListQuery:
        return ListQuery.model_construct(
            limit=self.limit or 20, order=self.order, after=self.after, before=None
        )


_NEEDED = {
    "threads.create": ("input",),
    "threads.add_user_message": ("input", "thread_id"),
    "threads.get_by_id": ("thread_id",),
    "threads.list": (),
    "threads.update": ("thread_id", "title"),
    "threads.delete": ("thread_id",),
    "items.list": ("thread_id",),
}


class _Envelope(BaseModel):
    type: StrictStr
    params: dict[str, Any]
    metadata: dict[str, Any] = {}


@dataclass(frozen=True)
class _World:
    """The threads of one user, hosted or self-hosted, and the title that new ones get."""

    user: str
    hosted: bool
    title: str | None


def hosted(store: Store, request: RecordedRequest, _: str) -> dict[str, Any] | Response:
    """The hosted endpoint; it needs the client secret of an active session."""
    data = _active_session(store, request.credentials())
    titling = data["chatkit_configuration"]["automatic_thread_titling"]["enabled"]
    world = _World(data["user"], True, _TITLE if titling else None)
    return _answer(store, world, read(_Envelope, request.json))


def self_hosted(store: Store, request: RecordedRequest, _: str) -> dict[str, Any] | Response:
    """The self-hosted endpoint; it needs the headers that its owner demands."""
    for name, value in (store.server_headers or {}).items():
        if not secrets.compare_digest(
            request.headers.get(name.lower(), "").encode(), value.encode()
        ):
            raise APIError(401, f"The header '{name}' is missing or wrong.")
    envelope = read(_Envelope, request.json)
    world = _World(str(envelope.metadata.get("user", "default")), False, None)
    return _answer(store, world, envelope)


def _active_session(store: Store, secret: bytes) -> dict[str, Any]:
    for session in tuple(store.sessions.values()):
        data = session.data
        if not secrets.compare_digest(secret, data["client_secret"].encode()):
            continue
        if data["status"] == "active" and data["expires_at"] <= time.time():
            data["status"] = "expired"
        if data["status"] != "active":
            raise APIError(401, f"The session is {data['status']}.", code="invalid_session")
        return data
    raise APIError(401, "Incorrect client secret provided.", code="invalid_client_secret")


def _answer(store: Store, world: _World, envelope: _Envelope) -> dict[str, Any] | Response:
    kind = envelope.type
    if kind not in _NEEDED:
        raise invalid_value("type", f"'{kind}' is not simulated")
    params = read(_Params, envelope.params, under="params")
    for name in _NEEDED[kind]:
        if getattr(params, name) is None:
            text, param = f"Missing required parameter: 'params.{name}'.", f"params.{name}"
            raise APIError(400, text, param=param, code="missing_required_parameter")
    if kind == "threads.list":
        threads, more = page(store.threads_of(world.user, hosted=world.hosted), params.query())
        return _page([thread_data(thread) for thread in threads], more)
    if kind == "threads.create":
        thread = Thread(store.new_id("cthr" if world.hosted else "thr"), world.user, world.hosted)
        store.threads[thread.id] = thread
    else:
        thread = store.thread(params.thread_id or "", world.user, hosted=world.hosted)
    if params.input is not None and "input" in _NEEDED[kind]:
        return _run(store, world, thread, params.input, kind)
    match kind:
        case "items.list":
            return _items(thread, params.query())
        case "threads.update":
            thread.title = params.title
            return thread_data(thread)
        case "threads.delete":
            del store.threads[thread.id]
            return {}
        case _:
            return thread_data(thread, _items(thread, ListQuery(order="asc")))


def _run(store: Store, world: _World, thread: Thread, new: _Input, kind: str) -> Response:
    fields = new.model_dump(exclude_none=True)
    thread.items.append(new_item(store, thread, "user_message", **fields))
    run = store.start_run("".join(part.text for part in new.content))
    turn = Turn(store, thread, run, created=kind == "threads.create", title=world.title)
    survives = world.hosted or run.settings.survives_hang_up
    return EventStream(turn, store, survives_hang_up=survives)


def _items(thread: Thread, query: ListQuery) -> dict[str, Any]:
    items, more = page(thread.items, query)
    return _page([item_data(item) for item in items], more)


def _page(data: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    cursor = {"after": data[-1]["id"]} if data and more else {}
    return {"data": data, "has_more": more, **cursor}
