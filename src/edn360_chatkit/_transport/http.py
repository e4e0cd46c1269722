"""httpx in our own terms: requests, responses, streams, and what its exceptions mean.

Nothing here waits or decides; the drivers do.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
from httpx_sse import EventSource
from pydantic import SecretStr

from .._effects import Request, Response, Stream
from ..errors import APIConnectionError, APIError, APITimeoutError, ChatKitError, ConfigurationError
from .body import ACCEPTED_ENCODING, Body, TooLargeError
from .bounds import Bound

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
        try:
            yield request
        finally:
            # httpx's exceptions hold on to their request.
            request.headers.pop("Authorization", None)


class _QuietURL(httpx.URL):
    """A URL whose text has no query: httpx logs it at INFO, and the query names an athlete."""

    def __str__(self) -> str:
        return str(self.copy_with(query=None))

    def __repr__(self) -> str:
        return repr(self.copy_with(query=None))

    def __eq__(self, other: object) -> bool:
        return httpx.URL(self) == other

    def __hash__(self) -> int:
        return hash(httpx.URL(self))


class _NoAuth(httpx.Auth):
    """Keeps an ``auth`` of the caller's own ``http_client`` away from our requests."""


def auth(request: Request) -> httpx.Auth:
    """How a request proves who it is from."""
    return _Bearer(request.credential) if request.credential else _NoAuth()


def message_of(
    http: httpx.Client | httpx.AsyncClient,
    request: Request,
    timeout: httpx.Timeout,
    trace: Callable[..., Any],
    *,
    owned: bool,
) -> httpx.Request:
    """A request as httpx has it.

    Args:
        http: The client that sends it.
        request: The request.
        timeout: Of its steps.
        trace: Told of them.
        owned: Whether the client is ours. Transports and hooks of a caller's may read the text of
            the URL, so only there it may be quiet.
    """
    message = http.build_request(
        request.method,
        request.url,
        headers=request.headers,
        content=request.content,
        timeout=timeout,
        extensions={"trace": trace},
    )
    # An http_client with params= of its own would have replaced our query.
    url = httpx.URL(request.url)
    message.url = _QuietURL(url) if owned and "user" in url.params else url
    message.headers["Accept-Encoding"] = ACCEPTED_ENCODING
    if request.content is not None:
        message.stream = _Content(request.content)
    return message


def response_of(response: httpx.Response, request: Request, content: bytes | None) -> Response:
    """A response whose body is read; ``None`` where it is too large."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    too_large = content is None
    return Response(response.status_code, headers, content or b"", request, too_large)


def deadline_error(what: str = "", *, may_have_arrived: bool) -> APITimeoutError:
    """The error for a call whose deadline has passed."""
    error = APITimeoutError(
        f"The call's deadline has passed{what}. Raise deadline=... to wait longer.",
        may_have_arrived=may_have_arrived,
    )
    error.deadline_passed = True
    return error


def error_of(error: Exception, request: Request, *, late: bool = False) -> ChatKitError:
    """What an exception of httpx means to the caller.

    Args:
        error: The exception.
        request: What was asked for.
        late: Whether the call's deadline has passed.
    """
    host = urlsplit(request.url).hostname
    arrived = not isinstance(error, _NEVER_ARRIVED)
    # Never the exception's own text: a protocol error quotes the header that it dislikes.
    kind = type(error).__name__
    if late and isinstance(error, httpx.TimeoutException):
        busy = isinstance(error, httpx.PoolTimeout)
        what = " while all connections were busy" if busy else f" before {host} answered"
        return deadline_error(what, may_have_arrived=arrived)
    if isinstance(error, TooLargeError):
        return APIError(
            f"An event of the stream from {host} is larger than max_response_bytes. Raise it, if "
            "the server is to be trusted."
        )
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
    if isinstance(error, RuntimeError) and "client has been closed" in str(error):
        return ConfigurationError("The client is closed. Make a new one, or close it later.")
    if isinstance(error, (RuntimeError, httpx.InvalidURL)):
        return APIError(
            f"The request to {host} could not be made ({kind}). An async client serves one event "
            "loop: make one in each."
        )
    # Whatever else a transport raises, the caller's own too: it is not known how far it got.
    return APIConnectionError(
        f"No answer from {host} ({kind}). Check the network, the proxy settings, and the "
        "server's address (base_url or server_url).",
        may_have_arrived=arrived,
    )


def is_stream(response: httpx.Response) -> bool:
    """Whether a response is a stream of server-sent events."""
    kind = str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return response.is_success and kind == "text/event-stream"


class _Content(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A request's body. httpx has it in an async generator, and trio warns of one that is left."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._content])

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _AsyncIterator(iter(self))


class _AsyncIterator(AsyncIterator[bytes]):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


class _Chunks(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is unpacked already, as httpx has it."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self._body.chunks()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.achunks()


def _nothing() -> None:
    """There is no place left to give back."""


def _events(body: Body) -> EventSource:
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return EventSource(httpx.Response(200, headers=headers, stream=_Chunks(body)))


def _check_end(body: Body) -> None:
    """Whether the end of a stream can be believed."""
    if not body.marked:
        raise httpx.RemoteProtocolError("the connection ended, and perhaps the stream did not")


class SyncStream(Stream):
    """A stream on an ``httpx.Client``."""

    def __init__(
        self,
        response: httpx.Response,
        request: Request,
        body: Body,
        leave: Callable[[], None],
    ) -> None:
        self.request = request
        self._response = response
        self._body = body
        self._leave = leave
        self._events = _events(body).iter_sse()

    def read(self, bound: Bound) -> str | None:
        """The next event's data; ``None`` at the end."""
        self._body.begin_again()
        self._body.bound = bound
        event = next(self._events, None)
        if event is None:
            _check_end(self._body)
            return None
        return event.data

    def close(self) -> None:
        """Hang up."""
        leave, self._leave = self._leave, _nothing
        leave()
        # A connection that can't be closed properly is gone all the same.
        with suppress(Exception):
            self._response.close()


class AsyncStream(Stream):
    """A stream on an ``httpx.AsyncClient``."""

    def __init__(self, request: Request, body: Body, leave: Callable[[], None]) -> None:
        self.request = request
        self._body = body
        self._leave = leave
        self._events = _events(body).aiter_sse()

    async def read(self, bound: Bound) -> str | None:
        """The next event's data; ``None`` at the end."""
        self._body.begin_again()
        self._body.bound = bound
        event = await anext(self._events, None)
        if event is None:
            _check_end(self._body)
            return None
        return event.data

    async def close(self) -> None:
        """Hang up, even where the task that does it is being cancelled."""
        leave, self._leave = self._leave, _nothing
        leave()
        with suppress(Exception):
            await self._body.aclose()
        with anyio.CancelScope(shield=True):
            # There is nothing left to read, and that ends what stands at its yields in between.
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
