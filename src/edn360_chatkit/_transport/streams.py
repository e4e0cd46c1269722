"""Streams of server-sent events."""

from __future__ import annotations

from typing import Any

import httpx
from httpx_sse import EventSource

from .._effects import Stream
from ..errors import APIConnectionError
from .exchange import Exchange
from .limits import TooLargeError
from .network import Network
from .pending import Home

BATCH = 65536
"""The number of bytes of events that are decoded before the clock is read again."""
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
        """The data of complete events, about ``BATCH`` bytes; ``None`` without an event."""
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


class OpenStream(Stream):
    """An open stream. Only the process and event loop of its ``home`` may read it."""

    def __init__(self, response: httpx.Response, exchange: Exchange, network: Network) -> None:
        self.exchange = exchange
        self.home: Home = exchange.pool.home
        self._network = network
        self._events = EventBuffer(exchange.settings.max_response_bytes)
        self._response = response
        self._chunks: Any = network.chunks(response)
        exchange.pool.streams.add(self)

    async def read(self, *, wait: bool = True) -> tuple[str, ...] | None:
        """The data of the events that have arrived; ``None`` at the end."""
        if self.home != self._network.home():
            # The read could return the answers of another process or event loop.
            raise APIConnectionError("The stream belongs to another process or event loop.")
        limit, network = self.exchange.limit, self._network
        while not (events := self._events.take()):
            if events is not None:
                limit.check()
                await network.sleep(0)
                continue
            if not wait and not _is_readable(self._response):
                return ()
            with limit:
                is_open = self._events.feed(await network.next_chunk(self._chunks))
            if not is_open:
                if _has_marked_end(self._response):
                    return None
                raise self.exchange.library.RemoteProtocolError("The connection may be broken.")
        return events

    async def close(self) -> None:
        """Close the connection. Another process or event loop must not touch it."""
        streams = self.exchange.pool.streams
        if self in streams and self.home == self._network.home():
            streams.discard(self)
            try:
                await self._network.close(self._response, self._chunks)
            finally:
                self.exchange.leave()


def _is_readable(response: httpx.Response) -> bool:
    """Whether a read returns at once: only HTTP/1 has a connection for each stream."""
    connection = response.extensions.get("network_stream")
    version = bytes(response.extensions.get("http_version", b""))
    if connection is None or not version.startswith(b"HTTP/1"):
        return False
    return bool(connection.get_extra_info("is_readable"))


def _has_marked_end(response: httpx.Response) -> bool:
    """Whether the end of a body differs from a broken connection (RFC 9112, section 6.3)."""
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    # A transport without a network has no HTTP version.
    version = bytes(response.extensions.get("http_version", b""))
    return framed or not version.startswith(b"HTTP/1")
