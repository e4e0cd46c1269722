"""The limits of a request: its time, and the size of its response.

httpx limits each step of a request, and a server that sends single bytes makes it endless. So an
async request is cancelled when its time is over; see :func:`limit_network_stream` for sync.
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
"""The number of bytes that are written before the clock is read again."""


@dataclass(frozen=True)
class TransportSettings:
    """The settings of a client that concern the transport.

    Attributes:
        url: The server's address.
        timeout: The timeout of each step of a request.
        request_seconds: The timeout of a whole request, in seconds, or ``None``.
        deadline: The longest time of an operation, in seconds.
        max_response_bytes: The largest response, or event of a stream, in bytes after
            decompression.
    """

    url: str
    timeout: httpx.Timeout
    request_seconds: float | None
    deadline: float
    max_response_bytes: int

    def steps(self, max_silence: float | None, seconds: float) -> dict[str, float]:
        """The timeout of each step of a request, in the form of httpx's ``timeout`` extension."""
        steps: dict[str, float | None] = dict(self.timeout.as_dict())
        if max_silence is not None:
            steps["read"] = max(max_silence, steps["read"] or max_silence)
        values = {step: seconds if value is None else value for step, value in steps.items()}
        return {step: min(value, seconds) for step, value in values.items()}


class TooLargeError(Exception):
    """A response, or an event of a stream, is larger than the limit."""


class OutOfTimeError(Exception):
    """The time for a whole request, or for the operation, is over."""


class TimeLimit:
    """The time of an effect. Its ``with`` block limits the socket reads and writes of the thread.

    Attributes:
        deadline: The end of the operation's time, on the monotonic clock.
        until: The end of the effect's time; at most ``deadline``.
    """

    _token: Token[TimeLimit | None]

    def __init__(self, deadline: float, pending: Pending) -> None:
        self.deadline: float = deadline
        self.until: float = deadline
        self._pending = pending
        pending.limit(self.remaining())

    def remaining(self) -> float:
        """The remaining time in seconds; 0 when it is over."""
        return max(0.0, self.until - time.monotonic())

    def check(self) -> None:
        """Raise an :class:`OutOfTimeError` if the time is over."""
        if time.monotonic() >= self.until:
            raise OutOfTimeError

    def shorten(self, seconds: float) -> None:
        """Set the end to at most so many seconds from now."""
        self.until = min(self.until, time.monotonic() + seconds)
        self._pending.limit(self.remaining())

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
    return limit.remaining() if timeout is None else min(timeout, limit.remaining())
