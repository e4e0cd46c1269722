"""The sync and the async driver: the only code that touches a socket or a clock.

A driver carries out the effects that an operation yields, until the operation returns. Each
driver has its own few lines of I/O; what is sent, what an exception of httpx means and how an
operation is stepped is written once.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from typing import Generic, NoReturn, TypeAlias, TypeVar, cast

import anyio
import httpx
from httpx_sse import EventSource
from pydantic import SecretStr

from ._effects import (
    Effect,
    Emit,
    Open,
    Operation,
    Read,
    Request,
    Response,
    Send,
    Sleep,
    Stream,
)
from .errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ChatKitError,
    ConfigurationError,
)
from .models.events import WorkflowEvent

T = TypeVar("T")

OnEvent: TypeAlias = Callable[[WorkflowEvent], object]
OnEventAsync: TypeAlias = Callable[[WorkflowEvent], Awaitable[object] | object]

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


def _auth(request: Request) -> httpx.Auth:
    return _Bearer(request.credential) if request.credential else _NoAuth()


def _response(response: httpx.Response) -> Response:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(response.status_code, headers, response.content)


def _error(error: Exception, request: Request) -> ChatKitError:
    """What an exception of httpx means to the caller."""
    host = httpx.URL(request.url).host
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
    if isinstance(error, RuntimeError) and "closed" in str(error):
        return ConfigurationError("The client is closed. Make a new one, or close it later.")
    return APIError(f"The request to {host} could not be made ({kind}).")


_FAILURES = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, RuntimeError)


class _Stepper(Generic[T]):
    """An operation under way: the part of a driver that needs no I/O.

    :meth:`step` moves it on to its next effect; :meth:`answer` and :meth:`fail` say what came of
    the one before. Once it has returned, raised or been closed, :attr:`finished` is set.
    """

    def __init__(self, operation: Operation[T]) -> None:
        self._operation = operation
        self._answer: object = None
        self._failure: ChatKitError | None = None
        self._outcome: Callable[[], T] = _left_early
        self._streams: dict[int, Stream] = {}
        self.finished = False

    def step(self) -> Effect | None:
        """The next effect to carry out; ``None`` when the operation has returned."""
        answer, failure = self._answer, self._failure
        self._answer = self._failure = None
        try:
            if failure is not None:
                return self._operation.throw(failure)
            return self._operation.send(answer)
        except StopIteration as stop:
            result = cast("T", stop.value)
            self._outcome = lambda: result
        except BaseException as error:
            self._outcome = partial(_raise, error)
            self.finished = True
            raise
        self.finished = True
        return None

    def answer(self, effect: Effect, value: object) -> None:
        """Say what the last effect brought."""
        self._answer = value
        if isinstance(value, Stream):
            self._streams[id(value)] = value
        elif isinstance(effect, Read):
            self._streams[id(effect.stream)] = effect.stream

    def left_open(self) -> list[Stream]:
        """The streams that it opened or read and that are not kept for a later operation."""
        streams = [stream for stream in self._streams.values() if not stream.kept]
        self._streams.clear()
        return streams

    def fail(self, error: ChatKitError) -> None:
        """Say that the last effect failed."""
        self._failure = error

    def close(self) -> None:
        """Leave the operation where it stands."""
        self.finished = True
        self._operation.close()

    def result(self) -> T:
        """What the operation returned, or its error."""
        return self._outcome()


def _raise(error: BaseException) -> NoReturn:
    raise error


def _left_early() -> NoReturn:
    raise ChatKitError(
        "The run was left before its response came. Ask for it inside the with block, or take "
        "the run up with poll_response(session, after=message): its events carried both."
    )


def _timeout(timeout: httpx.Timeout, patience: float | None) -> httpx.Timeout:
    """The client's timeout; for a stream, with the longest silence that it may have."""
    if patience is None:
        return timeout
    silence = max(patience, timeout.read or patience)
    return httpx.Timeout(
        connect=timeout.connect, read=silence, write=timeout.write, pool=timeout.pool
    )


