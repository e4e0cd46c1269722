"""How effects are performed: written once, for both drivers."""

from __future__ import annotations

import sys
import time
from typing import Any

from .._effects import Effect, Open, Read, Request, Response, Send, Sleep, Stream
from ..errors import ConfigurationError
from .exchange import Content, Exchange, response_of
from .failures import closed_error, deadline_error, drop_tracebacks, meaning_of
from .library import ClientFactory, library_of
from .limits import TimeLimit, TooLargeError, TransportSettings
from .network import Network
from .pool import SHARD_SIZE, Pool, Shard, close_dropped, dropped, forget_closed_loops, is_over
from .streams import OpenStream, is_event_stream
from .tasks import Home, Pending, TaskPending


class BaseDriver:
    """Performs effects.

    A pool belongs to one process and one event loop; another one gets a pool of its own. After an
    exception that struck inside httpx, the pool is replaced as a whole.

    Args:
        settings: The client's settings.
        network: The I/O, sync or async.
        kind: The name of the HTTP client's class.
        http_client: The caller's HTTP client. It is never closed here.

    Raises:
        ConfigurationError: The HTTP client is another object, or can't be set up.
    """

    def __init__(
        self, settings: TransportSettings, network: Network, kind: str, http_client: Any
    ) -> None:
        self._settings = settings
        self._network = network
        self._http_client = http_client
        self._library = library_of(http_client, kind)
        self._make = None
        if http_client is None:
            self._make = ClientFactory(getattr(self._library, kind), settings.url, SHARD_SIZE)
        self._closed = False
        self._pools: dict[Home, Pool] = {}
        # Where the caller's HTTP client first used a network.
        self._network_home: Home | None = None

    def start(self, effect: Effect[object], until: float) -> Pending:
        """Start one effect.

        Args:
            effect: The effect.
            until: When the operation's time is over, on the monotonic clock.
        """
        if isinstance(effect, (Send, Open, Read)):
            return self._network.start(lambda pending: self._perform(effect, until, pending))
        if isinstance(effect, Sleep):
            if effect.seconds > until - time.monotonic():
                return Pending(error=deadline_error(may_have_arrived=False))
            return self._network.pause(effect.seconds)
        return Pending(time.monotonic())

    async def wait_for_end(self, pending: Pending) -> None:
        """Wait a moment for the end of an effect that was cancelled."""
        await self._network.wait_for_end(pending)

    async def close_streams(self, streams: list[OpenStream]) -> None:
        """Close streams that an operation has left open."""

        async def close(pending: Pending) -> None:
            for stream in streams:
                await stream.close()

        await self._in_its_own_task(close)

    def drop(self, streams: list[OpenStream], pending: Pending | None) -> None:
        """Close streams, and cancel an effect, later; for finalizers."""
        dropped.extend(streams)
        if isinstance(pending, TaskPending):
            dropped.append(pending)

    def __del__(self) -> None:
        dropped.extend(getattr(self, "_pools", {}).values())

    async def _close(self) -> None:
        self._closed = True
        home = self._network.home()

        async def close(pending: Pending) -> None:
            for pool in list(self._pools.values()):
                await pool.close()
            await close_dropped(home)

        await self._in_its_own_task(close)

    async def _in_its_own_task(self, perform: Any) -> None:
        """So that a cancellation does not strike inside httpx."""
        pending = self._network.start(perform)
        await self._network.wait_for_end(pending)
        if pending.error is not None:
            raise pending.error

    def _pool(self) -> Pool:
        home = self._network.home()
        pool = self._pools.get(home)
        if pool is None:
            for old in [old for old in self._pools if is_over(old)]:
                self._pools.pop(old, None)
            forget_closed_loops()
            pool = Pool(self._network, self._make, self._http_client)
            pool = self._pools.setdefault(home, pool)
        return pool

    async def _perform(self, effect: Send | Open | Read, until: float, pending: Pending) -> object:
        if isinstance(effect, Read):
            return await self._read(effect.stream, until, pending)
        answer = await self._send(effect.request, until, pending, isinstance(effect, Open))
        if pending.is_cancelled and isinstance(answer, OpenStream):
            await answer.close()
        return answer

    async def _send(
        self, request: Request, until: float, pending: Pending, streaming: bool
    ) -> OpenStream | Response:
        pool, handled = self._pool(), sys.exc_info()[1]
        if dropped:
            await close_dropped(pool.home)
        exchange = self._begin(request, until, pool)
        shard: Shard | None = None
        answer: OpenStream | Response | None = None
        try:
            with self._network.limited(exchange.limit):
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

    def _begin(self, request: Request, until: float, pool: Pool) -> Exchange:
        if self._closed:
            raise closed_error()
        if time.monotonic() >= until:
            raise deadline_error(may_have_arrived=False)
        if not pool.owned and self._network_home not in (None, pool.home):
            raise ConfigurationError(
                "The http_client was used in another process or event loop, where its connections "
                "belong. Make a client in each; nothing was sent."
            )
        return Exchange(request, self._settings, self._library, deadline=until, owned=pool.owned)

    async def _answer(
        self, shard: Shard, pool: Pool, exchange: Exchange, streaming: bool
    ) -> OpenStream | Response:
        network, size = self._network, self._settings.max_response_bytes
        message = exchange.message(shard.http, network.trace(exchange.take_step))
        response = await network.send(shard.http, message, exchange.authorize)
        if streaming and is_event_stream(response):
            stream = OpenStream(response, exchange, size, network)
            stream.keep_in(pool.streams, lambda: pool.leave(shard))
            return stream
        content, chunks = Content(size), network.chunks(response)
        try:
            while content.add(await network.next_chunk(chunks)):
                exchange.limit.check()
            return response_of(response, exchange.request, content.joined())
        except BaseException as error:
            await network.close_response(response, chunks)
            if isinstance(error, TooLargeError):
                return response_of(response, exchange.request, None)
            raise

    async def _read(self, stream: Stream, until: float, pending: Pending) -> object:
        assert isinstance(stream, OpenStream)
        handled = sys.exc_info()[1]
        stream.exchange.limit = TimeLimit(until)
        try:
            return await stream.read()
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

        Args:
            error: The exception.
            exchange: The request that it ended.
            pool: The pool of the request; replaced if the exception is a foreign one.
            handled: The exception that the caller was handling before; it stays as it is.
            closed: Whether the HTTP client is closed.
        """
        meaning = meaning_of(error, exchange, closed=closed)
        if isinstance(meaning, Response):
            return meaning
        if meaning is not None and meaning is not error:
            drop_tracebacks(error, handled)
            raise meaning from error
        if meaning is None and pool.owned:
            # Below a client of ours there is no code of the caller's to debug.
            drop_tracebacks(error, handled)
            if self._pools.get(pool.home) is pool:
                self._pools.pop(pool.home, pool).retire()
        raise error
