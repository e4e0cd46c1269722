"""The settings of a simulator, and everything that it remembers.

There is one store. The threads are shared by session messages, the thread protocol and the REST
endpoints, which differ only in their form.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ._requests import APIError
from ._workflow import AnswerKind, Data, Lang


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the simulator got.

    Attributes:
        method: The HTTP method.
        path: The path, percent-decoded.
        query: The query's parameters.
        headers: The headers, names in lower case.
        body: The raw body.
        json: The body, parsed; ``None`` for an empty body and for one that is no JSON.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json: Any = field(repr=False)


@dataclass(slots=True)
class Thread:
    """A thread and its items, oldest first; an item that is still being written is not in it."""

    data: Data
    user: str
    hosted: bool
    items: list[Data] = field(default_factory=list[Data])

    def view(self, page: Data | None = None) -> Data:
        """The thread in the form of the thread protocol, with a page of its items or none."""
        return {**self.data, "items": page or {"data": [], "has_more": False}}


@dataclass(slots=True)
class Session:
    """A session as its JSON data; no endpoint lists the thread that has its messages.

    The next ``empty_polls`` polls see only the first ``seen`` items.
    """

    data: Data
    thread: Thread
    empty_polls: int = 0
    seen: int = 0


@dataclass(kw_only=True, eq=False, repr=False)
class Store:
    """The settings, which ``ChatKitSimulator`` documents, and the memory behind all endpoints."""

    api_key: str = "sk-simulated-key"
    workflow_ids: Sequence[str] | None = None
    answer: AnswerKind | Callable[[str], str] = "program"
    lang: Lang = "es"
    steps: bool | Sequence[str] = False
    delay: float = 0.0
    empty_polls: int = 0
    messages_endpoint: bool = True
    server_headers: Mapping[str, str] | None = None
    delta_size: int | None = 64
    keep_alive: float = 0.0
    survives_hang_up: bool = False
    stream_error: str | None = None
    allow_retry: bool = False
    notice: str | None = None
    end_of_turn: bool = False
    every_event: bool = False
    unknown_events: bool = False

    def forget(self) -> None:
        """Begin with an empty memory."""
        self.requests: list[RecordedRequest] = []
        self.runs: int = 0
        self.sessions: dict[str, Session] = {}
        self.threads: dict[str, Thread] = {}
        # An endpoint's fault: whether the request is taken, and the response that it gets.
        # The fault of "cut" or "stall": the byte at which it happens, and the seconds of a stall.
        self._faults: list[tuple[str, Any]] = []
        self._numbers = itertools.count(1)

    def take_fault(self, *names: str) -> Any:
        """The oldest fault that is set for one of these names, if any."""
        fault = next((fault for fault in self._faults if fault[0] in names), None)
        if fault is None:
            return None
        self._faults.remove(fault)
        return fault[1]

    def new_id(self, prefix: str) -> str:
        """An id that was not given before."""
        return f"{prefix}_sim{next(self._numbers):06d}"

    def new(self, prefix: str, **fields: Any) -> Data:
        """A new thread or item, in the form of the thread protocol."""
        # Local time without a zone: openai-chatkit's server writes it so.
        return {"id": self.new_id(prefix), "created_at": datetime.now().isoformat(), **fields}

    def new_thread(self, user: str, *, hosted: bool) -> Thread:
        """A thread without items that is not stored yet."""
        fields: Data = {"status": {"type": "active"}, "metadata": {}}
        return Thread(self.new("cthr" if hosted else "thr", **fields), user, hosted)

    def session(self, session_id: str) -> Session:
        """A session; raises an ``APIError`` for an unknown id."""
        session = self.sessions.get(session_id)
        if session is None:
            raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
        if session.data["status"] == "active" and session.data["expires_at"] <= time.time():
            session.data["status"] = "expired"
        return session

    def threads_of(self, user: str | None, *, hosted: bool = True) -> list[Thread]:
        """The hosted or the self-hosted threads of a user, or of all users; oldest first."""
        threads = tuple(self.threads.values())
        return [t for t in threads if t.hosted == hosted and user in (None, t.user)]

    def thread(self, thread_id: str, user: str | None = None, *, hosted: bool = True) -> Thread:
        """One thread of ``threads_of``; raises an ``APIError`` for an unknown id."""
        thread = self.threads.get(thread_id)
        if thread is None or thread not in self.threads_of(user, hosted=hosted):
            raise APIError(404, f"Chatkit Thread with id '{thread_id}' not found.")
        return thread
