"""A server on real sockets that writes the bytes of a test."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Answer: TypeAlias = Callable[["Exchange"], Iterable[bytes]]


@dataclass
class Exchange:
    """A request and its connection."""

    line: str
    head: bytes
    body: bytes
    connection: socket.socket = field(repr=False)


def reply(
    data: Any, *, status: int = 200, headers: str = "", kind: str = "application/json"
) -> bytes:
    """A whole HTTP response."""
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{headers}"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def stream_head(*, headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{headers}\r\n".encode()


def event(**fields: Any) -> bytes:
    """The bytes of an event of a stream."""
    return f"data: {json.dumps(fields)}\n\n".encode()


def thread_item(kind: str, item_id: str, text: str) -> dict[str, object]:
    return {"type": kind, "id": item_id, "thread_id": "thr_1", "content": [{"text": text}]}


def message_list(text: str) -> dict[str, Any]:
    """A session's messages: the athlete's data, and a message of the workflow."""
    content = [{"type": "output_text", "text": text}]
    return {"data": [{"id": "msg_2", "role": "assistant", "content": content}, MESSAGE]}


SESSION = {"id": "cksess_1", "client_secret": "ek_1", "user": "athlete-1"}
MESSAGE = {"id": "msg_1", "role": "user"}
MESSAGE_STORED = event(
    type="thread.item.done", item={"type": "user_message", "id": "msg_1", "thread_id": "thr_1"}
)
"""The event that says that the server has the message."""


def dribble(data: bytes, *, every: float = 0.05) -> Iterator[bytes]:
    """The data byte by byte, with pauses."""
    for byte in data:
        yield bytes([byte])
        time.sleep(every)


@dataclass
class RawServer:
    """The server.

    Attributes:
        answer: Returns the bytes of a response, in pieces.
        requests: The lines of all requests, without the version of HTTP.
    """

    answer: Answer
    port: int
    requests: list[str] = field(default_factory=list[str])
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chatkit"

    @property
    def server_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/chatkit"

    def serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while (exchange := self.read(connection)) is not None:
                self.requests.append(exchange.line)
                for piece in self.answer(exchange):
                    connection.sendall(piece)
                    if self.closing.is_set():
                        return

    def read(self, connection: socket.socket) -> Exchange | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65536)):
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(body) < length:
            if not (more := connection.recv(65536)):
                return None
            body += more
        first_line = head.split(b"\r\n")[0].decode().rpartition(" ")[0]
        return Exchange(first_line, head, body, connection)


@contextmanager
def raw_server(answer: Answer) -> Iterator[RawServer]:
    """Run a server within the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(answer, listener.getsockname()[1])
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                thread = threading.Thread(target=server.serve, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        server.closing.set()
        # Closing alone would not wake the thread that waits in accept().
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [accepting, *threads]:
            thread.join(5)


@contextmanager
def own_server(answer: Answer) -> Iterator[RawServer]:
    """Run a self-hosted server without threads. ``answer`` gets all requests but their lists."""

    def answer_all(exchange: Exchange) -> Iterable[bytes]:
        if b'"threads.list"' in exchange.body:
            server.requests.pop()
            return [reply({"data": [], "has_more": False})]
        return answer(exchange)

    with raw_server(answer_all) as server:
        yield server
