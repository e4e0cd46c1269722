"""The I/O that differs between sync and async; other code is written once, as coroutines.

The coroutines of :class:`SyncNetwork` never suspend, so ``finish`` runs them to their end. Those of
async clients are in ``async_network.py``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import httpx

from .limits import OutOfTimeError, TimeLimit, limit_network_stream
from .pending import Home, Pending, Perform, Step, finish
from .signals import raise_unchanged, signal_exception

if TYPE_CHECKING:
    from .async_network import AsyncNetwork

_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")


class SyncNetwork:
    """Blocking I/O, on an ``httpx.Client``."""

    kind: ClassVar[str] = "Client"
    transport: ClassVar[str] = "HTTPTransport"
    Places: ClassVar[Any] = threading.Semaphore

    def home(self) -> Home:
        """The current process."""
        return os.getpid(), None

    def start(self, perform: Perform) -> Pending:
        """Perform an effect."""
        pending = Pending()
        try:
            pending.value = finish(perform(pending))
        except BaseException as error:
            pending.error = error
        return pending

    def start_aside(self, perform: Perform) -> None:
        """Perform work on a daemon thread: httpx may hold a lock for ever after an interruption."""
        with suppress(RuntimeError):  # no new threads at the interpreter's end
            threading.Thread(target=self.start, args=(perform,), daemon=True).start()

    def at_end(self, close: Callable[[], Any]) -> Callable[[], Any]:
        """``close``, which the event loop also calls at its end."""
        return close

    async def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
        time.sleep(seconds)

    async def take_place(self, places: Any, limit: TimeLimit) -> None:
        """Wait for a place."""
        if not places.acquire(timeout=limit.remaining()):
            raise OutOfTimeError

    def trace(self, step: Step) -> Step:
        """The ``trace`` extension of a request."""

        def take(event: str, info: Mapping[str, Any]) -> None:
            step(event, info)
            if event.endswith(_CONNECTED):
                limit_network_stream(info["return_value"])

        return take

    async def send(self, http: Any, message: httpx.Request, *, owned: bool) -> httpx.Response:
        """Send a request. Redirects are not followed: they would carry the key elsewhere."""
        response: httpx.Response = (
            http.handle_request(message)
            if owned
            # The client's ``auth`` would replace the credential.
            else http.send(message, stream=True, auth=None, follow_redirects=False)
        )
        # A connection that was open before has had no trace.
        if (stream := response.extensions.get("network_stream")) is not None:
            limit_network_stream(stream)
        return response

    def chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The response's body."""
        return response.iter_bytes()

    async def next_chunk(self, chunks: Any) -> bytes | None:
        """The next chunk of a body; ``None`` at its end."""
        return next(chunks, None)

    async def close(self, item: Any, chunks: Any = None) -> None:
        """Close an HTTP client, or a response and the iterator over its body."""
        try:
            item.close()
        except Exception as error:
            if (exception := signal_exception(error)) is not None:
                raise_unchanged(exception)


Network: TypeAlias = "SyncNetwork | AsyncNetwork"
