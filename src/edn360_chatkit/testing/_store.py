"""The settings and the memory of a simulator.

Session messages, the thread protocol and the REST endpoints share the threads, and differ only in
their form.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.responses import Response

from ._requests import APIError
from ._workflow import AnswerKind, Data, Lang


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request to the simulator.

    Attributes:
        method: The HTTP method.
        path: The path, percent-decoded.
        query: The query's parameters.
        headers: The headers; their names are in lower case.
        body: The raw body.
        json: The parsed body; ``None`` for a body that is empty or not JSON.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json: Any = field(repr=False)


@dataclass(slots=True)
class Thread:
    """A thread and its complete items, oldest first."""

    data: Data
    user: str
    hosted: bool
    items: list[Data] = field(default_factory=list[Data])

    def view(self, page: Data | None = None) -> Data:
        """The thread in the form of the thread protocol, with a page of items or an empty page."""
        return {**self.data, "items": page or {"data": [], "has_more": False}}


@dataclass(slots=True)
class Session:
    """A session and the thread of its messages. No endpoint lists this thread.

    The next ``empty_polls`` polls see only the first ``visible_items`` items.
    """

    data: Data
    thread: Thread
    empty_polls: int = 0
    visible_items: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """The failure of a request. If it is ``taken``, the request is executed before it fails."""

    endpoint: str
    response: Response
    taken: bool


@dataclass(frozen=True, slots=True)
class StreamFault:
    """A fault after so many bytes of events: a pause of ``seconds``, or a broken connection."""

    position: int
    seconds: float | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class Store:
    """The settings, documented in ``ChatKitSimulator``, and the memory behind the endpoints."""

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
        """Start with an empty memory."""
        self.requests: list[RecordedRequest] = []
        self.runs: int = 0
        self.sessions: dict[str, Session] = {}
        self.threads: dict[str, Thread] = {}
        self._failures: list[Failure] = []
        self._cuts: list[StreamFault] = []
        self._stalls: list[StreamFault] = []
        self._numbers = itertools.count(1)

    def next_failure(self, names: Sequence[str]) -> Failure | None:
        """Remove the oldest failure of an endpoint with one of these names, and return it."""
        failure = next((each for each in self._failures if each.endpoint in names), None)
        if failure is not None:
            self._failures.remove(failure)
        return failure

    def next_stream_faults(self) -> list[StreamFault]:
        """Remove the oldest cut and the oldest stall, and return them in their order."""
        faults = [queue.pop(0) for queue in (self._cuts, self._stalls) if queue]
        return sorted(faults, key=lambda fault: fault.position)

    def new_id(self, prefix: str) -> str:
        """A new id."""
        return f"{prefix}_sim{next(self._numbers):06d}"

    def new(self, prefix: str, **fields: Any) -> Data:
        """A new thread or item, in the form of the thread protocol."""
        # openai-chatkit's server writes local time without a zone.
        return {"id": self.new_id(prefix), "created_at": datetime.now().isoformat(), **fields}

    def new_thread(self, user: str, *, hosted: bool) -> Thread:
        """A new thread without items. It is not stored yet."""
        fields: Data = {"status": {"type": "active"}, "metadata": {}}
        return Thread(self.new("cthr" if hosted else "thr", **fields), user, hosted)

    def session(self, session_id: str) -> Session:
        """The session with an id. Raises an ``APIError`` for an unknown id."""
        session = self.sessions.get(session_id)
        if session is None:
            raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
        if session.data["status"] == "active" and session.data["expires_at"] <= time.time():
            session.data["status"] = "expired"
        return session

    def threads_of(self, user: str | None, *, hosted: bool = True) -> list[Thread]:
        """The hosted or self-hosted threads of a user, or of every user; oldest first."""
        threads = tuple(self.threads.values())
        return [t for t in threads if t.hosted == hosted and user in (None, t.user)]

    def thread(self, thread_id: str, user: str | None = None, *, hosted: bool = True) -> Thread:
        """The thread of ``threads_of`` with an id. Raises an ``APIError`` for an unknown id."""
        for thread in self.threads_of(user, hosted=hosted):
            if thread.data["id"] == thread_id:
                return thread
        raise APIError(404, f"Chatkit Thread with id '{thread_id}' not found.")
