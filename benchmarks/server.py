"""The server of the batches: a process of its own, which counts what each client does.

A client's name is the first part of its paths, so that several can use one server side by side.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

PROGRAM: dict[str, Any] = {
    "title": "Strength",
    "sessions": [{"id": "D1", "blocks": [{"id": "A", "exercises": []}]}],
}
ANSWER = json.dumps({"client_training_program_enriched": PROGRAM})
CONTENT: list[dict[str, Any]] = [{"type": "output_text", "text": ANSWER, "annotations": []}]


@dataclass
class Seen:
    """What the server saw of a client. Runs are counted by the athlete, who is the user."""

    requests: int = 0
    users: dict[str, str] = field(default_factory=dict[str, str])
    due: dict[str, float] = field(default_factory=dict[str, float])
    messages: Counter[str] = field(default_factory=Counter[str])

    def answer(self, method: str, parts: list[str], body: Any, seconds: float) -> Any:
        """The body of an answer of the session messages protocol."""
        now = time.monotonic()
        if parts == ["sessions"]:
            session = f"s{len(self.users)}"
            self.users[session] = body["user"]
            return {"id": session, "client_secret": "ek_1"}
        session = parts[1]
        if method == "POST":
            self.messages[self.users[session]] += 1
            self.due[session] = now + seconds
            return {"id": f"msg_{session}", "role": "user"}
        message: dict[str, Any] = {"id": f"msg_{session}", "role": "user", "content": []}
        if now < self.due[session]:
            return {"data": [message]}
        answer = {"id": f"answer_{session}", "role": "assistant", "content": CONTENT}
        return {"data": [answer, message]}


async def _stream(seen: Seen, body: Any, seconds: float) -> AsyncIterator[Any]:
    """The events of a run of the thread protocol."""
    thread = f"thr_{seen.requests}"
    text = body["params"]["input"]["content"][0]["text"]
    seen.messages[json.loads(text)["user_profile"]["user_id"]] += 1
    seen.due[thread] = time.monotonic() + seconds
    yield {"type": "thread.created", "thread": {"id": thread}}
    for item in _items(thread):
        if item["type"] == "assistant_message":
            await asyncio.sleep(seconds)
        yield {"type": "thread.item.done", "item": item}


def _items(thread: str) -> list[dict[str, Any]]:
    message: dict[str, Any] = {
        "type": "user_message",
        "id": f"u_{thread}",
        "thread_id": thread,
        "content": [],
    }
    answer = {"type": "assistant_message", "id": f"a_{thread}", "content": CONTENT}
    return [message, {**answer, "thread_id": thread}]


def _serve(pipe: Connection, seconds: float) -> None:
    allow_files()
    asyncio.run(_answer_all(pipe, seconds))


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The head and the content of the next request of a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    _, _, rest = head.lower().partition("content-length: ")
    return head, await reader.readexactly(int(rest.split("\r\n")[0] or 0))


async def _answer_all(pipe: Connection, seconds: float) -> None:
    clients: defaultdict[str, Seen] = defaultdict(Seen)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head, content = await read_request(reader)
                body: dict[str, Any] = json.loads(content) if content else {}
                method, path, _ = head.split(" ", 2)
                _, name, *parts = path.partition("?")[0].split("/")
                seen, wait = clients[name], 0.0 if name == "warm" else seconds
                seen.requests += 1
                kind = body.get("type") if parts == ["chatkit"] else None
                if parts[0] == "chatkit":
                    del parts[0]  # openai adds it to its base URL
                if kind == "threads.create":
                    writer.write(_head("text/event-stream", "transfer-encoding: chunked"))
                    async for event in _stream(seen, body, wait):
                        data = b"data: %s\n\n" % json.dumps(event).encode()
                        writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                    writer.write(b"0\r\n\r\n")
                    continue
                if kind is None:
                    result = seen.answer(method, parts, body, wait)
                else:
                    thread: str | None = body["params"].get("thread_id")
                    items = _items(thread) if thread else []
                    result = {"data": items, "has_more": False}
                data = json.dumps(result).encode()
                writer.write(_head("application/json", f"content-length: {len(data)}") + data)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    pipe.send(dict(clients))


def _head(kind: str, length: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{length}\r\n\r\n".encode()


@dataclass
class Server:
    """A server that runs; ``seen`` is filled when it has ended."""

    url: str
    seen: dict[str, Seen] = field(default_factory=dict[str, Seen])


@contextmanager
def run_server(seconds: float) -> Generator[Server]:
    """A server whose runs take so many seconds."""
    pipe, other_end = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(other_end, seconds))
    process.start()
    server = Server(f"http://127.0.0.1:{pipe.recv()}")
    try:
        yield server
    finally:
        pipe.send(None)
        server.seen.update(pipe.recv())
        process.join()


def allow_files() -> None:
    """Each connection is a file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
