"""What one answered poll costs in CPU, against a bare httpx GET that does the same work.

The server runs in a process of its own, so that only the caller's CPU counts. Both sides get the
same answer: a session's messages with a program of 10 KB, decoded and validated.

    python -m benchmarks.polls
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import httpx2

from benchmarks.pairs import Pair, compare, compare_async, cpu_seconds
from edn360_chatkit import (
    AsyncChatKitClient,
    ChatKitClient,
    ChatSession,
    EnrichedTrainingProgram,
    Message,
)
from edn360_chatkit.testing import ChatKitSimulator

EXAMPLE = Path(__file__).parents[1] / "examples" / "athlete_initial.json"
ROUNDS, CALLS = 31, 30
BOUND = 1.15
PARAMS: dict[str, str | int] = {"limit": 50, "order": "desc"}


def serve(pipe: Connection) -> None:
    with ChatKitSimulator() as sim:
        pipe.send((sim.base_url, sim.api_key))
        pipe.recv()


@contextmanager
def server() -> Generator[tuple[str, str]]:
    """The base URL and key of a simulator in a process of its own."""
    pipe, other_end = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(other_end,))
    process.start()
    yield pipe.recv()
    pipe.send("done")
    process.join()


def program_of(response: httpx.Response) -> EnrichedTrainingProgram:
    """The work of a bare caller: decode and validate."""
    return EnrichedTrainingProgram.model_validate(raw_program(response))


def raw_program(response: httpx.Response) -> Any:
    text = response.json()["data"][0]["content"][0]["text"]
    return json.loads(text)["client_training_program_enriched"]


def main() -> bool:
    with server() as (base_url, api_key):
        data = json.loads(EXAMPLE.read_text("utf-8"))
        options: Any = {"api_key": api_key, "base_url": base_url, "workflow_id": "wf_demo"}
        headers = {"Authorization": f"Bearer {api_key}", "OpenAI-Beta": "chatkit_beta=v1"}
        with httpx.Client() as http, ChatKitClient(**options) as client:
            session = client.create_session("u")
            message = client.send_message(session, data)
            url = f"{base_url}/sessions/{session.id}/messages"
            client.poll_response(session, after=message)

            def bare() -> EnrichedTrainingProgram:
                return program_of(http.get(url, params=PARAMS, headers=headers))

            def ours() -> EnrichedTrainingProgram:
                return client.poll_response(session, after=message).program

            assert bare() == ours()
            pair = compare(bare, ours, rounds=ROUNDS, calls=CALLS)
            for library in (httpx, httpx2):
                compare_client(library.Client(), options, session, message, ours)
            program = raw_program(http.get(url, params=PARAMS, headers=headers))
            validation = cpu_seconds(lambda: EnrichedTrainingProgram.model_validate(program), 300)

        async_pair = asyncio.run(measure_async(options, session, message, url, headers))
    print(f"validation of the program alone         {validation * 1e6:6.0f} µs of CPU")
    show("sync", pair)
    show("async", async_pair)
    return pair.ratio <= BOUND and async_pair.ratio <= BOUND


def compare_client(
    http: Any, options: Any, session: ChatSession, message: Message, ours: Callable[[], object]
) -> None:
    """A poll by a client that the caller gives, against one by the package's own connections."""
    with http, ChatKitClient(**options, http_client=http) as client:
        pair = compare(
            ours,
            lambda: client.poll_response(session, after=message),
            rounds=ROUNDS,
            calls=CALLS,
        )
    name = f"{type(http).__module__.partition('.')[0]}.Client"
    print(f"sync : http_client={name:13} / its own connections = {pair.ratio:.2f}")


async def measure_async(
    options: Any, session: ChatSession, message: Message, url: str, headers: dict[str, str]
) -> Pair:
    """The same with the async clients."""
    async with httpx.AsyncClient() as http, AsyncChatKitClient(**options) as client:

        async def bare() -> None:
            program_of(await http.get(url, params=PARAMS, headers=headers))

        async def ours() -> None:
            await client.poll_response(session, after=message)

        return await compare_async(bare, ours, rounds=ROUNDS, calls=CALLS)


def show(kind: str, pair: Pair) -> None:
    print(f"{kind:5}: a bare httpx GET, with validation {pair.first * 1e6:6.0f} µs of CPU")
    print(f"{kind:5}: poll_response                     {pair.second * 1e6:6.0f} µs of CPU")
    print(f"{kind:5}: ours / bare = {pair.ratio:.2f} (at most {BOUND})")


if __name__ == "__main__":
    sys.exit(not main())
