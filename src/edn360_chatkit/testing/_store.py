"""The settings of a simulator, and everything that it remembers.

There is one store. The session messages protocol, the thread protocol and the REST endpoints are
views of it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from ._http import APIError
from ._workflow import AnswerKind, Lang, answer_text, step_texts


@dataclass(kw_only=True, eq=False, repr=False)
class Settings:
    """The settings; ``ChatKitSimulator`` documents them."""

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

    def settings(self) -> dict[str, Any]:
        """The settings as they are now, by name."""
        return {setting.name: getattr(self, setting.name) for setting in fields(Settings)}


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

    def bearer_token(self) -> str:
        """The credentials; empty without any."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that is set for a request; see ``ChatKitSimulator.fail_next``."""

    endpoint: str
    status: int | None
    taken: bool
    headers: Mapping[str, str]
    body: str | None


@dataclass(slots=True)
class Item:
    """An item of a thread, or a message of a session, with the fields of the thread protocol."""

    id: str
    thread_id: str
    type: str
    fields: dict[str, Any]
    rest_fields: dict[str, Any] | None = None  # where the REST endpoints name them otherwise
    # Local time without a zone: openai-chatkit's server writes it so.
    created: datetime = field(default_factory=datetime.now)


@dataclass(slots=True)
class Thread:
    """A thread and its items, oldest first; an item that is still being written is not in it."""

    id: str
    user: str
    hosted: bool
    title: str | None = None
    items: list[Item] = field(default_factory=list[Item])
    created: datetime = field(default_factory=datetime.now)


@dataclass(slots=True)
class Run:
    """One run of the workflow: the texts that it posts, and the settings that it began with."""

    settings: Settings
    steps: list[str]
    answer: str | None
    started: float = field(default_factory=time.monotonic)

    @property
    def posts(self) -> list[str]:
        """The steps and the answer."""
        return self.steps if self.answer is None else [*self.steps, self.answer]

    def due(self, place: int, of: int) -> float:
        """The time of a stage, by the monotonic clock; the stages come evenly."""
        return self.started + self.settings.delay * place / of


@dataclass(slots=True)
class SessionRun:
    """A run of a session: the user's message, and the replies that a poll has seen."""

    message: Item
    run: Run
    replies: list[Item] = field(default_factory=list[Item])
    polls: int = 0

    def new_posts(self) -> list[str]:
        """The posts that are new to one more poll."""
        self.polls += 1
        now, posts, empty = time.monotonic(), self.run.posts, self.run.settings.empty_polls
        of = len(posts)
        return [
            text
            for place, text in enumerate(posts, start=1)
            if place > len(self.replies)
            if now >= self.run.due(place, of) and self.polls > empty * place / of
        ]


@dataclass(slots=True)
class Session:
    """A session and its runs, oldest first."""

    data: dict[str, Any]
    runs: list[SessionRun] = field(default_factory=list[SessionRun])


class Store(Settings):
    """The settings, and the memory behind all endpoints."""

    requests: list[RecordedRequest]
    runs: int
    sessions: dict[str, Session]
    threads: dict[str, Thread]

    def forget(self) -> None:
        """Begin with an empty memory."""
        self.requests, self.runs, self.sessions, self.threads = [], 0, {}, {}
        self._faults: list[Fault] = []
        self._cuts: list[int] = []
        self._stalls: list[tuple[int, float]] = []
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """An id that was not given before."""
        return f"{prefix}_sim{next(self._numbers):06d}"

    def take_fault(self, *endpoints: str) -> Fault | None:
        """The failure that is set for the next request to one of these endpoints."""
        for index, fault in enumerate(self._faults):
            if fault.endpoint in endpoints:
                return self._faults.pop(index)
        return None

    def take_stream_faults(self) -> tuple[int | None, tuple[int, float] | None]:
        """The cut and the stall that are set for the stream that starts now."""
        cut = self._cuts.pop(0) if self._cuts else None
        return cut, self._stalls.pop(0) if self._stalls else None

    def start_run(self, text: str) -> Run:
        """Start the workflow on a message."""
        self.runs += 1
        steps = step_texts(text, self.lang) if self.steps is True else self.steps or ()
        kind = self.answer
        answer = kind(text) if callable(kind) else answer_text(kind, text, self.lang)
        return Run(Settings(**self.settings()), list(steps), answer)

    def session(self, session_id: str) -> Session:
        """A session; raises an ``APIError`` for an unknown id."""
        if session_id not in self.sessions:
            raise APIError(404, f"Chatkit Session with id '{session_id}' not found.")
        return self.sessions[session_id]

    def threads_of(self, user: str | None, *, hosted: bool) -> list[Thread]:
        """The threads of a user, or of all users, in one of the two worlds; oldest first."""
        threads = tuple(self.threads.values())
        return [t for t in threads if t.hosted == hosted and user in (None, t.user)]

    def thread(self, thread_id: str, user: str | None, *, hosted: bool) -> Thread:
        """One of the same threads; raises an ``APIError`` for another id."""
        for thread in self.threads_of(user, hosted=hosted):
            if thread.id == thread_id:
                return thread
        raise APIError(404, f"Chatkit Thread with id '{thread_id}' not found.")
