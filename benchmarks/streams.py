"""What reading a stream costs, and how soon the program is there after its last byte.

CPU: 20,000 text deltas, read by poll_response and by httpx-sse with json.loads per event. Memory:
the peak of 1 MB of answer in 2,000 and in 200,000 deltas. Delay: from the server's last byte to
the validated program in the caller's hands, on loopback. The server is a process of its own.

    python -m benchmarks.streams
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import EventSource

from edn360_chatkit import ChatKitClient, EDN360Input
from edn360_chatkit.program.model import ROOT_KEY
from edn360_chatkit.testing._workflow import simulated_program

EXAMPLE = Path(__file__).parents[1] / "examples" / "athlete_initial.json"
ROUNDS = 9


def events(text: str, deltas: int) -> bytes:
    """A stream of the thread protocol that writes a text in so many pieces."""
    user: dict[str, Any] = {
        "type": "user_message",
        "id": "msg_1",
        "thread_id": "thr_1",
        "content": [],
    }
    answer: dict[str, Any] = {"type": "assistant_message", "id": "msg_2", "thread_id": "thr_1"}
    whole: dict[str, Any] = {
        **answer,
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    size = max(1, -(-len(text) // deltas))
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    pieces += [""] * (deltas - len(pieces))
    kind = "assistant_message.content_part.text_delta"
    made: list[dict[str, Any]] = [
        {"type": "thread.created", "thread": {"id": "thr_1"}},
        {"type": "thread.item.done", "item": user},
        {"type": "thread.item.added", "item": {**answer, "content": []}},
    ]
    made += [
        {
            "type": "thread.item.updated",
            "item_id": "msg_2",
            "update": {"type": kind, "content_index": 0, "delta": piece},
        }
        for piece in pieces
    ]
    made.append({"type": "thread.item.done", "item": whole})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in made)


def answer(connection: socket.socket, stream: bytes) -> bool:
    """Answer one request: a list of no threads, or the stream. Returns whether it was that."""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        head, _, rest = request.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(rest) < length:
            rest += connection.recv(65536)
        is_stream = b'"threads.list"' not in rest
        kind, body = b"text/event-stream", stream
        if not is_stream:
            kind, body = b"application/json", b'{"data": [], "has_more": false}'
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\nconnection: close\r\n"
            b"content-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        return is_stream


def serve(pipe: Connection) -> None:
    """Answer with the newest stream, and say when it was written."""
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    body = b""
    while True:
        told = pipe.recv()
        if told is None:
            return
        body = told if told else body
        if told:
            pipe.send("ready")
            continue
        while not answer(listener.accept()[0], body):
            pass
        pipe.send(time.monotonic())


def main() -> bool:
    pipe, other_end = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(other_end,))
    server.start()
    url = f"http://127.0.0.1:{pipe.recv()}/chatkit"
    data = json.loads(EXAMPLE.read_text("utf-8"))
    program = simulated_program(EDN360Input.model_validate(data))

    def load(text: str, deltas: int) -> None:
        pipe.send(events(text, deltas))
        pipe.recv()

    def told(call: Callable[[], Any]) -> tuple[Any, float]:
        pipe.send(b"")
        result = call()
        return result, pipe.recv()

    def bare() -> int:
        count = 0
        with http.stream("POST", url, content=b"{}") as response:
            for event in EventSource(response).iter_sse():
                count += bool(json.loads(event.data))
        return count

    def ours() -> Any:
        return client.run_workflow(data).program

    with httpx.Client(trust_env=False) as http, ChatKitClient(server_url=url) as client:
        text = json.dumps({ROOT_KEY: program}, ensure_ascii=False)
        load(text, 20_000)
        times: dict[Callable[[], Any], list[float]] = {bare: [], ours: []}
        for _ in range(ROUNDS):
            for call, taken in times.items():
                started = time.process_time()
                told(call)
                taken.append(time.process_time() - started)
        bare_time, our_time = (statistics.median(taken) for taken in times.values())

        load(text, 50)
        late: list[float] = []
        for _ in range(5 * ROUNDS):
            _, written = told(ours)
            late.append(time.monotonic() - written)
        delay = statistics.median(late)

        peaks: list[float] = []
        big = json.dumps({ROOT_KEY: {**program, "summary": "x" * 1_000_000}})
        for deltas in (2_000, 200_000):
            load(big, deltas)
            told(ours)
            tracemalloc.start()
            told(ours)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    pipe.send(None)
    server.join()
    print(f"httpx-sse with json.loads, 20,000 deltas {bare_time * 1000:6.0f} ms of CPU")
    print(f"run_workflow, the same stream            {our_time * 1000:6.0f} ms of CPU")
    print(f"ours / bare = {our_time / bare_time:.2f} (at most 2.50)")
    print(f"delay after the last byte = {delay * 1000:.1f} ms (median, at most 10)")
    print(f"peak memory, 1 MB in 2,000 deltas   {peaks[0] / 1e6:6.1f} MB")
    print(f"peak memory, 1 MB in 200,000 deltas {peaks[1] / 1e6:6.1f} MB")
    print(f"the second / the first = {peaks[1] / peaks[0]:.2f} (at most 1.25)")
    return bool(our_time / bare_time <= 2.5 and delay <= 0.010 and peaks[1] <= 1.25 * peaks[0])


if __name__ == "__main__":
    sys.exit(not main())
