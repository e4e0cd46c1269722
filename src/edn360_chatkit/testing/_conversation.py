"""ChatKit's thread protocol: one endpoint, hosted with sessions and self-hosted without.

The requests and answers are those of the published ``openai-chatkit`` package. Like it, and unlike
OpenAI's API, it ignores unknown fields.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr
from starlette.responses import Response

from ._http import APIError, ListQuery, invalid_value, page, read, read_body
from ._store import RecordedRequest, Session, Store, Thread
from ._stream import EventStream
from ._turns import Turn, item_data, new_item, thread_data

_TITLE = "Simulated training program"

# --- requests -----------------------------------------------------------------------------------


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


class _Create(BaseModel):
    input: _Input


class _OneThread(BaseModel):
    thread_id: StrictStr


class _AddUserMessage(_Create, _OneThread):
    pass


class _Update(_OneThread):
    title: StrictStr


class _List(BaseModel):
    limit: StrictInt | None = None
    order: Literal["asc", "desc"] = "desc"
    after: StrictStr | None = None

    def query(self) -> ListQuery:
        return ListQuery.model_construct(
            limit=self.limit or 20, order=self.order, after=self.after, before=None
        )


class _ListItems(_List, _OneThread):
    pass


class _Envelope(BaseModel):
    type: StrictStr
    params: dict[str, Any]
    metadata: dict[str, Any] = {}


# --- the endpoint -------------------------------------------------------------------------------

_Answer = dict[str, Any] | Response


class Conversation:
    """The endpoint of the thread protocol, hosted and self-hosted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hosted(self, request: RecordedRequest, _: str) -> _Answer:
        """The hosted endpoint; it needs the client secret of an active session."""
        session = self._session(request)
        titling = session.data["chatkit_configuration"]["automatic_thread_titling"]["enabled"]
        user, title = session.data["user"], _TITLE if titling else None
        return _Threads(self._store, user, title, hosted=True).answer(read_body(_Envelope, request))

    def self_hosted(self, request: RecordedRequest, _: str) -> _Answer:
        """The self-hosted endpoint; it needs the headers that its owner demands."""
        for name, value in (self._store.server_headers or {}).items():
            header = request.headers.get(name.lower(), "")
            if not secrets.compare_digest(header.encode(), str(value).encode()):
                raise APIError(401, f"The header '{name}' is missing or wrong.")
        envelope = read_body(_Envelope, request)
        user = str(envelope.metadata.get("user", "default"))
        return _Threads(self._store, user, None, hosted=False).answer(envelope)

    def _session(self, request: RecordedRequest) -> Session:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        for session in list(self._store.sessions.values()):
            expected: str = session.data["client_secret"]
            same = secrets.compare_digest(secret.encode(), expected.encode())
            if scheme.lower() != "bearer" or not same:
                continue
            if session.data["status"] == "active" and session.data["expires_at"] <= time.time():
                session.data["status"] = "expired"
            if session.data["status"] == "active":
                return session
            raise APIError(401, f"The session is {session.data['status']}.", code="invalid_session")
        raise APIError(401, "Incorrect client secret provided.", code="invalid_client_secret")


class _Threads:
    """The threads of one user, hosted or self-hosted, for one request."""

    def __init__(self, store: Store, user: str, title: str | None, *, hosted: bool) -> None:
        self._store = store
        self._user = user
        self._title = title
        self._hosted = hosted

    def answer(self, envelope: _Envelope) -> _Answer:
        handlers: dict[str, Callable[[Any], _Answer]] = {
            "threads.create": self._create,
            "threads.add_user_message": self._add_user_message,
            "threads.get_by_id": self._get_by_id,
            "threads.list": self._list,
            "items.list": self._list_items,
            "threads.update": self._update,
            "threads.delete": self._delete,
        }
        if envelope.type not in handlers:
            raise invalid_value("type", f"'{envelope.type}' is not simulated")
        return handlers[envelope.type](envelope.params)

    def _create(self, params: Any) -> Response:
        new = read(_Create, params, under="params").input
        thread_id = self._store.new_id("cthr" if self._hosted else "thr")
        thread = self._store.threads[thread_id] = Thread(thread_id, self._user, self._hosted)
        return self._run(thread, new, created=True)

    def _add_user_message(self, params: Any) -> Response:
        new = read(_AddUserMessage, params, under="params")
        return self._run(self._thread(new.thread_id), new.input, created=False)

    def _run(self, thread: Thread, new: _Input, *, created: bool) -> Response:
        store = self._store
        fields = new.model_dump(exclude_none=True)
        thread.items.append(new_item(store, thread, "user_message", **fields))
        run = store.start_run("".join(part.text for part in new.content))
        turn = Turn(store, thread, run, created=created, title=self._title)
        survives = self._hosted or run.settings.survives_hang_up
        return EventStream(turn, store, survives_hang_up=survives)

    def _get_by_id(self, params: Any) -> dict[str, Any]:
        thread = self._thread(read(_OneThread, params, under="params").thread_id)
        return thread_data(thread, _items(thread, ListQuery(order="asc")))

    def _list(self, params: Any) -> dict[str, Any]:
        query = read(_List, params, under="params").query()
        threads, more = page(self._store.threads_of(self._user, hosted=self._hosted), query)
        return _page([thread_data(thread) for thread in threads], more)

    def _list_items(self, params: Any) -> dict[str, Any]:
        request = read(_ListItems, params, under="params")
        return _items(self._thread(request.thread_id), request.query())

    def _update(self, params: Any) -> dict[str, Any]:
        request = read(_Update, params, under="params")
        thread = self._thread(request.thread_id)
        thread.title = request.title
        return thread_data(thread)

    def _delete(self, params: Any) -> dict[str, Any]:
        thread = self._thread(read(_OneThread, params, under="params").thread_id)
        del self._store.threads[thread.id]
        return {}

    def _thread(self, thread_id: str) -> Thread:
        for thread in self._store.threads_of(self._user, hosted=self._hosted):
            if thread.id == thread_id:
                return thread
        raise APIError(404, f"Chatkit Thread with id '{thread_id}' not found.")


def _items(thread: Thread, query: ListQuery) -> dict[str, Any]:
    items, more = page(thread.items, query)
    return _page([item_data(item) for item in items], more)


def _page(data: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    cursor = {"after": data[-1]["id"]} if data and more else {}
    return {"data": data, "has_more": more, **cursor}
