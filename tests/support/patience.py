"""What tests need so that their result does not depend on how busy the machine is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anyio

from edn360_chatkit.testing import ChatKitSimulator

from .raw_server import Exchange, reply

PATIENCE = 120.0
"""How long a test waits for something that must happen, in seconds."""


def eventually(condition: Callable[[], object]) -> bool:
    """Whether a condition becomes true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    assert eventually(condition), "it did not happen"


async def becomes_true(condition: Callable[[], object]) -> bool:
    """Whether a condition becomes true, in an event loop."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        await anyio.sleep(0.005)
    return True


def growing(seconds: float) -> Iterator[float]:
    """Time limits for a test in which something must happen before the limit.

    The test tries the next limit if the machine was too slow for that, and for no other reason.
    """
    return iter((seconds, 8 * seconds, 60 * seconds))


class Hold:
    """The answer of a raw server that holds each request until the test releases it."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.released = threading.Event()

    def __call__(self, exchange: Exchange) -> Iterable[bytes]:
        self.arrived.set()
        self.released.wait(PATIENCE)
        yield reply({})


class _Requests(list[Any]):
    def __init__(self, requests: list[Any], listen: Callable[[Any], object]) -> None:
        super().__init__(requests)
        self._listen = listen

    def append(self, request: Any) -> None:
        super().append(request)
        self._listen(request)


def on_request(sim: ChatKitSimulator, listen: Callable[[Any], object]) -> None:
    """Call a function with each request, in the simulator's thread and before the answer."""
    sim.requests = _Requests(sim.requests, listen)


def finish_runs(sim: ChatKitSimulator, text: str) -> None:
    """Answer the runs that a long ``delay`` keeps open; their streams stay silent."""
    sessions = [session.thread for session in sim.sessions.values()]
    for thread in {id(each): each for each in [*sessions, *sim.threads.values()]}.values():
        if thread.items and thread.items[-1]["type"] == "user_message":
            content = [{"type": "output_text", "text": text, "annotations": []}]
            kind, thread_id = "assistant_message", thread.data["id"]
            item = sim.new("msg", thread_id=thread_id, type=kind, content=content)
            thread.items.append(item)
