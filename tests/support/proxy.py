"""A proxy between a client and a server that breaks their connections like a network.

It does not read HTTP: a fault strikes at any byte of a request or an answer.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import deque
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, TypeAlias, TypeVar, get_args

T = TypeVar("T")

Kind: TypeAlias = Literal[
    "refuse",  # reset all connections, and refuse new connections for a while
    "reset",  # reset the connection
    "truncate",  # close the connection without an error
    "hold",  # keep the connection open, and pass no more bytes
    "delay",  # pass the next bytes later, even if the client has hung up
    "dribble",  # pass each of the next bytes alone
    "duplicate",  # pass the next bytes twice
    "reorder",  # pass the next bytes after the bytes that follow them
]
Way: TypeAlias = Literal["request", "answer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SPOILING: tuple[Kind, ...] = ("duplicate", "reorder")
"""Faults that change the data. TLS would detect them."""


@dataclass(frozen=True)
class Fault:
    """A fault of the network.

    Attributes:
        kind: Its kind.
        way: The direction of the bytes that it strikes.
        at: The number of bytes since the previous fault.
        seconds: Its duration, if the kind has a duration.
        length: The number of bytes that it repeats or moves.
    """

    kind: Kind
    way: Way
    at: int
    seconds: float = 0.0
    length: int = 0


def plan(seed: str, *, request: int, answer: int, longest: float) -> list[Fault]:
    """The faults of a run. Equal seeds give equal faults.

    Args:
        seed: The seed.
        request: The approximate number of bytes that a run sends.
        answer: The approximate number of bytes that a run receives.
        longest: The longest fault, and the longest sum of delays of requests, in seconds.
    """
    draw = random.Random(seed)
    faults: list[Fault] = []
    delayed = 0.0
    while not faults or draw.random() < 0.35:
        way: Way = draw.choice(("request", "answer"))
        most = {"request": request, "answer": answer}[way]
        # Protocols break at heads and at beginnings of bodies, which are short.
        at = draw.randrange(draw.choice((60, 400, most, most)))
        kind = draw.choice(KINDS)
        seconds = round(draw.uniform(0.02, longest), 3)
        if way == "request" and kind in ("delay", "dribble"):
            # A request may meet several delays.
            seconds = min(seconds, longest - delayed)
            delayed += seconds
        faults.append(Fault(kind, way, at, seconds, length=draw.choice((1, 7, 64, 700))))
    return faults


@dataclass(eq=False)
class Line:
    """A port of the proxy that leads to a server, for one client at a time.

    Attributes:
        port: The port for clients.
        struck: The faults since :meth:`FaultProxy.begin`.
    """

    upstream: int
    port: int
    holder: socket.socket = field(repr=False)
    faults: deque[Fault] = field(default_factory=deque[Fault])
    struck: list[Fault] = field(default_factory=list[Fault])
    passed: dict[Way, int] = field(default_factory=dict[Way, int])
    listener: asyncio.Server | None = None
    links: set[Link] = field(default_factory=set["Link"], repr=False)

    def next_fault(self, way: Way, size: int) -> tuple[Fault | None, int]:
        """The fault within the next ``size`` bytes, and the number of bytes before it."""
        before = self.passed.get(way, 0)
        fault = self.faults[0] if self.faults else None
        if fault is None or fault.way != way or fault.at >= before + size:
            self.passed[way] = before + size
            return None, size
        self.faults.popleft()
        self.struck.append(fault)
        self.passed.clear()
        return fault, max(0, fault.at - before)


class FaultProxy:
    """The proxy, in its own thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")
        self._lines: list[Line] = []
        self._waiting: set[asyncio.Task[None]] = set()

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(30)

    def line(self, upstream: int) -> Line:
        """A new line to the server on a port of loopback."""
        # This socket reserves the port while the listener is closed. Linux lets the listener bind
        # the same address, since this socket does not listen.
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        line = Line(upstream, holder.getsockname()[1], holder)
        self._lines.append(line)
        self._call(self._listen(line))
        return line

    def begin(self, line: Line, faults: Iterable[Fault]) -> None:
        """Replace the faults of a line, and start to count the bytes."""

        async def begin() -> None:
            line.faults = deque(faults)
            line.struck = []
            line.passed.clear()

        self._call(begin())

    def links(self) -> int:
        """The number of open connections."""
        return sum(len(line.links) for line in self._lines)

    async def _listen(self, line: Line) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", line.port))

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            link = Link(self, line, reader, writer)
            line.links.add(link)
            try:
                await link.run()
            finally:
                line.links.discard(link)

        line.listener = await asyncio.start_server(accept, sock=listener, backlog=128)

    async def refuse(self, line: Line, seconds: float) -> None:
        """Reset open connections, and listen again after a while."""
        if line.listener is None:
            return
        line.listener.close()
        line.listener = None
        for link in list(line.links):
            link.reset()
        task = asyncio.ensure_future(self._reopen(line, seconds))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _reopen(self, line: Line, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen(line)

    async def _close(self) -> None:
        for task in self._waiting:
            task.cancel()
        for line in self._lines:
            line.holder.close()
            if line.listener is not None:
                line.listener.close()
            for link in list(line.links):
                link.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        _, pending = await asyncio.wait(others, timeout=5) if others else (set(), set())
        for task in pending:
            task.cancel()


class Link:
    """A connection through the proxy."""

    def __init__(
        self,
        proxy: FaultProxy,
        line: Line,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._line = line
        self._client = reader, writer
        self._ends = [writer]
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._line.upstream)
            self._ends.append(writer)
            ways: tuple[tuple[Way, asyncio.StreamReader, asyncio.StreamWriter], ...] = (
                ("request", self._client[0], writer),
                ("answer", reader, self._client[1]),
            )
            self._tasks = [asyncio.ensure_future(self._pass(*way)) for way in ways]
            await asyncio.wait(self._tasks)
        for end in self._ends:
            end.close()
            with suppress(OSError):
                await end.wait_closed()

    def reset(self) -> None:
        """Reset both connections."""
        for end in self._ends:
            wire = end.get_extra_info("socket")
            with suppress(OSError):
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()
        for task in self._tasks:
            task.cancel()

    async def _pass(
        self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(65536):
                fault, size = self._line.next_fault(way, len(data))
                await _write(writer, data[:size])
                if fault is not None:
                    await self._strike(fault, data[size:], reader, writer)
        except OSError:
            pass
        finally:
            # Close both directions, so that no connection stays half open.
            for end in self._ends:
                end.close()

    async def _strike(
        self,
        fault: Fault,
        rest: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if fault.kind == "refuse":
            await self._proxy.refuse(self._line, fault.seconds)
        elif fault.kind == "reset":
            self.reset()
        elif fault.kind == "truncate":
            for end in self._ends:
                end.close()
        elif fault.kind == "hold":
            # Drop the bytes until the sender hangs up.
            while await reader.read(65536):
                pass
        elif fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            await _write(writer, rest)
        elif fault.kind == "dribble":
            until = asyncio.get_running_loop().time() + fault.seconds
            while rest and asyncio.get_running_loop().time() < until:
                await _write(writer, rest[:1])
                rest = rest[1:]
                await asyncio.sleep(0.01)
            await _write(writer, rest)
        elif fault.kind == "duplicate":
            await _write(writer, rest[: fault.length] + rest)
        else:
            first, then = rest[: fault.length], rest[fault.length : 2 * fault.length]
            await _write(writer, then + first + rest[2 * fault.length :])


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(data)
        await writer.drain()
