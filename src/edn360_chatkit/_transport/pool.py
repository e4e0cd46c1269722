"""The connections of a client. Each process and each event loop has its own pool.

Each transport has one connection at a time, for short requests or for streams. httpcore checks all
connections of a transport for each request. It can also close a connection that another thread has
just taken (httpcore's issue 1110).
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .limits import TimeLimit
from .network import Network
from .pending import Closable, Home, finish, is_over

MAX_CONNECTIONS = 100
"""The largest number of connections for short requests, in a client of ours."""


@dataclass(eq=False)
class Shard:
    """A transport of ours with one connection, or the caller's client.

    Attributes:
        used: The number of requests and streams on it.
    """

    http: Any
    streaming: bool
    used: int = 0


class Pool:
    """The connections of a home.

    ``make`` makes a transport of ours that keeps a number of connections. Without it, the caller's
    ``http_client`` is used.

    Attributes:
        home: The process and the event loop.
        owned: Whether the connections are ours.
        streams: The open streams. This reference keeps the garbage collector from closing them.
    """

    def __init__(
        self, network: Network, make: Callable[[int], Any] | None, http_client: Any
    ) -> None:
        self.home: Home = network.home()
        self.owned = http_client is None
        self.streams: set[Closable] = set()
        self._network = network
        self._make = make
        self._places = network.Places(MAX_CONNECTIONS)
        self._retired = False
        self._lock = threading.Lock()
        # The caller's client is used without a limit of ours: its own limits apply.
        self._shards = [] if self.owned else [Shard(http_client, streaming=False)]
        self._free: dict[bool, list[Shard]] = {True: [], False: []}
        self._end = network.at_end(self._close)
        _live.add(self)

    @property
    def is_open(self) -> bool:
        """Whether neither the pool nor its event loop is closed."""
        return self in _live and not is_over(self.home)

    async def enter(self, limit: TimeLimit, *, streaming: bool) -> Shard:
        """Wait for a place, and take a free transport."""
        if self.owned and not streaming:
            await self._network.take_place(self._places, limit)
        with self._lock:
            if not self.owned:
                shard = self._shards[0]
            elif free := self._free[streaming]:
                shard = free.pop()
            else:
                assert self._make is not None
                # The connection of a stream is not used again.
                shard = Shard(self._make(0 if streaming else 1), streaming)
                self._shards.append(shard)
            shard.used += 1
        return shard

    def leave(self, shard: Shard) -> None:
        """Give a place back."""
        with self._lock:
            shard.used -= 1
            if self.owned:
                self._free[shard.streaming].append(shard)
        if self.owned and not shard.streaming:
            self._places.release()
        if self._retired:
            self.retire()

    def retire(self) -> None:
        """Close the connections when the last request or stream has ended."""
        self._retired = True
        with self._lock:
            if any(shard.used for shard in self._shards):
                return
        self._network.start_aside(lambda _: self.close())

    async def close(self) -> None:
        """Close the open streams, and the connections if they are ours."""
        if self.home == self._network.home():
            await self._end()
            # A request may have waited for a place meanwhile.
            await self._close()

    async def _close(self) -> None:
        # A retired pool closes a transport after its last request or stream.
        for stream in [] if self._retired else list(self.streams):
            await stream.close()
        with self._lock:
            retired = self._retired
            busy = [shard for shard in self._shards if (shard.used and retired) or not self.owned]
            unused = [shard for shard in self._shards if shard not in busy]
            self._shards = busy
            self._free = {True: [], False: []}
        for shard in unused:
            await self._network.close(shard.http)
        _live.discard(self)


# Pools stay alive until they are closed, so that no garbage collection closes a connection.
_live: set[Pool] = set()
# The items that finalizers have dropped, by home. Items of a parent process stay here, since their
# locks may be held.
_dropped: dict[Home, deque[Closable]] = {}


def drop(item: Closable) -> None:
    """Keep an item until the next request or close, or the end of the process, closes it.

    A finalizer calls only this: it can run at any moment, also while httpcore holds a lock.
    """
    _dropped.setdefault(item.home, deque()).append(item)


def take_dropped(home: Home) -> list[Closable]:
    """Take the items that were dropped in a home, to close them there."""
    items: list[Closable] = []
    queue = _dropped.get(home)
    while queue:
        try:
            items.append(queue.popleft())
        except IndexError:  # another thread was quicker
            break
    return items


def forget_closed_loops() -> None:
    """Forget the pools of event loops that were closed first: they can't be closed any more."""
    for pool in list(_live):
        if is_over(pool.home):
            _live.discard(pool)
    for home in list(_dropped):
        if is_over(home):
            _dropped.pop(home, None)


async def close_items(items: Sequence[Closable]) -> None:
    """Close pools, streams and effects in flight."""
    for item in items:
        await item.close()


def _close_all() -> None:
    home = os.getpid(), None
    pools = [pool for pool in list(_live) if pool.home == home]
    finish(close_items([*take_dropped(home), *pools]))


atexit.register(_close_all)
