"""What the server's parts ask of the simulator, and what it remembers.

Sessions with their messages and threads with their items are two worlds, as they are two
protocols: a message that was sent in a session is in no thread.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the simulator got.

    Attributes:
        method: The HTTP method.
        path: The path, as it was decoded.
        query: The query's parameters.
        headers: The headers, names in lower case.
        body: The raw body.
        json: The body, parsed; ``None`` where there is none.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json: Any = field(repr=False)


# --- what is set to go wrong ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that is set for a request; see ``ChatKitSimulator.fail_next``."""

    endpoint: str
    status: int | None
    taken: bool
    headers: Mapping[str, str]
    body: str | None


@dataclass(frozen=True, slots=True)
class Stall:
    """A pause that is set for a stream; see ``ChatKitSimulator.stall_next_stream``."""

    at: int
    seconds: float


# --- what a workflow posts ------------------------------------------------------------------


@dataclass(slots=True)
class Post:
    """A message that the workflow posts; in a session it gets its id when it is first seen."""

    text: str
    is_answer: bool = False
    item: dict[str, Any] | None = None


@dataclass(slots=True)
class Run:
    """What a workflow posts for one message, and when."""

    started: float
    delay: float
    empty_polls: int
    posts: list[Post]
    polls: int = 0

    def due(self, place: int, of: int) -> float:
        """When the stage in a place comes, where so many come evenly; by the monotonic clock."""
        return self.started + self.delay * place / of

    def visible(self) -> list[Post]:
        """The posts that are there by now. The last one is the answer, the others lead to it."""
        now, count = time.monotonic(), len(self.posts)
        return [
            post
            for place, post in enumerate(self.posts, start=1)
            if now >= self.due(place, count) and self.polls > self.empty_polls * place / count
        ]


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How a run is told as a stream; the arguments of ``ChatKitSimulator`` of the same names."""

    delta_size: int | None
    keep_alive: float
    survives_hang_up: bool
    stream_error: str | None
    allow_retry: bool
    notice: str | None
    end_of_turn: bool
    every_event: bool
    unknown_events: bool


# --- what is remembered ---------------------------------------------------------------------


@dataclass(slots=True)
class Session:
    """A session, its user messages and their runs, oldest first."""

    data: dict[str, Any]
    turns: list[tuple[dict[str, Any], Run]] = field(
        default_factory=list[tuple[dict[str, Any], Run]]
    )


@dataclass(slots=True)
class Item:
    """An item of a thread; its fields are those that ChatKit's thread protocol has."""

    id: str
    thread_id: str
    type: str
    fields: dict[str, Any]
    # Local time without a zone, since that is what openai-chatkit's server writes.
    created: datetime = field(default_factory=datetime.now)

    def wire(self) -> dict[str, Any]:
        """As the thread protocol has it."""
        return {
            "id": self.id,
            "thread_id": self.thread_id,
            "created_at": self.created.isoformat(),
            "type": self.type,
            **self.fields,
        }


@dataclass(slots=True)
class Thread:
    """A thread and its items, oldest first.

    Attributes:
        id: Its id.
        user: Whose it is.
        hosted: Whether it is on the simulated hosted API, and not on the self-hosted server.
        title: Its title; ``None`` until it has one.
        items: The items that are stored; what is still being written is not among them.
    """

    id: str
    user: str
    hosted: bool
    title: str | None = None
    items: list[Item] = field(default_factory=list[Item])
    created: datetime = field(default_factory=datetime.now)

    def wire(self, items: dict[str, Any] | None = None) -> dict[str, Any]:
        """As the thread protocol has it, with a page of its items or an empty one."""
        return {
            **({} if self.title is None else {"title": self.title}),
            "id": self.id,
            "created_at": self.created.isoformat(),
            "status": {"type": "active"},
            "metadata": {},
            "items": items or {"data": [], "has_more": False},
        }


class Host(Protocol):
    """What the server needs of the simulator."""

    api_key: str
    workflow_ids: Sequence[str] | None
    messages_endpoint: bool
    server_headers: Mapping[str, str]
    sessions: dict[str, Session]
    threads: dict[str, Thread]

    def record(self, request: RecordedRequest) -> None: ...
    def take_fault(self, *endpoints: str) -> Fault | None: ...
    def take_cut(self) -> int | None: ...
    def take_stall(self) -> Stall | None: ...
    def start_run(self, text: str) -> Run: ...
    def stream_settings(self) -> StreamSettings: ...
