"""Servers that count connections or keep streams open, and operations on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import httpx2

from edn360_chatkit._effects import Emitting, Operation, Request, Stream, emit, open_stream, read
from tests.support.raw_server import Exchange, RawServer, raw_server, reply
from tests.support.transport import STREAM_HEAD

LIBRARIES = [httpx, httpx2]


def ports(server: RawServer) -> set[int]:
    """The clients' ports, which count the connections to the server."""
    return set(ports_by_server[id(server)])


ports_by_server: dict[int, list[int]] = {}


@contextmanager
def counting_server(wait: Callable[[], object] = int) -> Iterator[RawServer]:
    """Answer each request with its path after a wait, and record the connections."""
    connections: list[int] = []

    def answer(exchange: Exchange) -> Iterable[bytes]:
        connections.append(exchange.connection.getpeername()[1])
        wait()
        yield reply({"path": exchange.line.partition(" ")[2]})

    with raw_server(answer) as server:
        ports_by_server[id(server)] = connections
        yield server
        del ports_by_server[id(server)]


def open_streams() -> Any:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield STREAM_HEAD + b"data: x\n\n"
        with suppress(OSError):
            exchange.connection.recv(1)

    return raw_server(answer)


def watched(url: str) -> Emitting[str, None]:
    """Emits the events of a stream."""
    stream = yield from open_stream(Request("POST", url))
    assert isinstance(stream, Stream)
    while (batch := (yield from read(stream))) is not None:
        for event in batch:
            yield from emit(event)


def kept_stream(url: str) -> Operation[Stream]:
    """Opens a stream for a later operation."""
    stream = yield from open_stream(Request("POST", url))
    assert isinstance(stream, Stream)
    stream.keep_open = True
    return stream


def read_on(stream: Stream) -> Operation[tuple[str, ...] | None]:
    return (yield from read(stream))
