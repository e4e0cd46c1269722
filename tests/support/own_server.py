"""``edn360_chatkit.server`` on loopback in a thread, and users who call it over HTTP."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from httpx_sse import connect_sse

with warnings.catch_warnings():
    # openai-chatkit deprecates its own widget classes, and warns when it defines them.
    warnings.simplefilter("ignore", DeprecationWarning)
    from edn360_chatkit.server import ServerSettings, build_app
    from edn360_chatkit.server._process import DrainingServer
    from edn360_chatkit.server._storage import ThreadStore

from .patience import PATIENCE, wait_for

ROOT_KEY = "client_training_program_enriched"
Workflow = Callable[[dict[str, Any]], Any]


class OwnServer:
    """The application, in its own thread."""

    def __init__(self, run: Workflow, database: str | Path, **settings: Any) -> None:
        # asyncio sets TCP_NODELAY only on sockets that name IPPROTO_TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        app = build_app(run, database, ServerSettings(**settings))
        self._server = DrainingServer(app)
        self.tables: ThreadStore = app._threads
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started)

    def begin_to_stop(self) -> None:
        """Stop like SIGTERM."""
        self._server.handle_exit(signal.SIGTERM, None)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.begin_to_stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "it does not stop"


class User:
    """A user who calls a server over HTTP."""

    def __init__(self, http: httpx.Client, name: str) -> None:
        self.http = http
        self.name = name

    def ask(self, type: str, **params: Any) -> httpx.Response:
        return self.http.post("/chatkit", json=request(type, self.name, **params))

    def get(self, type: str, **params: Any) -> Any:
        response = self.ask(type, **params)
        assert response.status_code == 200, response.text
        return response.json()

    def stream(self, type: str, **params: Any) -> Generator[dict[str, Any]]:
        body = request(type, self.name, **params)
        with connect_sse(self.http, "POST", "/chatkit", json=body) as source:
            for event in source.iter_sse():
                yield json.loads(event.data)

    def begin(self) -> tuple[str, Generator[dict[str, Any]]]:
        """Start a run, and return its thread and the rest of its stream."""
        stream = self.stream("threads.create", input=message())
        return thread_of([next(stream)]), stream

    def run(self, data: Any = None) -> list[dict[str, Any]]:
        return list(self.stream("threads.create", input=message(data)))

    def run_in(self, thread_id: str, data: Any = None) -> list[dict[str, Any]]:
        params = {"thread_id": thread_id, "input": message(data)}
        return list(self.stream("threads.add_user_message", **params))

    def items(self, thread_id: str) -> list[dict[str, Any]]:
        page = self.get("items.list", thread_id=thread_id, limit=100, order="asc")
        items: list[dict[str, Any]] = page["data"]
        return items


class Server(User):
    """The application on loopback, and its first user."""

    def __init__(self, run: Workflow, database: str | Path, **settings: Any) -> None:
        self.database = database
        self._server = OwnServer(run, database, **settings)
        self.port = self._server.port
        self.tables = self._server.tables
        self.begin_to_stop = self._server.begin_to_stop
        plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx would read certificates
        url = f"http://127.0.0.1:{self.port}"
        http = httpx.Client(base_url=url, timeout=PATIENCE, verify=plain)
        super().__init__(http, "ana")

    def stop(self) -> None:
        self.http.close()
        self._server.stop()

    close = stop


def stored(database: str | Path) -> list[str]:
    """The types of the items in the database, for every user, in order."""
    url = str(database) if "://" in str(database) else f"sqlite:///{database}"
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT data FROM items ORDER BY position").all()
    engine.dispose()
    return [json.loads(data)["type"] for (data,) in rows]


def request(type: str, user: str, **params: Any) -> dict[str, Any]:
    return {"type": type, "params": params, "metadata": {"user": user}}


def message(data: Any = None) -> dict[str, Any]:
    text = data if isinstance(data, str) else json.dumps({} if data is None else data)
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "quoted_text": "", "inference_options": {}}


def texts(items: list[dict[str, Any]], type: str = "assistant_message") -> list[str]:
    return ["".join(p["text"] for p in item["content"]) for item in items if item["type"] == type]


def done(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["item"] for event in events if event["type"] == "thread.item.done"]


def answer(events: list[dict[str, Any]]) -> Any:
    (text,) = texts(done(events))
    return json.loads(text)


def thread_of(events: list[dict[str, Any]]) -> str:
    assert events[0]["type"] == "thread.created"
    thread_id: str = events[0]["thread"]["id"]
    return thread_id


async def echo(edn360_input: dict[str, Any]) -> Any:
    """Return the input as the program, or produce the input's ``outcome``."""
    outcome = OUTCOMES.get(edn360_input.get("outcome", ""))
    if isinstance(outcome, BaseException):
        raise outcome
    if "outcome" in edn360_input:
        return outcome
    return {"title": "Echo", "sessions": [], "input": edn360_input}


class Reps:
    def __str__(self) -> str:
        return "8-10"


OUTCOMES: dict[str, Any] = {
    "with the root key": {ROOT_KEY: {"title": "T"}, "beside": 1},
    "with error null": {"title": "T", "error": None},
    "with an error": {"error": {"message": "no"}},
    "with half a character": {"title": "half \ud83c"},
    "raises": ValueError("no such athlete"),
    "is cancelled": asyncio.CancelledError(),
    "exits": SystemExit(3),
    "interrupts": KeyboardInterrupt(),
    "returns nothing": None,
    "returns text": "```json\n{}\n```",
    "returns a list": [{ROOT_KEY: {"title": "T"}}],
    "with what JSON lacks": {
        "at": datetime(2026, 1, 5),
        "weeks": float("nan"),
        "reps": Reps(),
    },
}


class Gate:
    """A workflow that signals its start, and waits until it may end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()
        self.started = 0
        self.ended = 0
        self.answer: dict[str, Any] = {"title": "After the gate", "sessions": []}

    async def __call__(self, edn360_input: dict[str, Any]) -> dict[str, Any]:
        self.started += 1
        self.begun.set()
        while not self.opened.is_set():
            await asyncio.sleep(0.005)
        self.ended += 1
        return self.answer
