"""CPU per request with 1,000 runs in flight against 10, and 1,000 streams open at once.

The server answers at once and is a process of its own. Both sides poll at about the same rate:
10 runs every 0.02 s, 1,000 runs every 2 s.

    python -m benchmarks.flights
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.server import allow_files, read_request
from edn360_chatkit import AsyncChatKitClient, AsyncWorkflowRun, EDN360Input, WorkflowTimeoutError

BOUND = 1.3
ROUNDS = 3
STREAMS = 1000
EVENT: dict[str, Any] = {
    "type": "thread.item.done",
    "item": {"type": "user_message", "id": "msg_1", "thread_id": "thr_1", "content": []},
}
INPUT = EDN360Input.model_validate(
    {
        "user_profile": {"user_id": "athlete-1"},
        "questionnaires": [{"source": "initial", "payload": {}}],
    }
)


def serve(pipe: Connection) -> None:
    allow_files()
    asyncio.run(answer_all(pipe))


async def answer_all(pipe: Connection) -> None:
    body = json.dumps({"data": [], "has_more": False}).encode()
    page = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    stream = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: %s\n\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                _, content = await read_request(reader)
                if b'"threads.create"' in content:
                    writer.write(stream % json.dumps(EVENT).encode())
                else:
                    writer.write(page % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=STREAMS)
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)


async def cpu_per_request(base_url: str, runs: int, interval: float, polls: int) -> float:
    """The CPU time of one poll, in seconds, with so many runs in flight."""
    options: Any = {"api_key": "sk-1", "workflow_id": "wf_1", "poll_interval": interval}
    async with AsyncChatKitClient(base_url=base_url, **options, deadline=600) as client:

        async def run(number: int) -> None:
            with suppress(WorkflowTimeoutError):
                await client.poll_response(f"s_{number}", after="msg_1", max_attempts=polls)

        started = time.process_time()
        await asyncio.gather(*(run(number) for number in range(runs)))
        return (time.process_time() - started) / (runs * polls)


async def until_sent(run: AsyncWorkflowRun) -> None:
    """Read a stream up to the event that says that the message has arrived."""
    async for event in run:
        if event.type == "message.sent":
            return


async def open_streams(server_url: str) -> int:
    """How many runs have their stream open at the same time."""
    async with AsyncChatKitClient(server_url=server_url, deadline=600) as client:
        runs = [client.stream_workflow(INPUT) for _ in range(STREAMS)]
        await asyncio.gather(*(until_sent(run) for run in runs))
        pools = client._driver._pools  # pyright: ignore[reportPrivateUsage]
        count = sum(len(pool.streams) for pool in pools.values())
        await asyncio.gather(*(run.aclose() for run in runs))
        return count


def main() -> bool:
    allow_files()
    pipe, other_end = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(other_end,))
    server.start()
    address = f"http://127.0.0.1:{pipe.recv()}"
    few: list[float] = []
    many: list[float] = []
    for _ in range(ROUNDS):
        few.append(asyncio.run(cpu_per_request(address, 10, 0.02, 200)))
        many.append(asyncio.run(cpu_per_request(address, 1000, 2.0, 3)))
    streams = asyncio.run(open_streams(f"{address}/chatkit"))
    pipe.send("done")
    server.join()
    ratio = statistics.median(more / less for less, more in zip(few, many, strict=True))
    print(f"a poll, 10 runs in flight              {statistics.median(few) * 1e6:6.0f} µs of CPU")
    print(f"a poll, 1,000 runs in flight           {statistics.median(many) * 1e6:6.0f} µs of CPU")
    print(f"1,000 / 10 = {ratio:.2f} (at most {BOUND})")
    print(f"streams open at once = {streams} (at least {STREAMS})")
    return ratio <= BOUND and streams >= STREAMS


if __name__ == "__main__":
    sys.exit(not main())
