"""The sync and the async driver: the only code that touches a socket or a clock.

A driver carries out the effects that an operation yields, until the operation returns. Each
driver has its own few lines of I/O; how an operation is stepped is written once, and what httpx
gives and takes is in ``_http``.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Generic, NoReturn, TypeAlias, TypeVar, cast

import anyio
import httpx

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
from ._http import (
    FAILURES,
    AsyncStream,
    SyncStream,
    async_stream,
    auth,
    error_of,
    is_stream,
    read_response,
    sync_stream,
    timeout_of,
)
from .errors import (
    APIConnectionError,
    ChatKitError,
)
from .models.events import WorkflowEvent

T = TypeVar("T")

OnEvent: TypeAlias = Callable[[WorkflowEvent], object]
OnEventAsync: TypeAlias = Callable[[WorkflowEvent], Awaitable[object] | object]


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
            return sync_stream(effect.stream).read()
        if isinstance(effect, Open):
            return self._open(effect.request)
        if isinstance(effect, Sleep):
            time.sleep(effect.seconds)
            return None
        return time.monotonic()

    def _message(self, request: Request) -> httpx.Request:
        message = self._http.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            timeout=timeout_of(self._timeout, request.patience),
        )
        # An http_client with params= of its own would have replaced our query.
        message.url = httpx.URL(request.url)
        return message

    def _send(self, request: Request) -> Response:
        try:
            # Redirects are never followed: they would carry key and data somewhere else.
            return read_response(
                self._http.send(self._message(request), auth=auth(request), follow_redirects=False)
            )
        except FAILURES as error:
            raise error_of(error, request) from error

    def _open(self, request: Request) -> SyncStream | Response:
        try:
            response = self._http.send(
                self._message(request), auth=auth(request), follow_redirects=False, stream=True
            )
            if is_stream(response):
                return SyncStream(response, request)
            try:
                response.read()
            finally:
                response.close()
            return read_response(response)
        except FAILURES as error:
            raise error_of(error, request) from error

    def close(self, streams: Iterable[Stream] = ()) -> None:
        """Hang up streams that are open, and close the HTTP client if it is ours."""
        for stream in streams:
            sync_stream(stream).close()
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
            return await async_stream(effect.stream).read()
        if isinstance(effect, Open):
            return await self._open(effect.request)
        if isinstance(effect, Sleep):
            await anyio.sleep(effect.seconds)
            return None
        return time.monotonic()

    def _message(self, request: Request) -> httpx.Request:
        message = self._http.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            timeout=timeout_of(self._timeout, request.patience),
        )
        # An http_client with params= of its own would have replaced our query.
        message.url = httpx.URL(request.url)
        return message

    async def _send(self, request: Request) -> Response:
        try:
            return read_response(
                await self._http.send(
                    self._message(request), auth=auth(request), follow_redirects=False
                )
            )
        except FAILURES as error:
            raise error_of(error, request) from error

    async def _open(self, request: Request) -> AsyncStream | Response:
        try:
            response = await self._http.send(
                self._message(request), auth=auth(request), follow_redirects=False, stream=True
            )
            if is_stream(response):
                return AsyncStream(response, request)
            try:
                await response.aread()
            finally:
                await response.aclose()
            return read_response(response)
        except FAILURES as error:
            raise error_of(error, request) from error

    async def aclose(self, streams: Iterable[Stream] = ()) -> None:
        """Hang up streams that are open, and close the HTTP client if it is ours."""
        for stream in streams:
            await async_stream(stream).close()
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
            sync_stream(stream).close()

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
            await async_stream(stream).close()

    async def get_response(self) -> T:
        """Wait for what is left of the run; see :meth:`OperationRun.get_response`."""
        async for _ in self:
            pass
        return self._stepper.result()

    async def aclose(self) -> None:
        """End the waiting."""
        self._stepper.close()
        await self._hang_up()
