"""How effects are performed: written once, for both drivers."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import httpx

from .._effects import Effect, Now, Open, Read, Request, Response, Send, Sleep, Stream
from ..errors import ConfigurationError
from .exchange import Exchange
from .failures import closed_error, deadline_error, drop_tracebacks, meaning_of
from .library import client_factory, library_of
from .limits import TimeLimit, TooLargeError, TransportSettings
from .network import Network
from .pending import Home, Pending, is_over
from .pool import SHARD_SIZE, Pool, Shard, close_items, dropped, forget_closed_loops, take_dropped
from .signals import raise_unchanged, signal_exception
from .streams import OpenStream, is_event_stream


class BaseDriver:
    """Performs effects.

    A pool belongs to one process and one event loop; another one gets a pool of its own. After an
    exception that struck inside httpx, the pool is replaced as a whole.
    The caller's HTTP client is never closed here.

    Raises:
        ConfigurationError: The HTTP client is another object, or can't be set up.
    """

    def __init__(self, settings: TransportSettings, network: Network, http_client: Any) -> None:
        self._settings = settings
        self.network = network
        self._http_client = http_client
        self._library = library_of(http_client, network.kind)
        self._make = None
        if http_client is None:
            kind = getattr(httpx, network.kind)
            self._make = client_factory(kind, settings.url, SHARD_SIZE)
        self._closed = False
        self._pools: dict[Home, Pool] = {}
        # Where the caller's HTTP client first used a network.
        self._network_home: Home | None = None

    def start(self, effect: Effect[object], until: float) -> Pending:
        """Start one effect; ``until`` is the end of the operation's time (monotonic clock)."""
        if isinstance(effect, Now):
            return Pending(time.monotonic())
        return self.network.start(lambda pending: self._perform(effect, until, pending))

    async def close_all(self, items: Sequence[OpenStream | Pool]) -> None:
        """Close streams or pools: in a task of its own, since a cancellation harms httpx."""

        async def close(pending: Pending) -> None:
            await close_items([*items, *take_dropped(self.network.home())])

        pending = self.network.start(close)
        await self.network.wait_for_end(pending, None)
        if pending.error is not None:
            raise pending.error

    def __del__(self) -> None:
        dropped.extend(getattr(self, "_pools", {}).values())

    async def _close(self) -> None:
        self._closed = True
        await self.close_all(list(self._pools.values()))

    def _pool(self) -> Pool:
        home = self.network.home()
        pool = self._pools.get(home)
        if pool is None:
            for old in [old for old in self._pools if is_over(old)]:
                self._pools.pop(old, None)
            forget_closed_loops()
            pool = Pool(self.network, self._make, self._http_client)
            pool = self._pools.setdefault(home, pool)
        return pool

    async def _perform(self, effect: Effect[object], until: float, pending: Pending) -> object:
        if isinstance(effect, Sleep):
            if effect.seconds > until - time.monotonic():
                raise deadline_error(may_have_arrived=False)
            await self.network.sleep(effect.seconds)
            return None
        if isinstance(effect, Read):
            return await self._read(effect, until, pending)
        assert isinstance(effect, (Send, Open))
        answer = await self._send(effect.request, until, pending, isinstance(effect, Open))
        if pending.is_cancelled and isinstance(answer, OpenStream):
            await answer.close()
        return answer

    async def _send(
        self, request: Request, until: float, pending: Pending, streaming: bool
    ) -> object:
        pool, handled = self._pool(), sys.exc_info()[1]
        if self._closed:
            raise closed_error()
        if time.monotonic() >= until:
            raise deadline_error(may_have_arrived=False)
        if not pool.owned and self._network_home not in (None, pool.home):
            raise ConfigurationError(
                "The http_client was used in another process or event loop, where its connections "
                "belong. Make a client in each; nothing was sent."
            )
        limit = TimeLimit(until)
        exchange = Exchange(request, self._settings, self._library, limit, pool.owned)
        shard: Shard | None = None
        answer: object = None
        try:
            with self.network.limited(exchange.limit):
                if dropped and (items := take_dropped(pool.home)):
                    await self.network.close_soon(lambda: close_items(items))
                shard = await pool.enter(exchange.limit, streaming=streaming)
                answer = await self._answer(shard, pool, exchange, streaming)
        except BaseException as error:
            if pending.is_cancelled:
                raise
            closed = self._closed or (shard is not None and shard.http.is_closed)
            answer = self._result_of(error, exchange, pool, handled, closed)
        finally:
            exchange.remove_credential()
            if exchange.traced and self._network_home is None:
                # Only a transport with real connections reports its steps.
                self._network_home = pool.home
            if shard is not None and not isinstance(answer, Stream):
                pool.leave(shard)
        return answer

    async def _answer(
        self, shard: Shard, pool: Pool, exchange: Exchange, streaming: bool
    ) -> OpenStream | Response:
        network = self.network
        message = exchange.make_message(shard.http, network.trace(exchange.take_step))
        response = await network.send(shard.http, message, exchange.authorize)
        if streaming and is_event_stream(response):
            stream = OpenStream(
                response, exchange, network, lambda stream: pool.leave(shard, stream)
            )
            pool.streams.add(stream)
            return stream
        chunks = network.chunks(response)
        try:
            while exchange.feed(await network.next_chunk(chunks)):
                exchange.limit.check()
            return exchange.answer(response)
        except BaseException as error:
            await network.close(response, chunks)
            if isinstance(error, TooLargeError):
                return exchange.answer(response, too_large=True)
            raise

    async def _read(self, effect: Read, until: float, pending: Pending) -> object:
        stream = effect.stream
        assert isinstance(stream, OpenStream)
        handled = sys.exc_info()[1]
        stream.exchange.limit = TimeLimit(until)
        try:
            return await stream.read(wait=effect.wait)
        except BaseException as error:
            if not pending.is_cancelled:
                self._result_of(error, stream.exchange, self._pool(), handled, self._closed)
            raise

    def _result_of(
        self,
        error: BaseException,
        exchange: Exchange,
        pool: Pool,
        handled: BaseException | None,
        closed: bool,
    ) -> Response:
        """The response that an exception stands for; else raises its meaning.

        A foreign exception replaces the pool, also one that the library took for a failure.
        ``handled`` is the exception that the caller was handling before; it stays as it is.
        """
        meaning = meaning_of(error, exchange, closed=closed)
        if isinstance(meaning, Response):
            return meaning
        foreign = error if meaning is None else signal_exception(error, handled)
        if meaning is not error and (foreign is None or pool.owned):
            # Below a client of ours there is no code of the caller's to debug.
            drop_tracebacks(error, handled)
        if foreign is not None and pool.owned and self._pools.get(pool.home) is pool:
            self._pools.pop(pool.home, pool).retire()
        if foreign is None and meaning is not error:
            raise meaning or error from error
        return raise_unchanged(foreign or error)
