"""How long a request may take as a whole.

httpx bounds each step of a request: connecting, and each wait for more of the answer. A server
that sends a byte now and then keeps every step short and the whole without end. This bounds the
whole: for async clients by cancellation, for sync ones by giving each read and write of the socket
no more time than there is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import anyio
import httpx

GRACE = 0.05
"""How much later an async request is cancelled, in seconds: httpx's own time-outs, which know
whether the server can have got anything, come first."""
MOST_CONNECTIONS = 100
"""How many connections a client of ours has at most, as httpx's own default is."""
WRITTEN_AT_ONCE = 65536
"""How many bytes are written before the time is looked at again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one client's requests may take.

    Attributes:
        timeout: Of each step of a request.
        request: Of a request as a whole, in seconds; ``None`` where only its steps are bounded.
        deadline: Of a call, in seconds.
        size: Of an answer, or of one event of a stream, in unpacked bytes.
    """

    timeout: httpx.Timeout
    request: float | None
    deadline: float
    size: int

    def timeout_of(self, patience: float | None, left: float) -> httpx.Timeout:
        """The timeout of a request's steps.

        Args:
            patience: The longest silence that its stream may have, in seconds, if it has one.
            left: How long the call may still take, in seconds.
        """
        silence = self.timeout.read
        if patience is not None:
            silence = max(patience, silence or patience)
        steps = (self.timeout.connect, silence, self.timeout.write, self.timeout.pool)
        connect, read, write, pool = (left if step is None else min(step, left) for step in steps)
        return httpx.Timeout(connect=connect, read=read, write=write, pool=pool)

    def seconds_of(self, patience: float | None) -> float | None:
        """How long a request may take as a whole, until its answer or its stream begins."""
        return None if self.request is None else max(self.request, patience or 0.0)


class Bound:
    """The time that one effect has.

    Attributes:
        until: When it is over, on the monotonic clock.
        sent: Whether a request has begun to leave.
        begun: Whether there is a connection for it.
    """

    def __init__(self, until: float, seconds: float | None = None) -> None:
        """Begin to count.

        Args:
            until: When the run is over.
            seconds: How long the request may take from when it gets a connection: waiting for a
                free one is not the server's doing.
        """
        self.until = until
        self.sent = False
        self.begun = False
        self._seconds = seconds

    def left(self) -> float:
        """How many seconds are left; 0 when it is over."""
        return max(0.0, self.until - time.monotonic())

    def note(self, event: str) -> None:
        """Take in an event of httpx's ``trace`` extension."""
        if not self.begun:
            self.begun = True
            if self._seconds is not None:
                self.until = min(self.until, time.monotonic() + self._seconds)
        if event.endswith(".send_request_headers.started"):
            self.sent = True

    def may_have_arrived(self) -> bool:
        """Whether the server may have got the request; a transport that says nothing may."""
        return self.sent or not self.begun

    # Sync: the socket's own reads and writes are bounded.

    @contextmanager
    def on_this_thread(self) -> Generator[None]:
        """Bound what this thread reads and writes."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpx calls on the way of a sync request."""
        self.note(event)
        if event.endswith(_CONNECTED):
            bound_connection(info["return_value"])

    # Async: all of it is cancelled.

    @contextmanager
    def on_this_task(self) -> Generator[None]:
        """Bound what this task does meanwhile.

        Raises:
            httpx.TimeoutException: The time is over.
        """
        # Where there is always something to read, no cancellation comes in between.
        if time.monotonic() >= self.until + GRACE:
            raise self._over()
        with anyio.CancelScope() as scope:
            self._scope = scope
            self._tell_scope()
            yield
        if scope.cancelled_caught:
            raise self._over()

    def _tell_scope(self) -> None:
        self._scope.deadline = anyio.current_time() + self.left() + GRACE

    def _over(self) -> httpx.TimeoutException:
        over = httpx.ReadTimeout if self.may_have_arrived() else httpx.ConnectTimeout
        return over("the time for the whole request is over")

    async def atrace(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpx calls on the way of an async request."""
        if not self.begun:
            self.note(event)
            self._tell_scope()
        self.note(event)


_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_current: ContextVar[Bound | None] = ContextVar("bound", default=None)


class Connection(Protocol):
    """What is needed of a connection of httpx's (httpcore's ``NetworkStream``)."""

    read: Callable[..., bytes]
    write: Callable[..., None]


def bound_connection(connection: Connection | None) -> None:
    """Keep a connection's reads and writes within the bound of the thread that makes them."""
    if connection is not None and not getattr(connection, "_edn360_bounded", False):
        connection.read = partial(_read, connection.read)
        connection.write = partial(_write, connection.write)
        connection._edn360_bounded = True  # type: ignore[attr-defined]  # pyright: ignore


def _read(read: Callable[..., bytes], max_bytes: int, timeout: float | None = None) -> bytes:
    return read(max_bytes, timeout=_clipped(timeout, httpx.ReadTimeout))


def _write(write: Callable[..., None], buffer: bytes, timeout: float | None = None) -> None:
    for start in range(0, len(buffer), WRITTEN_AT_ONCE):
        piece = buffer[start : start + WRITTEN_AT_ONCE]
        write(piece, timeout=_clipped(timeout, httpx.WriteTimeout))


def _clipped(timeout: float | None, over: type[httpx.TimeoutException]) -> float | None:
    bound = _current.get()
    if bound is None or bound.until == float("inf"):
        return timeout
    left = bound.left()
    if left <= 0:
        raise over("the time for the whole request is over")
    return left if timeout is None else min(timeout, left)
