"""What one answered poll costs in CPU, against a bare httpx GET that does the same work.

The server runs in a process of its own, so that only the caller's CPU counts. Both sides get the
same answer: a session's messages with a program of 10 KB, decoded and validated.

    python -m benchmarks.polls
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from edn360_chatkit import ChatKitClient, EnrichedTrainingProgram
from edn360_chatkit.testing import ChatKitSimulator

EXAMPLE = Path(__file__).parents[1] / "examples" / "athlete_initial.json"
ROUNDS, CALLS = 15, 100


def serve(pipe: Connection) -> None:
    with ChatKitSimulator() as sim:
        pipe.send((sim.base_url, sim.api_key))
        pipe.recv()


def cpu_seconds(call: Callable[[], Any]) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - started) / CALLS


def main() -> bool:
    pipe, other_end = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(other_end,))
    server.start()
    base_url, api_key = pipe.recv()
    data = json.loads(EXAMPLE.read_text("utf-8"))
    with (
        httpx.Client() as http,
        ChatKitClient(api_key=api_key, base_url=base_url, workflow_id="wf_demo") as client,
    ):
        session = client.create_session("u")
        message = client.send_message(session, data)
        url = f"{base_url}/sessions/{session.id}/messages"
        headers = {"Authorization": f"Bearer {api_key}", "OpenAI-Beta": "chatkit_beta=v1"}

        def bare() -> EnrichedTrainingProgram:
            page = http.get(url, params={"limit": 50, "order": "desc"}, headers=headers).json()
            text = page["data"][0]["content"][0]["text"]
            program = json.loads(text)["client_training_program_enriched"]
            return EnrichedTrainingProgram.model_validate(program)

        def ours() -> EnrichedTrainingProgram:
            return client.poll_response(session, after=message).program

        assert bare() == ours()
        pairs = [(cpu_seconds(bare), cpu_seconds(ours)) for _ in range(ROUNDS)]
    pipe.send("done")
    server.join()
    bare_time, our_time = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"a bare httpx GET, decoded and validated {bare_time * 1e6:6.0f} µs of CPU")
    print(f"poll_response                           {our_time * 1e6:6.0f} µs of CPU")
    print(f"ours / bare = {our_time / bare_time:.2f} (at most 1.25)")
    return bool(our_time / bare_time <= 1.25)


if __name__ == "__main__":
    sys.exit(not main())
