"""``examples/self_hosted_server.py``, a ChatKit server that we only wrap, asked over real HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from edn360_chatkit import EnrichedTrainingProgram
from tests.support.example_server import EXAMPLE, PATIENCE, ExampleServer, Run, example, wait_for

ROOT_KEY = "client_training_program_enriched"


class User:
    """Someone who asks a server over HTTP."""

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
        """Start a run: its thread, and what is left of its stream."""
        stream = self.stream("threads.create", input=message())
        return thread_of([next(stream)]), stream

    def run(self, data: Any = None) -> list[dict[str, Any]]:
        return list(self.stream("threads.create", input=message(data)))

    def run_in(self, thread_id: str, data: Any = None) -> list[dict[str, Any]]:
        asked = {"thread_id": thread_id, "input": message(data)}
        return list(self.stream("threads.add_user_message", **asked))

    def items(self, thread_id: str) -> list[dict[str, Any]]:
        page = self.get("items.list", thread_id=thread_id, limit=100, order="asc")
        found: list[dict[str, Any]] = page["data"]
        return found


class Server(User):
    """The example's app on loopback, and its first user."""

    def __init__(self, run: Run, database: Path, **options: Any) -> None:
        self.database = database
        self._server = ExampleServer(run, database, **options)
        self.port = self._server.port
        self.begin_to_stop = self._server.begin_to_stop
        super().__init__(httpx.Client(base_url=f"http://127.0.0.1:{self.port}"), "ana")

    def stop(self) -> None:
        self.begin_to_stop()
        self.http.close()
        self._server.stop()

    def stored(self) -> list[str]:
        """The types of all items in the database, in order; it has those too that none may see."""
        with closing(sqlite3.connect(self.database)) as db:
            rows = db.execute("SELECT data FROM items ORDER BY position").fetchall()
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
    """A workflow that says at once what it was given, or does what a test asks for."""
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
    "with an error": {"error": {"message": "no"}},
    "with half a character": {"title": "half \ud83c"},
    "raises": ValueError("no such athlete"),
    "is cancelled": asyncio.CancelledError(),
    "returns nothing": None,
    "returns text": "text",
    "with what JSON lacks": {
        "at": datetime(2026, 1, 5),
        "weeks": float("nan"),
        "reps": Reps(),
    },
}