def _is_stream(response: httpx.Response) -> bool:
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
        except _FAILURES as error:
            raise _error(error, self._request) from error
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
        except _FAILURES as error:
            raise _error(error, self._request) from error
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


def _sync_stream(stream: Stream) -> SyncStream:
    assert isinstance(stream, SyncStream)
    return stream


def _async_stream(stream: Stream) -> AsyncStream:
    assert isinstance(stream, AsyncStream)
    return stream


class SyncDriver:
    """Runs operations on an ``httpx.Client``.

    Args:
        http: The client that sends.
        timeout: Of one request.
        owned: Whether it is closed with this driver.
    """

    def __init__(self, http: httpx.Client, timeout: httpx.Timeout, *, owned: bool) -> None:
        self._http = http
        self._timeout = timeout
        self._owned = owned

    def run(self, operation: Operation[T], on_event: OnEvent | None = None) -> T:
        """Run an operation to its end.

        Args:
            operation: What to do.
            on_event: Told of every event, as it comes.
        """
        with OperationRun(self, operation) as run:
            for event in run:
                if on_event is not None:
                    on_event(event)
            return run.get_response()

    def perform(self, effect: Effect) -> object:
        """Carry out one effect."""
        if isinstance(effect, Send):
            return self._send(effect.request)
        if isinstance(effect, Read):
            return _sync_stream(effect.stream).read()
        if isinstance(effect, Open):
            return self._open(effect.request)
        if isinstance(effect, Sleep):
            time.sleep(effect.seconds)
            return None
        return time.monotonic()

    def _message(self, request: Request) -> httpx.Request:
        return self._http.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            timeout=_timeout(self._timeout, request.patience),
        )

    def _send(self, request: Request) -> Response:
        try:
            # Redirects are never followed: they would carry key and data somewhere else.
            return _response(
                self._http.send(self._message(request), auth=_auth(request), follow_redirects=False)
            )
        except _FAILURES as error:
            raise _error(error, request) from error

    def _open(self, request: Request) -> SyncStream | Response:
        try:
            response = self._http.send(
                self._message(request), auth=_auth(request), follow_redirects=False, stream=True
            )
            if _is_stream(response):
                return SyncStream(response, request)
            try:
                response.read()
            finally:
                response.close()
            return _response(response)
        except _FAILURES as error:
            raise _error(error, request) from error

    def close(self, streams: Iterable[Stream] = ()) -> None:
        """Hang up streams that are open, and close the HTTP client if it is ours."""
        for stream in streams:
            _sync_stream(stream).close()
        if self._owned:
            self._http.close()


class AsyncDriver:
    """Runs operations on an ``httpx.AsyncClient``, under asyncio or trio.

    Args:
        http: The client that sends.
        timeout: Of one request.
        owned: Whether it is closed with this driver.
    """

    def __init__(self, http: httpx.AsyncClient, timeout: httpx.Timeout, *, owned: bool) -> None:
        self._http = http
        self._timeout = timeout
        self._owned = owned

    async def run(self, operation: Operation[T], on_event: OnEventAsync | None = None) -> T:
        """Run an operation to its end.

        Args:
            operation: What to do.
            on_event: Told of every event, as it comes; awaited if it is a coroutine function.
        """
        async with AsyncOperationRun(self, operation) as run:
            async for event in run:
                if on_event is not None:
                    told = on_event(event)
                    if isinstance(told, Awaitable):
                        await cast("Awaitable[object]", told)
            return await run.get_response()

    async def perform(self, effect: Effect) -> object:
        """Carry out one effect."""
        if isinstance(effect, Send):
            return await self._send(effect.request)
        if isinstance(effect, Read):
            return await _async_stream(effect.stream).read()
        if isinstance(effect, Open):
            return await self._open(effect.request)
        if isinstance(effect, Sleep):
            await anyio.sleep(effect.seconds)
            return None
        return time.monotonic()

    def _message(self, request: Request) -> httpx.Request:
        return self._http.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            timeout=_timeout(self._timeout, request.patience),
        )

    async def _send(self, request: Request) -> Response:
        try:
            return _response(
                await self._http.send(
                    self._message(request), auth=_auth(request), follow_redirects=False
                )
            )
        except _FAILURES as error:
            raise _error(error, request) from error

    async def _open(self, request: Request) -> AsyncStream | Response:
        try:
            response = await self._http.send(
                self._message(request), auth=_auth(request), follow_redirects=False, stream=True
            )
            if _is_stream(response):
                return AsyncStream(response, request)
            try:
                await response.aread()
            finally:
                await response.aclose()
            return _response(response)
        except _FAILURES as error:
            raise _error(error, request) from error

    async def aclose(self, streams: Iterable[Stream] = ()) -> None:
        """Hang up streams that are open, and close the HTTP client if it is ours."""
        for stream in streams:
            await _async_stream(stream).close()
        if self._owned:
            await self._http.aclose()


