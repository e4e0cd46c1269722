"""ChatKit's thread protocol: one endpoint, hosted with sessions and self-hosted without.

What is taken and what is answered follows ``openai-chatkit``, whose published package is the real
server of this protocol. Like it, and unlike OpenAI's API, it does not mind fields that it does
not know.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ._host import Host, Session, Thread
from ._stream import EventStream
from ._turns import Turn, new_item
from ._wire import APIError, Asked, Ids, read, read_json, select

_TITLE = "Simulated training program"

# --- what it takes --------------------------------------------------------------------------


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
    attachments: Annotated[list[StrictStr], Field(max_length=0)]  # there is no way to upload one
    quoted_text: StrictStr | None = None
    inference_options: _InferenceOptions


class _Create(BaseModel):
    input: _Input


class _AddUserMessage(_Create):
    thread_id: StrictStr


class _OneThread(BaseModel):
    thread_id: StrictStr


class _Update(_OneThread):
    title: StrictStr


class _List(BaseModel):
    limit: StrictInt | None = None
    order: Literal["asc", "desc"] = "desc"
    after: StrictStr | None = None

    def asked(self) -> Asked:
        return Asked(self.limit or 20, self.order, self.after)


class _ListItems(_List, _OneThread):
    pass


class _Envelope(BaseModel):
    type: StrictStr
    params: dict[str, Any]
    metadata: dict[str, Any] = {}


# --- what it does ---------------------------------------------------------------------------


class ThreadProtocol:
    """The endpoint of the thread protocol, in its two worlds."""

    def __init__(self, host: Host, ids: Ids) -> None:
        self._host = host
        self._ids = ids

    async def conversation(self, request: Request) -> Response:
        """Hosted: whoever has the client secret of an active session."""
        session = self._session(request)
        titling = session.data["chatkit_configuration"]["automatic_thread_titling"]["enabled"]
        asked = read(_Envelope, read_json(await request.body()))
        user = session.data["user"]
        world = _World(self._host, self._ids, True, user, _TITLE if titling else None)
        return world.answer(asked)

    async def server(self, request: Request) -> Response:
        """Self-hosted: whoever sends the headers that the server's owner wants."""
        for name, value in self._host.server_headers.items():
            if not secrets.compare_digest(
                request.headers.get(name, "").encode(), str(value).encode()
            ):
                raise APIError(401, f"The header '{name}' is missing or wrong.")
        asked = read(_Envelope, read_json(await request.body()))
        user = str(asked.metadata.get("user", "default"))
        return _World(self._host, self._ids, False, user, None).answer(asked)

    def _session(self, request: Request) -> Session:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        for session in list(self._host.sessions.values()):
            known: str = session.data["client_secret"]
            if scheme.lower() != "bearer" or not secrets.compare_digest(
                secret.encode(), known.encode()
            ):
                continue
            if session.data["status"] == "active" and session.data["expires_at"] <= time.time():
                session.data["status"] = "expired"
            if session.data["status"] == "active":
                return session
            raise APIError(401, f"The session is {session.data['status']}.", code="invalid_session")
        raise APIError(401, "Incorrect client secret provided.", code="invalid_client_secret")


class _World:
    """The threads of one user, in one of the two worlds, for one request."""

    def __init__(self, host: Host, ids: Ids, hosted: bool, user: str, title: str | None) -> None:
        self._host = host
        self._ids = ids
        self._hosted = hosted
        self._user = user
        self._title = title

    def answer(self, asked: _Envelope) -> Response:
        handlers: dict[str, Callable[[Any], Response]] = {
            "threads.create": self._create,
            "threads.add_user_message": self._add_user_message,
            "threads.get_by_id": self._get_by_id,
            "threads.list": self._list,
            "items.list": self._list_items,
            "threads.update": self._update,
            "threads.delete": self._delete,
        }
        if asked.type not in handlers:
            raise APIError(
                400,
                f"Invalid value for 'type': '{asked.type}' is not simulated.",
                param="type",
                code="invalid_value",
            )
        return handlers[asked.type](asked.params)

    def _thread(self, thread_id: str) -> Thread:
        thread = self._host.threads.get(thread_id)
        if thread is None or (thread.hosted, thread.user) != (self._hosted, self._user):
            raise APIError(404, f"Chatkit Thread with id '{thread_id}' not found.")
        return thread

    # What runs something.

    def _create(self, params: Any) -> Response:
        asked = read(_Create, params, under="params")
        thread = Thread(self._ids("cthr" if self._hosted else "thr"), self._user, self._hosted)
        self._host.threads[thread.id] = thread
        return self._run(thread, asked.input, created=True)

    def _add_user_message(self, params: Any) -> Response:
        asked = read(_AddUserMessage, params, under="params")
        return self._run(self._thread(asked.thread_id), asked.input, created=False)

    def _run(self, thread: Thread, sent: _Input, *, created: bool) -> Response:
        message = new_item(thread, self._ids, "user_message", **sent.model_dump(exclude_none=True))
        thread.items.append(message)
        run = self._host.start_run("".join(part.text for part in sent.content))
        settings = self._host.stream_settings()
        turn = Turn(thread, message, run, settings, self._ids, created=created, title=self._title)
        survives = self._hosted or settings.survives_hang_up
        return EventStream(turn, self._host, survives_hang_up=survives)

    # What is answered at once.

    def _get_by_id(self, params: Any) -> Response:
        thread = self._thread(read(_OneThread, params, under="params").thread_id)
        return JSONResponse(thread.wire(_items(thread, Asked(order="asc"))))

    def _list(self, params: Any) -> Response:
        asked = read(_List, params, under="params").asked()
        threads = [
            thread
            for thread in list(self._host.threads.values())
            if (thread.hosted, thread.user) == (self._hosted, self._user)
        ]
        page, more = select(threads, asked, lambda thread: thread.id)
        return JSONResponse(_page([thread.wire() for thread in page], more))

    def _list_items(self, params: Any) -> Response:
        asked = read(_ListItems, params, under="params")
        return JSONResponse(_items(self._thread(asked.thread_id), asked.asked()))

    def _update(self, params: Any) -> Response:
        asked = read(_Update, params, under="params")
        thread = self._thread(asked.thread_id)
        thread.title = asked.title
        return JSONResponse(thread.wire())

    def _delete(self, params: Any) -> Response:
        thread = self._thread(read(_OneThread, params, under="params").thread_id)
        del self._host.threads[thread.id]
        return JSONResponse({})


def _items(thread: Thread, asked: Asked) -> dict[str, Any]:
    page, more = select(thread.items, asked, lambda item: item.id)
    return _page([item.wire() for item in page], more)


def _page(data: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    cursor = {"after": data[-1]["id"]} if data and more else {}
    return {"data": data, "has_more": more, **cursor}
