"""The limits of a request: how long it may take, and how much it may bring.

httpx limits each step of a request, so a server that sends a byte now and then makes it endless.
An async request is cancelled when its time is over; see :func:`limit_network_stream` for sync.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from .pending import Pending
from .signals import raise_unchanged, signal_exception

WRITE_SIZE = 65536
"""How many bytes are written before the clock is read again."""


@dataclass(frozen=True)
class TransportSettings:
    """The settings of a client that concern the transport.

    Attributes:
        url: The server's address.
        timeout: The timeout of each step of a request.
        request_seconds: The timeout of a whole request, in seconds; ``None`` for no such limit.
        deadline: How long an operation may take, in seconds.
        max_response_bytes: How large a response, or one event of a stream, may be, in bytes
            after decompression.
    """

    url: str
    timeout: httpx.Timeout
    request_seconds: float | None
    deadline: float
    max_response_bytes: int

    def steps(self, max_silence: float | None, left: float) -> dict[str, float]:
        """The timeout of each step of a request, in the form of httpx's ``timeout`` extension."""
        steps: dict[str, float | None] = dict(self.timeout.as_dict())
        if max_silence is not None:
            steps["read"] = max(max_silence, steps["read"] or max_silence)
        return {step: left if value is None else min(value, left) for step, value in steps.items()}


class TooLargeError(Exception):
    """A response, or one event of a stream, is larger than the limit."""


class OutOfTimeError(Exception):
    """The time for a whole request, or for the operation, is over."""


class TimeLimit:
    """The time for one effect. Its ``with`` block limits the socket reads and writes of the thread.

    Attributes:
        deadline: When the operation's time is over, on the monotonic clock.
        until: When the effect's time is over; at most ``deadline``.
    """

    _token: Token[TimeLimit | None]

    def __init__(self, deadline: float, pending: Pending) -> None:
        self.deadline: float = deadline
        self.until: float = deadline
        self._pending = pending
        pending.limit(self.left())

    def left(self) -> float:
        """The time that is left, in seconds; 0 when it is over."""
        return max(0.0, self.until - time.monotonic())

    def check(self) -> None:
        """Raise an :class:`OutOfTimeError` if the time is over."""
        if time.monotonic() >= self.until:
            raise OutOfTimeError

    def shorten(self, seconds: float) -> None:
        """Leave at most so many seconds from now."""
        self.until = min(self.until, time.monotonic() + seconds)
        self._pending.limit(self.left())

    def __enter__(self) -> None:
        self.check()
        self._token = _current.set(self)

    def __exit__(self, *exc_info: object) -> None:
        _current.reset(self._token)


_current: ContextVar[TimeLimit | None] = ContextVar("edn360_chatkit_time_limit", default=None)


def limit_network_stream(stream: Any) -> None:
    """Keep a connection's reads and writes within the time limit of the thread that makes them.

    This replaces two methods of a foreign object: httpcore's sync network stream, which httpx
    hands out in its ``trace`` extension. httpx has no public way to set a network backend. It is
    the only patch of this package; ``tests/transport/test_limits.py`` fails if httpcore changes.
    """
    if not isinstance(stream.read, partial):
        stream.read = partial(_read, stream.read)
        stream.write = partial(_write, stream.write)


def _read(read: Callable[..., bytes], max_bytes: int, timeout: float | None = None) -> bytes:
    return read(max_bytes, timeout=_shortened(timeout))


def _write(write: Callable[..., None], buffer: bytes, timeout: float | None = None) -> None:
    try:
        for start in range(0, len(buffer), WRITE_SIZE):
            write(buffer[start : start + WRITE_SIZE], timeout=_shortened(timeout))
    except Exception as error:
        # httpcore ignores a failed write, and reads the response.
        raise_unchanged(signal_exception(error) or error)


def _shortened(timeout: float | None) -> float | None:
    limit = _current.get()
    if limit is None:
        return timeout
    limit.check()
    return limit.left() if timeout is None else min(timeout, limit.left())
