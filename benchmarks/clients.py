"""The same batch by several clients: each function runs it and yields at each answer.

The old script's loop asks for the answer every 2 s, 200 times at most here.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from queue import SimpleQueue
from typing import Any, TypeAlias

from .server import ANSWER

Run: TypeAlias = Callable[[str, dict[str, Any]], Any]
INTERVAL = 2.0
ATTEMPTS = 200
HEADERS = {"Authorization": "Bearer sk-1", "OpenAI-Beta": "chatkit_beta=v1"}
SETTINGS: dict[str, Any] = {"api_key": "sk-1", "workflow_id": "wf_1"}


def inputs(count: int) -> Iterator[dict[str, Any]]:
    """Invented athletes."""
    questionnaires = [{"source": "initial", "payload": {"days": 4}}]
    for number in range(count):
        yield {"user_profile": {"user_id": f"athlete-{number}"}, "questionnaires": questionnaires}


def session_of(athlete: dict[str, Any]) -> dict[str, Any]:
    return {"workflow": {"id": "wf_1"}, "user": athlete["user_profile"]["user_id"]}


def message_of(athlete: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": json.dumps(athlete)}]}


def has_program(data: Any) -> bool:
    texts = [m["content"][0]["text"] for m in data["data"] if m["role"] == "assistant"]
    return texts == [ANSWER]


def requests_loop(url: str, runs: int) -> Iterator[bool]:
    """The old script, with a thread for each athlete."""
    import requests

    ended: SimpleQueue[bool] = SimpleQueue()

    def run(athlete: dict[str, Any]) -> None:
        def call(method: str, path: str, body: Any = None) -> Any:
            answer = requests.request(method, url + path, json=body, headers=HEADERS, timeout=30)
            answer.raise_for_status()
            return answer.json()

        answered = False
        try:
            session = call("POST", "/sessions", session_of(athlete))["id"]
            path = f"/sessions/{session}/messages"
            call("POST", path, message_of(athlete))
            for _ in range(ATTEMPTS):
                if answered := has_program(call("GET", f"{path}?limit=50&order=desc")):
                    break
                time.sleep(INTERVAL)
        finally:
            ended.put(answered)

    for athlete in inputs(runs):
        threading.Thread(target=run, args=(athlete,), daemon=True).start()
    for _ in range(runs):
        yield ended.get()


async def _loop(runs: int, call: Callable[..., Awaitable[Any]]) -> AsyncIterator[bool]:
    """The old script's loop in tasks; ``call`` sends a request."""

    async def run(athlete: dict[str, Any]) -> bool:
        session = (await call("POST", "/sessions", session_of(athlete)))["id"]
        path = f"/sessions/{session}/messages"
        await call("POST", path, message_of(athlete))
        for _ in range(ATTEMPTS):
            if has_program(await call("GET", path)):
                return True
            await asyncio.sleep(INTERVAL)
        return False

    tasks = [asyncio.create_task(run(athlete)) for athlete in inputs(runs)]
    for task in asyncio.as_completed(tasks):
        try:
            yield await task
        except Exception:
            yield False


async def httpx_loop(url: str, runs: int) -> AsyncIterator[bool]:
    import httpx

    limits = httpx.Limits(max_connections=100)
    async with httpx.AsyncClient(headers=HEADERS, limits=limits, timeout=300) as http:

        async def call(method: str, path: str, body: object = None) -> Any:
            answer = await http.request(method, url + path, json=body)
            return answer.raise_for_status().json()

        async for answered in _loop(runs, call):
            yield answered


async def openai_loop(url: str, runs: int) -> AsyncIterator[bool]:
    """It has ``sessions.create``, and no call for a session's messages: they go by ``post``."""
    import openai

    async with openai.AsyncOpenAI(api_key="sk-1", base_url=url, timeout=300) as client:

        async def call(method: str, path: str, body: Any = None) -> Any:
            if path == "/sessions":
                session = await client.beta.chatkit.sessions.create(**body)
                return {"id": session.id}
            if method == "POST":
                return await client.post(f"/chatkit{path}", body=body, cast_to=object)
            return await client.get(f"/chatkit{path}", cast_to=object)

        async for answered in _loop(runs, call):
            yield answered


def ours_sync(url: str, runs: int) -> Iterator[bool]:
    from edn360_chatkit import ChatKitClient

    with ChatKitClient(base_url=url, **SETTINGS) as client:
        for result in client.run_many(inputs(runs), max_concurrency=runs):
            yield result.response is not None


async def ours(url: str, runs: int, **options: Any) -> AsyncIterator[bool]:
    from edn360_chatkit import AsyncChatKitClient

    async with AsyncChatKitClient(base_url=url, **SETTINGS) as client:
        async for result in client.run_many(inputs(runs), max_concurrency=runs, **options):
            yield result.response is not None


def ours_fixed(url: str, runs: int) -> AsyncIterator[bool]:
    return ours(url, runs, poll_interval=INTERVAL, max_attempts=ATTEMPTS)


async def ours_streams(url: str, runs: int) -> AsyncIterator[bool]:
    from edn360_chatkit import AsyncChatKitClient

    async with AsyncChatKitClient(server_url=f"{url}/chatkit") as client:
        async for result in client.run_many(inputs(runs), max_concurrency=runs):
            yield result.response is not None


CLIENTS: dict[str, tuple[str, Callable[[str, int], Any]]] = {
    "requests": ("`requests`, the old script's loop of 2 s", requests_loop),
    "httpx": ("`httpx`, the same loop", httpx_loop),
    "openai": ("`openai`, the same loop", openai_loop),
    "fixed": ("this package, `poll_interval=2.0`", ours_fixed),
    "async": ("this package", ours),
    "sync": ("this package, sync", ours_sync),
    "streams": ("this package, streams of the thread protocol", ours_streams),
}
