"""What the two drivers share: refusals before sending, and what an exception means."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

from .._effects import Request, Response
from ..errors import ConfigurationError
from .exchange import Exchange
from .failures import closed_error, deadline_error, drop_tracebacks, meaning_of
from .home import Home
from .library import HttpLibrary
from .limits import TransportSettings
from .pool import (
    AsyncPool,
    SyncPool,
)

T = TypeVar("T")
E = TypeVar("E")
P = TypeVar("P", SyncPool, AsyncPool)


class BaseDriver(Generic[P]):
    """What the two drivers share.

    A pool belongs to one process and one event loop; another one gets a pool of its own. After an
    exception that struck inside httpx, the pool is replaced as a whole.
    """

    def __init__(self, settings: TransportSettings, library: HttpLibrary) -> None:
        self._settings = settings
        self._library = library
        self._closed = False
        self._pools: dict[Home, P] = {}
        # Where the caller's HTTP client first used a network.
        self._network_home: Home | None = None

    def _exchange(self, request: Request, until: float, pool: P) -> Exchange:
        """Begin with a request.

        Raises:
            ChatKitError: It is refused before anything is sent.
        """
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

    def _note_network(self, exchange: Exchange, pool: P) -> None:
        # Only a transport with real connections reports its steps.
        if exchange.traced and self._network_home is None:
            self._network_home = pool.home

    def _result_of(
        self,
        error: BaseException,
        exchange: Exchange,
        pool: P,
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
        if meaning is error:
            raise error
        if meaning is not None:
            drop_tracebacks(error, handled)
            raise meaning from error
        if pool.owned:
            # Below a client of ours there is no code of the caller's to debug.
            drop_tracebacks(error, handled)
            if self._pools.get(pool.home) is pool:
                self._pools.pop(pool.home, pool).retire()
        raise error

    def _pause(self, seconds: float, until: float) -> float:
        if seconds > until - time.monotonic():
            raise deadline_error(may_have_arrived=False)
        return seconds