class Gate:
    """A workflow that tells when it works, and waits until it is let on."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()
        self.ended = 0

    async def __call__(self, edn360_input: dict[str, Any]) -> dict[str, Any]:
        self.begun.set()
        while not self.opened.is_set():
            await asyncio.sleep(0.005)
        self.ended += 1
        return {"title": "After the gate", "sessions": []}


Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.delenv("EDN360_SERVER_TOKEN", raising=False)
    servers: list[Server] = []

    def start(run: Run = echo, **options: Any) -> Server:
        servers.append(Server(run, tmp_path / "threads.db", **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("EDN360_SERVER_TOKEN", raising=False)
        server = Server(echo, tmp_path_factory.mktemp("echoing") / "threads.db")
    yield server
    server.stop()


_names = itertools.count()


@pytest.fixture
def user(echoing: Server) -> User:
    """A new user of a server that echoes, for what needs no server of its own."""
    return User(echoing.http, f"user-{next(_names)}")


# --- a run -----------------------------------------------------------------------------------


def test_events_of_run_arrive_in_order(serve: Serve) -> None:
    async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        example.report_progress("Planning")
        await asyncio.to_thread(example.report_progress, "Choosing")
        return {"title": "T", "sessions": []}

    events = serve(run).run({"user_profile": {}})

    def label(event: dict[str, Any]) -> str:
        inner = event.get("item") or event.get("update") or {}
        return " ".join(filter(None, [event["type"], inner.get("type"), event.get("text")]))

    update = "thread.item.updated workflow.task."
    assert [label(event) for event in events] == [
        "thread.created",
        "thread.item.done user_message",
        "stream_options",
        "thread.item.added workflow",
        "progress_update Running the workflow",
        f"{update}added",
        "progress_update Planning",
        f"{update}updated",
        f"{update}added",
        "progress_update Choosing",
        f"{update}updated",
        f"{update}added",
        f"{update}updated",
        "thread.item.done workflow",
        "thread.item.done assistant_message",
    ]
    workflow = done(events)[1]["workflow"]
    assert [(task["title"], task["status_indicator"]) for task in workflow["tasks"]] == [
        ("Running the workflow", "complete"),
        ("Planning", "complete"),
        ("Choosing", "complete"),
    ]
    assert workflow["summary"] == {"duration": 0}
    assert events[2]["stream_options"] == {"allow_cancel": False}
    assert answer(events) == {ROOT_KEY: {"title": "T", "sessions": []}}


def test_input_and_answer_pass_unchanged(user: User) -> None:
    data = {"user_profile": {"user_id": "ana"}, "text": "línea\u2028párrafo\u2029\u0085\r\n🏋"}
    assert answer(user.run(data))[ROOT_KEY]["input"] == data


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ("with the root key", f'{{"{ROOT_KEY}":{{"title":"T"}},"beside":1}}'),
        ("with an error", '{"error":{"message":"no"}}'),
        ("with half a character", f'{{"{ROOT_KEY}":{{"title":"half ?"}}}}'),
        (
            "with what JSON lacks",
            f'{{"{ROOT_KEY}":{{"at":"2026-01-05T00:00:00","weeks":null,"reps":"8-10"}}}}',
        ),
    ],
)
def test_returned_program_is_wrapped_once(user: User, outcome: str, text: str) -> None:
    assert texts(done(user.run({"outcome": outcome}))) == [text]


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ("raises", "ValueError: no such athlete"),
        ("is cancelled", "CancelledError"),
        ("returns nothing", "must return a dict, and returned None."),
        ("returns text", "must return a dict, and returned 'text'."),
    ],
)
def test_failed_run_says_why(user: User, outcome: str, says: str) -> None:
    events = user.run({"outcome": outcome})
    assert list(answer(events)) == ["error"]
    assert says in answer(events)["error"]["message"]
    assert user.items(thread_of(events))[-1] == done(events)[-1]


@pytest.mark.parametrize(
    ("text", "says"), [("hello", "JSONDecodeError"), ("[1]", "no JSON object"), ("", "JSONDecode")]
)
def test_message_without_object_gets_error(user: User, text: str, says: str) -> None:
    assert says in answer(user.run(text))["error"]["message"]


def test_thread_takes_several_runs(user: User) -> None:
    thread_id = thread_of(user.run({"number": 1}))
    events = user.run_in(thread_id, {"number": 2})

    assert events[0]["type"] == "thread.item.done"  # no second thread.created
    items = user.items(thread_id)
    assert [item["type"] for item in items] == ["user_message", "workflow", "assistant_message"] * 2
    numbers = [json.loads(text)[ROOT_KEY]["input"]["number"] for text in texts(items)]
    assert numbers == [1, 2]
    assert len({item["id"] for item in items}) == 6


def test_run_can_be_retried(user: User) -> None:
    thread_id = thread_of(user.run())
    before = user.items(thread_id)
    asked = {"thread_id": thread_id, "item_id": before[0]["id"]}
    events = list(user.stream("threads.retry_after_item", **asked))

    after = user.items(thread_id)
    assert [item["type"] for item in after] == ["user_message", "workflow", "assistant_message"]
    assert after[0] == before[0]
    assert after[2] == done(events)[-1] != before[2]


def test_concurrent_runs_stay_separate(serve: Serve) -> None:
    together = 20
    waiting: set[int] = set()

    async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        number = edn360_input["number"]
        waiting.add(number)
        while len(waiting) < together:  # ends only if all of them run at the same time
            await asyncio.sleep(0.005)
        example.report_progress(f"step of {number}")
        return {"number": number}

    server = serve(run)
    users = [User(server.http, f"user-{number}") for number in range(together)]
    with ThreadPoolExecutor(together) as pool:
        runs = list(pool.map(lambda n: users[n].run({"number": n}), range(together)))

    for number, events in enumerate(runs):
        assert answer(events) == {ROOT_KEY: {"number": number}}
        progress = [event["text"] for event in events if event["type"] == "progress_update"]
        assert progress == ["Running the workflow", f"step of {number}"]
        assert len(users[number].items(thread_of(events))) == 3


def test_progress_of_worker_thread_is_reported(serve: Serve) -> None:
    seen = threading.Event()

    def work() -> bool:
        example.report_progress("in a thread")
        return seen.wait(1)

    async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        return {"seen": await asyncio.to_thread(work)}

    for event in (events := serve(run).stream("threads.create", input=message())):
        if event.get("text") == "in a thread":
            seen.set()
            break
    assert answer(list(events)) == {ROOT_KEY: {"seen": True}}


def test_progress_outside_run_does_nothing() -> None:
    example.report_progress("nobody listens")


# --- hanging up, stopping, starting again ----------------------------------------------------


def test_hang_up_does_not_end_run(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate)
    thread_id, stream = server.begin()
    while next(stream)["type"] != "progress_update":
        pass
    stream.close()
    wait_for(gate.begun.is_set)
    time.sleep(0.05)  # the server has seen that nobody listens
    assert texts(server.items(thread_id)) == []

    gate.opened.set()
    wait_for(lambda: texts(server.items(thread_id)))
    server.stop()  # whatever was still to be stored is stored by now
    assert gate.ended == 1
    assert server.stored() == ["user_message", "workflow", "assistant_message"]

    again = serve(gate)
    thread = again.get("threads.get_by_id", thread_id=thread_id)
    assert thread["items"]["data"] == again.items(thread_id)
    assert "After the gate" in texts(again.items(thread_id))[0]


def test_hang_up_before_response_keeps_run(serve: Serve) -> None:
    server = serve()
    body = json.dumps(request("threads.create", "ana", input=message())).encode()
    head = f"POST /chatkit HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + body)
    wait_for(lambda: "assistant_message" in server.stored())
    server.stop()
    assert server.stored() == ["user_message", "workflow", "assistant_message"]


def test_stop_lets_runs_finish(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, grace=PATIENCE)
    thread_id, left = server.begin()
    left.close()
    _, listening = server.begin()
    server.begin_to_stop()
    time.sleep(0.15)  # it is stopping by now
    gate.opened.set()
    assert answer(list(listening))[ROOT_KEY]["title"] == "After the gate"
    server.stop()

    assert gate.ended == 2
    assert texts(serve().items(thread_id))


def test_stop_waits_for_unwatched_run(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, grace=PATIENCE)
    _, stream = server.begin()
    stream.close()
    wait_for(gate.begun.is_set)
    threading.Timer(0.4, gate.opened.set).start()  # well after the last connection is closed
    server.stop()
    assert server.stored() == ["user_message", "workflow", "assistant_message"]


def test_stopped_run_is_reported_once(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, grace=0.01)
    thread_id, stream = server.begin()
    stream.close()
    wait_for(gate.begun.is_set)
    server.stop()
    assert server.stored() == ["user_message"]

    for _ in range(2):
        server = serve()
        (text,) = texts(server.items(thread_id))
        assert json.loads(text) == {
            "error": {"message": "The server stopped before the workflow's end."}
        }
        server.stop()


def test_second_server_refuses_same_database(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate)
    thread_id, stream = server.begin()
    with pytest.raises(RuntimeError, match=r"Another server uses .*threads\.db"):
        example.build_app(echo, server.database)
    gate.opened.set()
    assert ROOT_KEY in answer(list(stream))
    assert len(texts(server.items(thread_id))) == 1


def test_threads_survive_restart(serve: Serve) -> None:
    server = serve()
    thread_id = thread_of(server.run({"number": 1}))
    before = server.items(thread_id)
    server.stop()

    server = serve()
    assert server.items(thread_id) == before
    server.run_in(thread_id)
    assert server.items(thread_id)[:3] == before
    assert len(server.items(thread_id)) == 6


# --- reading threads and items ---------------------------------------------------------------


def pages(user: User, type: str, **params: Any) -> tuple[list[str], list[int]]:
    """The ids on all pages, and how many each page has."""
    ids: list[str] = []
    sizes: list[int] = []
    after: str | None = None
    while True:
        page = user.get(type, **params, **({"after": after} if after else {}))
        ids += [row["id"] for row in page["data"]]
        sizes.append(len(page["data"]))
        if not page["has_more"]:
            assert "after" not in page
            return ids, sizes
        after = page["after"]
        assert after == ids[-1]
        assert len(set(ids)) == len(ids)


def test_items_are_paged_in_both_orders(user: User) -> None:
    thread_id = thread_of(user.run())
    for _ in range(7):
        user.run_in(thread_id)
    ids = [item["id"] for item in user.items(thread_id)]
    assert len(set(ids)) == 24
    asc = {"thread_id": thread_id, "order": "asc"}
    desc = {"thread_id": thread_id, "order": "desc"}
    assert pages(user, "items.list", **asc, limit=5) == (ids, [5, 5, 5, 5, 4])
    assert pages(user, "items.list", **desc, limit=5) == (ids[::-1], [5, 5, 5, 5, 4])
    assert pages(user, "items.list", **desc, limit=12) == (ids[::-1], [12, 12])
    assert pages(user, "items.list", thread_id=thread_id) == (ids[::-1], [20, 4])
    assert pages(user, "items.list", **asc, limit=-3)[1] == [1] * 24
    after = user.get("items.list", **asc, after=ids[21])
    assert [item["id"] for item in after["data"]] == ids[22:]

    thread = user.get("threads.get_by_id", thread_id=thread_id)  # it shows the oldest 20
    assert thread["items"]["data"] == user.items(thread_id)[:20]
    assert thread["items"]["has_more"] is True


def test_threads_are_paged_in_both_orders(user: User) -> None:
    ids = [thread_of(user.run()) for _ in range(5)]
    assert pages(user, "threads.list", order="asc", limit=2) == (ids, [2, 2, 1])
    assert pages(user, "threads.list", limit=2) == (ids[::-1], [2, 2, 1])


def test_page_after_unknown_item_is_refused(user: User) -> None:
    response = user.ask("items.list", thread_id=thread_of(user.run()), after="msg_none")
    assert response.status_code == 404
    assert "msg_none" in response.json()["error"]["message"]


def test_users_see_only_own_threads(user: User) -> None:
    eve = User(user.http, "eve")
    thread_id = thread_of(user.run())
    first = user.items(thread_id)[0]["id"]
    here = {"thread_id": thread_id}
    assert eve.get("threads.list")["data"] == []
    requests: dict[str, dict[str, Any]] = {
        "threads.get_by_id": here,
        "items.list": here,
        "threads.update": {**here, "title": "mine"},
        "threads.delete": here,
        "threads.add_user_message": {**here, "input": message()},
        "threads.retry_after_item": {**here, "item_id": first},
    }
    for name, params in requests.items():
        assert eve.ask(name, **params).status_code == 404, name

    assert [thread["id"] for thread in user.get("threads.list")["data"]] == [thread_id]
    assert len(user.items(thread_id)) == 3


def test_thread_is_renamed_and_deleted(serve: Serve) -> None:
    server = serve()
    thread_id = thread_of(server.run())
    server.get("threads.update", thread_id=thread_id, title="March")
    assert server.get("threads.list")["data"][0]["title"] == "March"
    assert server.get("threads.delete", thread_id=thread_id) == {}
    assert server.ask("threads.get_by_id", thread_id=thread_id).status_code == 404
    assert server.stored() == []


# --- requests --------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_request_without_token_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    if given == "environment":
        monkeypatch.setenv("EDN360_SERVER_TOKEN", "open-sesame")
    server = serve(**({"token": "open-sesame"} if given == "argument" else {}))
    for header in (None, "open-sesame", "Bearer open", "Bearer open-sesame2", "Bearer"):
        server.http.headers.pop("authorization", None)
        if header is not None:
            server.http.headers["authorization"] = header
        response = server.ask("threads.create", input=message())
        assert response.status_code == 401, header
        assert "token" in response.json()["error"]["message"]
    assert server.stored() == []

    server.http.headers["authorization"] = "Bearer open-sesame"
    assert ROOT_KEY in answer(server.run())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "Invalid JSON"),
        (json.dumps({"type": "threads.list", "params": {}}).encode(), "metadata.user"),
        (json.dumps(request("threads.list", "")).encode(), "metadata.user"),
        (json.dumps(request("threads.fly", "ana")).encode(), "threads.fly"),
        (json.dumps(request("items.list", "ana")).encode(), "items.list.params.thread_id"),
    ],
    ids=["no JSON", "no user", "empty user", "unknown type", "no thread"],
)
def test_invalid_request_is_refused_with_reason(user: User, body: bytes, says: str) -> None:
    response = user.http.post("/chatkit", content=body)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]


def test_silent_run_keeps_stream_alive(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, keep_alive=0.05)
    body = request("threads.create", "ana", input=message())
    with server.http.stream("POST", "/chatkit", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-accel-buffering"] == "no"
        received = b""
        for chunk in response.iter_raw():
            received += chunk
            if received.count(b": keep-alive\n\n") >= 2:
                gate.opened.set()
    assert b"After the gate" in received.rpartition(b": keep-alive\n\n")[2]


# --- the command -----------------------------------------------------------------------------


def test_command_finishes_run_when_stopped(tmp_path: Path, serve: Serve) -> None:
    command = [sys.executable, str(EXAMPLE), "--port", "0", "--database", "threads.db"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"running on (http://127.0.0.1:\d+)", line):
                break
        else:
            pytest.fail("it did not start")
        data = {"user_profile": {"user_id": "ana"}}
        body = request("threads.create", "ana", input=message(data))
        with httpx.stream("POST", f"{found[1]}/chatkit", json=body) as response:
            next(response.iter_raw())
        process.send_signal(signal.SIGTERM)
        process.communicate()

    server = serve()
    (thread,) = server.get("threads.list")["data"]
    (text,) = texts(server.items(thread["id"]))
    program = EnrichedTrainingProgram.model_validate(json.loads(text)[ROOT_KEY])
    assert program.title == "Demo for ana, not training advice"


def test_command_needs_token_for_other_hosts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EDN360_SERVER_TOKEN", raising=False)
    monkeypatch.setattr(sys, "argv", ["self_hosted_server.py", "--host", "0.0.0.0"])
    with pytest.raises(SystemExit, match="2"):
        example.serve(echo)
    assert "EDN360_SERVER_TOKEN" in capsys.readouterr().err
