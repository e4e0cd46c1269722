"""Operations, settings and servers for tests of the drivers."""

from __future__ import annotations

from typing import Any

import httpx

from edn360_chatkit._effects import (
    Operation,
    Request,
    Response,
    Stream,
    open_stream,
    read,
    send,
)
from edn360_chatkit._transport import TransportSettings

from .patience import PATIENCE

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


def settings(url: str, **changes: Any) -> TransportSettings:
    fields: dict[str, Any] = {
        "url": url,
        "timeout": httpx.Timeout(PATIENCE, pool=None),
        "request_seconds": PATIENCE,
        "deadline": 2 * PATIENCE,
        "max_response_bytes": 1_000_000,
    }
    return TransportSettings(**{**fields, **changes})


def get(url: str, **fields: Any) -> Operation[Response]:
    """Send a GET request."""
    return (yield from send(Request("GET", url, **fields)))


def post(url: str, content: bytes) -> Operation[Response]:
    """Send a POST request."""
    return (yield from send(Request("POST", url, content=content)))


def status(url: str, **fields: Any) -> Operation[int]:
    """Send a GET request, and return the status."""
    return (yield from get(url, **fields)).status


def first_events(url: str) -> Operation[tuple[str, ...] | None]:
    """Open a stream, and read its first batch of events."""
    stream = yield from open_stream(Request("POST", url))
    assert isinstance(stream, Stream)
    return (yield from read(stream))


def all_events(url: str) -> Operation[list[str]]:
    """Open a stream, and read it to its end."""
    stream = yield from open_stream(Request("POST", url))
    assert isinstance(stream, Stream)
    events: list[str] = []
    while (batch := (yield from read(stream))) is not None:
        events.extend(batch)
    return events
