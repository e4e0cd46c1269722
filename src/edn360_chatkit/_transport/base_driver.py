"""Performs effects, for both drivers."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Sequence
from typing import Any
from weakref import finalize

import httpx

from .._effects import Effect, Open, Read, Request, Response, Send, Sleep
from ..errors import ConfigurationError
from .exchange import Exchange
from .failures import closed_error, deadline_error, drop_tracebacks, meaning_of
from .library import library_of, transport_factory
from .limits import OutOfTimeError, TimeLimit, TooLargeError, TransportSettings
from .network import Network
from .pending import Closable, Home, Pending
from .pool import Pool, close_items, drop, forget_closed_loops, take_dropped
from .signals import raise_unchanged, signal_exception
from .streams import OpenStream, is_event_stream

# The home in which each caller's HTTP client first used the network, below any of our clients. The
# key is its ``id``: a subclass may compare by value, or have no hash.
_network_homes: dict[int, Home] = {}


class BaseDriver:
    """Performs effects.

    Each process and each event loop has its own pool. A foreign exception inside httpx replaces the
    pool as a whole. The caller's HTTP client is never closed.

    Raises:
        ConfigurationError: The HTTP client has another type, or can't be set up.
    """

    def __init__(self, settings: TransportSettings, network: Network, http_client: Any) -> None:
        self._settings = settings
        self.network = network
        self._http_client = http_client
        self._library = library_of(http_client, network.kind)
        self._make = None
        if http_client is None:
            kind = getattr(httpx, network.transport)
            self._make = transport_factory(kind, settings.url)
        self._closed = False
        self._pools: dict[Home, Pool] = {}

    def start(self, effect: Effect[object], until: float) -> Pending:
        """Start an effect; ``until`` is the end of the operation's time (monotonic clock)."""
        return self.network.start(lambda pending: self._perform(effect, until, pending))

    async def close_items(self, items: Sequence[Closable], *, wait: bool = True) -> None:
        """Close items in a separate task, since a cancellation harms httpx."""
        pending = self.network.start(lambda _: close_items(items))
        if wait:
            await pending.wait_shielded()
        if pending.error is not None:
            raise pending.error

    def __del__(self) -> None:
        for pool in getattr(self, "_pools", {}).values():
            drop(pool)

    async def _close(self) -> None:
        self._closed = True
        pools, self._pools = self._pools, {}
        await self.close_items([*pools.values(), *take_dropped(self.network.home())])

    def _pool(self) -> Pool:
        home = self.network.home()
        pool = self._pools.get(home)
        if pool is None:
            for old, old_pool in list(self._pools.items()):
                if not old_pool.is_open:
                    self._pools.pop(old, None)
            forget_closed_loops()
            pool = Pool(self.network, self._make, self._http_client)
            pool = self._pools.setdefault(home, pool)
        return pool

    async def _perform(self, effect: Effect[object], until: float, pending: Pending) -> object:
        # The caller may be handling an exception, which must not change.
        handled = sys.exc_info()[1]
        if isinstance(effect, Sleep):
            if effect.seconds > until - time.monotonic():
                raise deadline_error(may_have_arrived=False)
            await self.network.sleep(effect.seconds)
            return None
        if isinstance(effect, Read):
            assert isinstance(effect.stream, OpenStream)
            exchange = effect.stream.exchange
            exchange.limit = TimeLimit(until, pending)
            answering: Awaitable[object] = effect.stream.read(wait=effect.wait)
        else:
            assert isinstance(effect, (Send, Open))
            exchange = self._exchange(effect.request, TimeLimit(until, pending))
            answering = self._send(exchange, streaming=isinstance(effect, Open))
        try:
            answer = await answering
        except BaseException as error:
            if pending.is_cancelled:
                raise
            cause = OutOfTimeError() if pending.is_late(error) else error
            return self._result_of(cause, exchange, handled)
        if pending.is_cancelled and isinstance(answer, OpenStream):
            await answer.close()
        return answer

    def _exchange(self, request: Request, limit: TimeLimit) -> Exchange:
        if self._closed:
            raise closed_error()
        if not limit.remaining():
            raise deadline_error(may_have_arrived=False)
        pool = self._pool()
        if not pool.owned and _network_homes.get(id(self._http_client), pool.home) != pool.home:
            raise ConfigurationError(
                "The http_client was used in another process or event loop, where its connections "
                "belong. Make a client in each; nothing was sent."
            )
        return Exchange(request, self._settings, self._library, limit, pool)

    async def _send(self, exchange: Exchange, *, streaming: bool) -> OpenStream | Response:
        network, pool = self.network, exchange.pool
        answer: OpenStream | Response | None = None
        try:
            with exchange.limit:
                if items := take_dropped(pool.home):
                    # Do not wait: the end of TLS may wait for the server.
                    await self.close_items(items, wait=False)
                shard = await pool.enter(exchange.limit, streaming=streaming)
                exchange.shard = shard
                if self._closed:  # during the wait for a place
                    raise closed_error()
                message = exchange.make_message(shard.http, network.trace(exchange.take_step))
                response = await network.send(shard.http, message, owned=pool.owned)
                if streaming and is_event_stream(response):
                    answer = OpenStream(response, exchange, network)
                else:
                    answer = await self._read_body(response, exchange)
                return answer
        finally:
            exchange.remove_credential()
            key = id(self._http_client)
            if exchange.traced and not pool.owned and key not in _network_homes:
                # Only a transport with real connections reports its steps.
                finalize(self._http_client, _network_homes.pop, key, None)
                _network_homes.setdefault(key, pool.home)
            if not isinstance(answer, OpenStream):
                exchange.leave()

    async def _read_body(self, response: httpx.Response, exchange: Exchange) -> Response:
        chunks: Any = self.network.chunks(response)
        try:
            while exchange.feed(await self.network.next_chunk(chunks)):
                exchange.limit.check()
            return exchange.answer(response)
        except BaseException as error:
            await self.network.close(response, chunks)
            if isinstance(error, TooLargeError):
                return exchange.answer(response, too_large=True)
            raise

    def _result_of(
        self, error: BaseException, exchange: Exchange, handled: BaseException | None
    ) -> Response:
        """The response, if a hook of the caller raised because of it; raises other exceptions.

        A foreign exception replaces the pool, even if the HTTP library has wrapped it.
        """
        pool, shard = exchange.pool, exchange.shard
        closed = self._closed or (not pool.owned and shard is not None and shard.http.is_closed)
        meaning = meaning_of(error, exchange, closed=closed)
        if isinstance(meaning, Response):
            return meaning
        foreign = error if meaning is None else signal_exception(error, handled)
        if meaning is not error and (foreign is None or pool.owned):
            # Keep the frames only if the caller's client may have called the caller's code.
            drop_tracebacks(error, handled)
        if foreign is not None and pool.owned and self._pools.get(pool.home) is pool:
            self._pools.pop(pool.home, pool).retire()
        if foreign is None and meaning is not error:
            raise meaning or error from error
        return raise_unchanged(foreign or error)
