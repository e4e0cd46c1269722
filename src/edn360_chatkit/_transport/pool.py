"""The connections of a client, in one process and one event loop.

httpcore looks at each connection of an HTTP client for each request. So a pool has several HTTP
clients with few connections each: some for short requests, others for streams.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import anyio

from .exchange import Exchange
from .home import Home, is_over
from .library import AsyncHTTPClient, HTTPClient
from .limits import OutOfTimeError
from .streams import CLOSING_SECONDS, AsyncStream, OpenStream, SyncStream
from .tasks import TaskPending

HTTP = TypeVar("HTTP")

MAX_CONNECTIONS = 100
"""How many connections a client of ours has at most for short requests."""
SHARD_SIZE = 10
"""How many connections each HTTP client of a pool has."""


class Place(Generic[HTTP]):
    """The place of one request or stream in a pool.

    Attributes:
        http: The HTTP client to use.
    """

    def __init__(self, http: HTTP, release: Callable[[], None]) -> None:
        self.http = http
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Give the place back; does nothing the second time."""
        release, self._release = self._release, None
        if release is not None:
            release()


class _Shard(Generic[HTTP]):
    """An HTTP client with a few connections, and how many of them are in use."""

    def __init__(self, http: HTTP) -> None:
        self.http = http
        self.used = 0


class Pool(Generic[HTTP]):
    """The HTTP clients of one process and one event loop.

    Args:
        home: The process and the event loop.
        make: Makes an HTTP client of ours, for streams or not.
        http_client: The caller's HTTP client, used instead.

    Attributes:
        owned: Whether the HTTP clients are ours.
        streams: The open streams. They stay alive here, so that no garbage collection closes one.
    """

    def __init__(
        self, home: Home, make: Callable[[bool], HTTP] | None, http_client: HTTP | None
    ) -> None:
        self.home = home
        self.owned = http_client is None
        self.streams: set[OpenStream] = set()
        self._make = make
        self._retired = False
        self._lock = threading.Lock()
        self._short: list[_Shard[HTTP]] = []
        self._long: list[_Shard[HTTP]] = []
        if http_client is not None:
            # The caller's limits hold; its one client has all places.
            self._short = self._long = [_Shard(http_client)]

    def close_aside(self) -> None:
        """Close the pool without waiting for it."""
        raise NotImplementedError

    def retire(self) -> None:
        """Close the pool when its last request or stream has ended."""
        with self._lock:
            self._retired = True
            unused = self._is_unused()
        if unused:
            self.close_aside()

    def clients(self) -> list[HTTP]:
        """The HTTP clients of ours."""
        return [shard.http for shard in (*self._short, *self._long)] if self.owned else []

    def place(self, *, streaming: bool, release: Callable[[], None]) -> Place[HTTP]:
        """A place on the first HTTP client with a free connection.

        Args:
            streaming: Whether the request asks for a stream.
            release: Called in addition when the place is given back.
        """
        with self._lock:
            shards = self._long if streaming else self._short
            for shard in shards:
                if shard.used < SHARD_SIZE or self._make is None:
                    break
            else:
                assert self._make is not None
                shard = _Shard(self._make(streaming))
                shards.append(shard)
            shard.used += 1

        def leave() -> None:
            with self._lock:
                shard.used -= 1
                last = self._retired and self._is_unused()
            release()
            if last:
                self.close_aside()

        return Place(shard.http, leave)

    def _is_unused(self) -> bool:
        return not any(shard.used for shard in (*self._short, *self._long))


def _nothing() -> None:
    """Streams take no place of the short requests."""


class SyncPool(Pool[HTTPClient]):
    """A pool of sync HTTP clients."""

    def __init__(
        self, home: Home, make: Callable[[bool], HTTPClient] | None, http_client: HTTPClient | None
    ) -> None:
        super().__init__(home, make, http_client)
        self._places = threading.Semaphore(MAX_CONNECTIONS)
        _live.add(self)

    def enter(self, exchange: Exchange, *, streaming: bool) -> Place[HTTPClient]:
        """Wait for a place."""
        if streaming or not self.owned:
            return self.place(streaming=streaming, release=_nothing)
        if not self._places.acquire(timeout=exchange.limit.left()):
            raise OutOfTimeError
        return self.place(streaming=False, release=self._places.release)

    def close(self) -> None:
        """Close the open streams, and the HTTP clients if they are ours."""
        if self.home[0] != os.getpid():
            return
        for stream in list(self.streams):
            assert isinstance(stream, SyncStream)
            stream.close()
        for http in self.clients():
            with suppress(Exception):
                http.close()
        _live.discard(self)

    def close_aside(self) -> None:
        """Close it on a daemon thread: after an interruption, httpx may hold a lock for ever."""
        _live.discard(self)
        with suppress(RuntimeError):  # no new threads at the interpreter's end
            threading.Thread(target=self.close, daemon=True).start()


class AsyncPool(Pool[AsyncHTTPClient]):
    """A pool of async HTTP clients."""

    def __init__(
        self,
        home: Home,
        make: Callable[[bool], AsyncHTTPClient] | None,
        http_client: AsyncHTTPClient | None,
    ) -> None:
        super().__init__(home, make, http_client)
        self._places = anyio.Semaphore(MAX_CONNECTIONS)
        _live.add(self)

    async def enter(self, *, streaming: bool) -> Place[AsyncHTTPClient]:
        """Wait for a place."""
        if streaming or not self.owned:
            return self.place(streaming=streaming, release=_nothing)
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            await self._places.acquire()
        return self.place(streaming=False, release=self._places.release)

    async def close(self) -> None:
        """Close the open streams, and the HTTP clients if they are ours."""
        for stream in list(self.streams):
            assert isinstance(stream, AsyncStream)
            await stream.close()
        for http in self.clients():
            with suppress(Exception), anyio.move_on_after(CLOSING_SECONDS):
                await http.aclose()
        _live.discard(self)

    def close_aside(self) -> None:
        """Close it in a task of its own."""
        TaskPending(lambda _: self.close())


# A finalizer can run at any moment, also while httpcore holds a lock. So finalizers only append
# here; the next request or close, or the end of the process, closes what was dropped.
dropped: deque[SyncPool | SyncStream] = deque()
dropped_async: deque[AsyncPool | AsyncStream | TaskPending] = deque()
# Pools stay alive until they are closed, so that no garbage collection closes a connection.
_live: set[SyncPool | AsyncPool] = set()
# The connections that a fork has copied. They are kept for ever, since their locks may be held.
_inherited: list[object] = []


def close_dropped() -> None:
    """Close the sync streams and pools that were dropped."""
    while dropped:
        item = dropped.popleft()
        if item.home[0] == os.getpid():
            item.close()
        else:
            _inherited.append(item)


async def close_dropped_async(home: Home) -> None:
    """Close the async streams, pools and effects of this event loop that were dropped."""
    for _ in range(len(dropped_async)):
        item = dropped_async.popleft()
        if item.home == home:
            await item.close()
        elif item.home[0] != home[0]:
            _inherited.append(item)
        elif not is_over(item.home):
            dropped_async.append(item)


def forget_closed_loops() -> None:
    """Let go of the pools whose event loop is closed: nothing can close them any more."""
    for pool in list(_live):
        if is_over(pool.home):
            _live.discard(pool)


def _close_all() -> None:
    close_dropped()
    for pool in list(_live):
        if isinstance(pool, SyncPool):
            pool.close()


atexit.register(_close_all)
