"""A batch of thousands of runs: adaptive polls against a fixed 2 s loop, with the same server.

The server is a process of its own. It counts each session's messages and notes how late the answer
is asked for.

    python -m benchmarks.batch [RUNS [SECONDS]]
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from edn360_chatkit import AsyncChatKitClient

MOST_DELAY = 2.0
MOST_REQUESTS = 1 / 3
MOST_KIBIBYTES = 40.0
SLACK = 20.0
"""How many seconds more than one run the whole batch may take."""
PROGRAM: dict[str, Any] = {
    "title": "Strength",
    "sessions": [{"id": "D1", "blocks": [{"id": "A", "exercises": []}]}],
}
ANSWER = json.dumps({"client_training_program_enriched": PROGRAM})


@dataclass
class Figures:
    """What the server saw."""

    seconds: float
    requests: int = 0
    due: dict[str, float] = field(default_factory=dict[str, float])
    messages: dict[str, int] = field(default_factory=dict[str, int])
    delays: dict[str, float] = field(default_factory=dict[str, float])

    def answer(self, method: str, path: str) -> dict[str, Any]:
        """The body of an answer."""
        self.requests += 1
        now, session = time.monotonic(), path.split("/")[2:3]
        if not session:
            return {"id": f"s{self.requests}", "client_secret": "ek_1"}
        key = session[0]
        if method == "POST":
            self.messages[key] = self.messages.get(key, 0) + 1
            self.due[key] = now + self.seconds
            return {"id": f"msg_{key}", "role": "user"}
        message: dict[str, Any] = {"id": f"msg_{key}", "role": "user", "content": []}
        if now < self.due[key]:
            return {"data": [message]}
        self.delays.setdefault(key, now - self.due[key])
        content = [{"type": "output_text", "text": ANSWER}]
        return {"data": [{"id": f"answer_{key}", "role": "assistant", "content": content}, message]}


def serve(pipe: Connection) -> None:
    allow_files()
    asyncio.run(answer_all(pipe))


async def answer_all(pipe: Connection) -> None:
    figures = Figures(0.0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, _, rest = head.lower().partition(b"content-length: ")
                await reader.readexactly(int(rest.split(b"\r\n")[0] or 0))
                method, path, _ = head.split(b" ", 2)
                data = figures.answer(method.decode(), path.decode().partition("?")[0])
                body = json.dumps(data).encode()
                status = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                writer.write(status + b"content-length: %d\r\n\r\n%s" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    pipe.send(server.sockets[0].getsockname()[1])
    loop = asyncio.get_running_loop()
    while (seconds := await loop.run_in_executor(None, pipe.recv)) is not None:
        pipe.send(figures)
        figures = Figures(seconds)


def allow_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))


def inputs(count: int) -> Iterator[dict[str, Any]]:
    questionnaires = [{"source": "initial", "payload": {"days": 4}}]
    for number in range(count):
        yield {"user_profile": {"user_id": f"a-{number}"}, "questionnaires": questionnaires}


def memory() -> float:
    """The memory of this process now, in KiB."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1024


@dataclass
class Measured:
    """What this process saw."""

    answered: int
    wall: float
    cpu: float
    kibibytes: float


async def measure(base_url: str, runs: int, **options: Any) -> Measured:
    async with AsyncChatKitClient(base_url=base_url, api_key="sk-1", workflow_id="wf_1") as client:
        # Connections and imports of the first runs are not counted.
        async for _ in client.run_many(inputs(20), max_concurrency=20, max_attempts=1):
            pass
        idle, answered = memory(), 0
        most = idle
        cpu, wall = time.process_time(), time.monotonic()
        batch = client.run_many(inputs(runs), max_concurrency=runs, max_attempts=1000, **options)
        async with batch:
            async for result in batch:
                answered += result.response is not None
                if answered == 1:
                    most = memory()
        used = time.process_time() - cpu
        return Measured(answered, time.monotonic() - wall, used, (most - idle) / runs)


def main(runs: int = 5000, seconds: float = 60.0) -> bool:
    allow_files()
    pipe, other_end = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(other_end,))
    server.start()
    base_url = f"http://127.0.0.1:{pipe.recv()}"
    rows: list[tuple[Measured, Figures]] = []
    for interval in ("adaptive", 2.0):
        pipe.send(seconds)
        pipe.recv()
        measured = asyncio.run(measure(base_url, runs, poll_interval=interval))
        pipe.send(seconds)
        figures: Figures = pipe.recv()
        rows.append((measured, figures))
    pipe.send(None)
    server.join()
    print(
        f"{runs} runs of {seconds:g} s    answered  doubled  wall s  delay s  requests  CPU s  KiB"
    )
    delays: list[float] = []
    for name, (measured, figures) in zip(("adaptive", "fixed 2 s"), rows, strict=True):
        doubled = sum(count > 1 for count in figures.messages.values())
        delays.append(statistics.mean(figures.delays.values()))
        print(
            f"{name:22} {measured.answered:8} {doubled:8} {measured.wall:7.1f} {delays[-1]:8.2f} "
            f"{figures.requests:9} {measured.cpu:6.1f} {measured.kibibytes:4.0f}"
        )
    (adaptive, seen), (fixed, seen_fixed) = rows
    # Each run has two requests that are no polls.
    polls = (seen.requests - 2 * runs) / (seen_fixed.requests - 2 * runs)
    print(f"polls of the adaptive batch / of the loop = {polls:.2f} (at most {MOST_REQUESTS:.2f})")
    print(f"CPU of the adaptive batch / of the loop = {adaptive.cpu / fixed.cpu:.2f}")
    return (
        adaptive.answered == runs
        and max(seen.messages.values()) == 1
        and adaptive.wall <= seconds + SLACK
        and delays[0] <= MOST_DELAY
        and polls <= MOST_REQUESTS
        and adaptive.kibibytes <= MOST_KIBIBYTES
    )


if __name__ == "__main__":
    arguments = [float(argument) for argument in sys.argv[1:]]
    kept = main(int(arguments[0]), *arguments[1:]) if arguments else main()
    sys.exit(not kept)
