"""ChatKit's thread protocol: one endpoint, hosted with sessions and self-hosted without.

The requests and answers are those of the published ``openai-chatkit`` package. Like it, and unlike
OpenAI's API, it ignores unknown fields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr
from starlette.responses import Response

from ._http import APIError, ListQuery, T, page, read
from ._store import RecordedRequest, Store, Thread
from ._stream import EventStream
from ._turns import Turn, item_data, new_item, thread_data

_TITLE = "Simulated training program"


class _InputText(BaseModel):
    type: Literal["input_text"]
    text: StrictStr


class _Input(BaseModel):
    content: list[_InputText]
    attachments: Annotated[list[StrictStr], Field(max_length=0)]  # the simulator has no uploads
    quoted_text: StrictStr | None = None
    inference_options: dict[str, Any]


class _Create(BaseModel):
    input: _Input


class _List(BaseModel):
    limit: StrictInt | None = None
    order: Literal["asc", "desc"] = "desc"
    after: StrictStr | None = None


class _OfThread(BaseModel):
    thread_id: StrictStr


class _AddUserMessage(_Create, _OfThread): ...


class _Update(_OfThread):
    title: StrictStr


class _ListItems(_List, _OfThread): ...


_PARAMS: dict[str, type[BaseModel]] = {
    "threads.create": _Create,
    "threads.add_user_message": _AddUserMessage,
    "threads.get_by_id": _OfThread,
    "threads.list": _List,
    "threads.update": _Update,
    "threads.delete": _OfThread,
    "items.list": _ListItems,
}


class _Envelope(BaseModel):
    type: StrictStr
    params: dict[str, Any]
    metadata: dict[str, Any] = {}


@dataclass(frozen=True)
class _Owner:
    """The user whose threads a request sees, and the title that new threads get."""

    user: str
    hosted: bool
    title: str | None = None


def hosted(store: Store, request: RecordedRequest, _: str) -> dict[str, Any] | Response:
    """The hosted endpoint; it needs the client secret of an active session."""
    data = _active_session(store, request.bearer_token())
    titling = data["chatkit_configuration"]["automatic_thread_titling"]["enabled"]
    owner = _Owner(data["user"], True, _TITLE if titling else None)
    return _answer(store, owner, read(_Envelope, request.json))


def self_hosted(store: Store, request: RecordedRequest, _: str) -> dict[str, Any] | Response:
    """The self-hosted endpoint; it needs the headers that its owner demands."""
    for name, value in (store.server_headers or {}).items():
        if request.headers.get(name.lower()) != value:
            raise APIError(401, f"The header '{name}' is missing or wrong.")
    envelope = read(_Envelope, request.json)
    return _answer(store, _Owner(str(envelope.metadata.get("user", "default")), False), envelope)


def _active_session(store: Store, secret: str) -> dict[str, Any]:
    for session in store.sessions.values():
        data = session.data
        if data["client_secret"] != secret:
            continue
        if data["status"] == "active" and data["expires_at"] <= time.time():
            data["status"] = "expired"
        if data["status"] != "active":
            raise APIError(401, f"The session is {data['status']}.", code="invalid_session")
        return data
    raise APIError(401, "Incorrect client secret provided.", code="invalid_client_secret")


def _answer(store: Store, owner: _Owner, envelope: _Envelope) -> dict[str, Any] | Response:
    kind = envelope.type
    if kind not in _PARAMS:
        text = f"Invalid value for 'type': '{kind}' is not simulated."
        raise APIError(400, text, param="type", code="invalid_value")
    params = read(_PARAMS[kind], envelope.params, under="params")
    if isinstance(params, _OfThread):
        thread = store.thread(params.thread_id, owner.user, hosted=owner.hosted)
    elif isinstance(params, _List):
        threads = store.threads_of(owner.user, hosted=owner.hosted)
        return _page(threads, params, thread_data)
    else:
        thread = Thread(store.new_id("cthr" if owner.hosted else "thr"), owner.user, owner.hosted)
        store.threads[thread.id] = thread
    match params:
        case _Create():
            return _run(store, owner, thread, params.input)
        case _ListItems():
            return _page(thread.items, params, item_data)
        case _Update():
            thread.title = params.title
        case _ if kind == "threads.delete":
            del store.threads[thread.id]
            return {}
        case _:
            return thread_data(thread, _page(thread.items, _List(order="asc"), item_data))
    return thread_data(thread)


def _run(store: Store, owner: _Owner, thread: Thread, new: _Input) -> Response:
    created = not thread.items
    fields = new.model_dump(exclude_none=True)
    thread.items.append(new_item(store, thread, "user_message", **fields))
    run = store.start_run("".join(part.text for part in new.content))
    turn = Turn(store, thread, run, created=created, title=owner.title)
    return EventStream(turn, store, survives_hang_up=owner.hosted or run.settings.survives_hang_up)


def _page(
    entries: Sequence[T], params: _List, form: Callable[[T], dict[str, Any]]
) -> dict[str, Any]:
    limit = 20 if params.limit is None else params.limit
    query = ListQuery.model_construct(limit=limit, order=params.order, after=params.after)
    entries, more = page(entries, query)
    data = [form(entry) for entry in entries]
    cursor = {"after": data[-1]["id"]} if data and more else {}
    return {"data": data, "has_more": more, **cursor}
