"""httpx in our own terms: requests, responses, streams, and what its exceptions mean.

Nothing here waits or decides; the drivers do.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from urllib.parse import urlsplit

import anyio
import httpx
from httpx_sse import EventSource
from pydantic import SecretStr

from ._effects import Request, Response, Stream
from .errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ChatKitError,
    ConfigurationError,
)

# Raised before a connection was made, so that the server can't have got anything.
_NEVER_ARRIVED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class _Bearer(httpx.Auth):
    """Adds the credential when the request leaves; until then nothing holds it in the clear."""

    def __init__(self, credential: SecretStr) -> None:
        self._credential = credential

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._credential.get_secret_value()}"
        yield request


class _NoAuth(httpx.Auth):
    """Keeps an ``auth`` of the caller's own ``http_client`` away from our requests."""


def auth(request: Request) -> httpx.Auth:
    """How a request proves who it is from."""
    return _Bearer(request.credential) if request.credential else _NoAuth()


def read_response(response: httpx.Response) -> Response:
    """A response whose body is read."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(response.status_code, headers, response.content)


def error_of(error: Exception, request: Request) -> ChatKitError:
    """What an exception of httpx means to the caller."""
    host = urlsplit(request.url).hostname
    arrived = not isinstance(error, _NEVER_ARRIVED)
    # Never the exception's own text: a protocol error quotes the header that it dislikes.
    kind = type(error).__name__
    if isinstance(error, httpx.PoolTimeout):
        return APITimeoutError(
            "All connections of the HTTP client are busy (PoolTimeout). Run fewer workflows at "
            "once, or pass http_client= with larger limits.",
            may_have_arrived=False,
        )
    if isinstance(error, httpx.TimeoutException):
        return APITimeoutError(
            f"No answer from {host} in time ({kind}). Raise timeout=... if the server is slow.",
            may_have_arrived=arrived,
        )
    if isinstance(error, httpx.HTTPError):
        return APIConnectionError(
            f"No answer from {host} ({kind}). Check the network, the proxy settings, and the "
            "server's address (base_url or server_url).",
            may_have_arrived=arrived,
        )
    if isinstance(error, RuntimeError) and "client has been closed" in str(error):
        return ConfigurationError("The client is closed. Make a new one, or close it later.")
    return APIError(
        f"The request to {host} could not be made ({kind}). An async client serves one event loop: "
        "make one in each."
    )


FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, RuntimeError)


def timeout_of(timeout: httpx.Timeout, patience: float | None) -> httpx.Timeout:
    """The client's timeout; for a stream, with the longest silence that it may have."""
    if patience is None:
        return timeout
    silence = max(patience, timeout.read or patience)
    return httpx.Timeout(
        connect=timeout.connect, read=silence, write=timeout.write, pool=timeout.pool
    )


def is_stream(response: httpx.Response) -> bool:
    """Whether a response is a stream of server-sent events."""
    kind = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return response.is_success and kind == "text/event-stream"


class SyncStream(Stream):
    """A stream on an ``httpx.Client``."""

    def __init__(self, response: httpx.Response, request: Request) -> None:
        self._response = response
        self._request = request
        self._events = EventSource(response).iter_sse()

    def read(self) -> str | None:
        """The next event's data; ``None`` at the end."""
        try:
            event = next(self._events, None)
        except FAILURES as error:
            raise error_of(error, self._request) from error
        return None if event is None else event.data

    def close(self) -> None:
        """Hang up."""
        self._response.close()


class AsyncStream(Stream):
    """A stream on an ``httpx.AsyncClient``."""

    def __init__(self, response: httpx.Response, request: Request) -> None:
        self._response = response
        self._request = request
        self._events = EventSource(response).aiter_sse()

    async def read(self) -> str | None:
        """The next event's data; ``None`` at the end."""
        try:
            event = await anext(self._events, None)
        except FAILURES as error:
            raise error_of(error, self._request) from error
        return None if event is None else event.data

    async def close(self) -> None:
        """Hang up, even where the task that does it is being cancelled."""
        with anyio.CancelScope(shield=True):
            await self._response.aclose()
            # The generators of httpx that read it still stand at their yields, and trio warns of
            # each that is thrown away like that. Read on: the closed connection ends them all.
            with suppress(Exception):
                async for _ in self._events:
                    pass
            await self._events.aclose()


def sync_stream(stream: Stream) -> SyncStream:
    """The stream as the one of the sync driver that it is."""
    assert isinstance(stream, SyncStream)
    return stream


def async_stream(stream: Stream) -> AsyncStream:
    """The stream as the one of the async driver that it is."""
    assert isinstance(stream, AsyncStream)
    return stream
