"""Streams of server-sent events."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import anyio
import anyio.lowlevel
import httpx
from httpx_sse import EventSource

from .._effects import Stream
from ..errors import APIConnectionError
from .exchange import Exchange
from .failures import StreamCutError
from .home import Home
from .limits import TimeLimit, TooLargeError

BATCH = 65536
"""How many bytes of events are decoded at once; then the clock is read."""
CLOSING_SECONDS = 1.0
"""How long closing a stream may take, in seconds."""
_HEADERS = {"Content-Type": "text/event-stream; charset=utf-8"}
# An event ends with an empty line, and a line with \n, \r\n or \r.
_EVENT_ENDS = (b"\n\n", b"\n\r", b"\r\r")


class EventBuffer:
    """Bytes of a stream that are not decoded yet. Its repr does not show them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes | None) -> bool:
        """Add a chunk; returns ``False`` at the end, which is ``None``."""
        if chunk is None:
            return False
        self._bytes += chunk
        return True

    def take(self) -> tuple[str, ...] | None:
        """The data of events that are complete, about ``BATCH`` bytes; ``None`` for no event.

        Raises:
            TooLargeError: An event is larger than the limit.
        """
        end = self._find_end()
        if self._searched > self._limit:
            raise TooLargeError
        if end is None:
            return None
        response = httpx.Response(200, headers=_HEADERS, content=bytes(self._bytes[:end]))
        del self._bytes[:end]
        self._searched = 0
        return tuple(event.data for event in EventSource(response).iter_sse() if event.data)

    def _find_end(self) -> int | None:
        while True:
            start = max(0, self._searched - 1)
            stop = start + BATCH
            end = max(self._bytes.rfind(mark, start, stop) for mark in _EVENT_ENDS)
            if end >= 0:
                return end + 2
            self._searched = min(stop, len(self._bytes))
            if stop >= len(self._bytes):
                return None


def is_event_stream(response: httpx.Response) -> bool:
    """Whether a response is a stream of server-sent events."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.is_success and kind == "text/event-stream"


def _has_marked_end(response: httpx.Response) -> bool:
    """Whether the end of a body can be told from a broken connection (RFC 9112, section 6.3)."""
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    # A transport without a network has no HTTP version.
    version = bytes(response.extensions.get("http_version", b""))
    return framed or not version.startswith(b"HTTP/1")


class OpenStream(Stream):
    """What the streams of both drivers share.

    Attributes:
        exchange: The request that the stream answers.
        home: The process and the event loop that it belongs to.
        events: The bytes that are not decoded yet.
    """

    def __init__(self, response: httpx.Response, exchange: Exchange, size: int, home: Home) -> None:
        self.exchange = exchange
        self.home = home
        self.events = EventBuffer(size)
        self._response = response
        self._has_marked_end = _has_marked_end(response)
        self._closed = False
        self._siblings: set[OpenStream] = set()
        self._release: Callable[[], None] | None = None

    def keep_in(self, streams: set[OpenStream], release: Callable[[], None]) -> None:
        """Enter the pool's open streams; ``release`` is called when the stream is closed."""
        self._siblings, self._release = streams, release
        streams.add(self)

    def check_home(self, home: Home) -> None:
        """Refuse to read in another process or event loop, where other answers could arrive."""
        if self.home != home:
            raise APIConnectionError("The stream belongs to another process or event loop.")

    def _begin_close(self) -> bool:
        """Whether it was open until now."""
        was_closed, self._closed = self._closed, True
        return not was_closed

    def _end_close(self) -> None:
        self._siblings.discard(self)
        if self._release is not None:
            self._release()

    def _check_end(self) -> None:
        if not self._has_marked_end:
            raise StreamCutError


class SyncStream(OpenStream):
    """A stream on a sync client."""

    _chunks: Iterator[bytes] | None = None

    def read(self, limit: TimeLimit) -> tuple[str, ...] | None:
        """The data of the events that have arrived; ``None`` at the end."""
        if self._chunks is None:
            self._chunks = self._response.iter_bytes()
        while not (events := self.events.take()):
            if events is not None:
                limit.check()
                continue
            with limit.on_this_thread():
                is_open = self.events.feed(next(self._chunks, None))
            if not is_open:
                self._check_end()
                return None
        return events

    def close(self) -> None:
        """Close the connection."""
        # A process that was forked must not touch its parent's connections.
        if self.home[0] == os.getpid() and self._begin_close():
            with suppress(Exception):
                self._response.close()
            self._end_close()


class AsyncStream(OpenStream):
    """A stream on an async client."""

    _chunks: AsyncIterator[bytes] | None = None

    async def read(self, limit: TimeLimit) -> tuple[str, ...] | None:
        """The data of the events that have arrived; ``None`` at the end."""
        if self._chunks is None:
            self._chunks = self._response.aiter_bytes()
        while not (events := self.events.take()):
            if events is not None:
                limit.check()
                await anyio.lowlevel.checkpoint()
                continue
            with limit.on_this_task():
                is_open = self.events.feed(await anext(self._chunks, None))
            if not is_open:
                self._check_end()
                return None
        return events

    async def close(self) -> None:
        """Close the connection."""
        if self._begin_close():
            await close_response(self._response, self._chunks)
            self._end_close()


async def close_response(
    response: httpx.Response, chunks: AsyncIterator[bytes] | None = None
) -> None:
    """Close an async response quickly, and end the generators of httpx that read it."""
    with suppress(Exception):
        if chunks is not None:
            # Generators that are dropped at a yield make trio warn. Here they meet a cancellation
            # at their next read, and end without one.
            with anyio.CancelScope() as scope:
                scope.cancel()
                async for _ in chunks:
                    pass
    with suppress(Exception), anyio.move_on_after(CLOSING_SECONDS, shield=True):
        await response.aclose()