class OperationRun(Generic[T]):
    """A run under way: iterate over it for its events, then ask it for the response.

    Use it as a context manager: leaving the block early ends the waiting. In the session messages
    protocol the run goes on at the server; in the thread protocol this hangs up, which cancels
    the run on a self-hosted server that does not go on by itself.
    """

    def __init__(self, driver: SyncDriver, operation: Operation[T]) -> None:
        self._driver = driver
        self._stepper = _Stepper(operation)

    def __enter__(self) -> OperationRun[T]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __iter__(self) -> OperationRun[T]:
        return self

    def __next__(self) -> WorkflowEvent:
        try:
            while not self._stepper.finished:
                effect = self._stepper.step()
                if effect is None:
                    break
                if isinstance(effect, Emit):
                    return effect.event
                try:
                    self._stepper.answer(effect, self._driver.perform(effect))
                except ChatKitError as error:
                    self._stepper.fail(error)
                except BaseException:
                    # Cancelled or interrupted: whoever goes on with the run must not take it for
                    # an answer that something was awaited and did not come.
                    self._stepper.fail(APIConnectionError("The request was interrupted."))
                    raise
        finally:
            if self._stepper.finished:
                self._hang_up()
        raise StopIteration

    def _hang_up(self) -> None:
        for stream in self._stepper.left_open():
            _sync_stream(stream).close()

    def get_response(self) -> T:
        """Wait for what is left of the run.

        Returns:
            The response.

        Raises:
            ChatKitError: As the call that runs it to its end does.
        """
        for _ in self:
            pass
        return self._stepper.result()

    def close(self) -> None:
        """End the waiting."""
        self._stepper.close()
        self._hang_up()


class AsyncOperationRun(Generic[T]):
    """:class:`OperationRun` for ``async with`` and ``async for``."""

    def __init__(self, driver: AsyncDriver, operation: Operation[T]) -> None:
        self._driver = driver
        self._stepper = _Stepper(operation)

    async def __aenter__(self) -> AsyncOperationRun[T]:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncOperationRun[T]:
        return self

    async def __anext__(self) -> WorkflowEvent:
        try:
            while not self._stepper.finished:
                effect = self._stepper.step()
                if effect is None:
                    break
                if isinstance(effect, Emit):
                    return effect.event
                try:
                    self._stepper.answer(effect, await self._driver.perform(effect))
                except ChatKitError as error:
                    self._stepper.fail(error)
                except BaseException:
                    # Cancelled or interrupted: whoever goes on with the run must not take it for
                    # an answer that something was awaited and did not come.
                    self._stepper.fail(APIConnectionError("The request was interrupted."))
                    raise
        finally:
            if self._stepper.finished:
                await self._hang_up()
        raise StopAsyncIteration

    async def _hang_up(self) -> None:
        for stream in self._stepper.left_open():
            await _async_stream(stream).close()

    async def get_response(self) -> T:
        """Wait for what is left of the run; see :meth:`OperationRun.get_response`."""
        async for _ in self:
            pass
        return self._stepper.result()

    async def aclose(self) -> None:
        """End the waiting."""
        self._stepper.close()
        await self._hang_up()
