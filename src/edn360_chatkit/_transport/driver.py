"""The sync and the async driver: the only code that touches a socket or a clock.

A driver carries out the effects that an operation yields, until the operation returns. Each
driver has its own few lines of I/O; how an operation is stepped is written once, and what httpx
gives and takes is in ``_http``.
"""

from __future__ import annotations

import math
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar, cast

import anyio
import httpx

from .._effects import Effect, Emit, Open, Operation, Read, Request, Response, Send, Sleep, Stream
from ..errors import APIConnectionError, ChatKitError, ConfigurationError
from ..events import WorkflowEvent
from .body import Body, TooLargeError
from .boundary import forget_locals, public, public_async, unexpected
from .bounds import MOST_CONNECTIONS, Bound, Bounds, bound_connection
from .http import (
    AsyncStream,
    SyncStream,
    async_stream,
    auth,
    deadline_error,
    error_of,
    is_stream,
    message_of,
    response_of,
    sync_stream,
)

T = TypeVar("T")

OnEvent: TypeAlias = Callable[[WorkflowEvent], object]
OnEventAsync: TypeAlias = Callable[[WorkflowEvent], Awaitable[object] | object]


class _Stepper(Generic[T]):
    """An operation under way: the part of a driver that needs no I/O.

    :meth:`step` moves it on to its next effect; :meth:`answer` and :meth:`fail` say what came of
    the one before. Once it has returned, raised or been closed, :attr:`finished` is set.

    Attributes:
        until: When its time is over, on the monotonic clock; it begins with the first step.
        finished: Whether there is nothing more to do.
    """

    def __init__(self, operation: Operation[T], deadline: float) -> None:
        self._operation = operation
        self._deadline = deadline
        self.until = math.inf
        self._answer: object = None
        self._failure: ChatKitError | None = None
        self._outcome: Callable[[], T] = _left_early
        self._streams: dict[int, Stream] = {}
        self.finished = False

    def step(self) -> Effect | None:
        """The next effect to carry out; ``None`` when the operation has returned."""
        if self.until == math.inf:
            self.until = time.monotonic() + self._deadline
        answer, failure = self._answer, self._failure
        self._answer = self._failure = None
        try:
            if failure is not None:
                return self._operation.throw(failure)
            return self._operation.send(answer)
        except StopIteration as stop:
            result = cast("T", stop.value)
            self._outcome = lambda: result
        except Exception as error:
            known = error if isinstance(error, ChatKitError) else unexpected(error)
            self._outcome = partial(_raise, known)
            self.finished = True
            if known is error:
                raise
            raise known from error
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
        streams = [stream for stream in self._streams.values() if not stream.keep_open]
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


BUSY = " while all connections were busy"


class _Driver:
    """What the two drivers share.

    Requests wait for a place before they go to httpx: its pool looks at every connection for every
    request that waits, and a thousand waiting ones would take minutes.
    """

    def __init__(self, bounds: Bounds, *, owned: bool) -> None:
        self.bounds = bounds
        self._owned = owned

    def _bound(self, request: Request, until: float) -> Bound:
        """The time that a request has."""
        bound = Bound(until, self.bounds.seconds_of(request.max_silence))
        if not bound.left():
            raise deadline_error(may_have_arrived=False)
        return bound

    def _failure(self, error: Exception, request: Request, until: float) -> ChatKitError:
        """What an exception of httpx means to the caller."""
        # A time-out that was cut to what was left may come a moment before that is over.
        return error_of(error, request, late=time.monotonic() >= until - 0.01)


def _pause(seconds: float, until: float) -> float:
    """A pause, if the call lasts longer than it."""
    if seconds > until - time.monotonic():
        raise deadline_error(may_have_arrived=False)
    return seconds


class _Pool:
    """An ``httpx.Client``, and a place for each of its connections; closed with its last user."""

    def __init__(self, http: httpx.Client, *, owned: bool) -> None:
        self.http = http
        self._places = threading.Semaphore(MOST_CONNECTIONS) if owned else None
        self._last: weakref.finalize[Any, Any] | None = None
        if owned:
            # A notebook or a short script seldom closes its client.
            self._last = weakref.finalize(self, http.close)

    def enter(self, bound: Bound) -> None:
        """Wait for a place."""
        if self._places is not None and not self._places.acquire(timeout=bound.left()):
            raise deadline_error(BUSY, may_have_arrived=False)

    def leave(self) -> None:
        """Give the place back."""
        if self._places is not None:
            self._places.release()

    def interrupted(self) -> None:
        """A Ctrl-C may have left one of httpx's locks locked: nobody is to wait for it at the end.

        What an exception's frames held is let go when it leaves, so the end may come right there.
        """
        if self._last is not None and self._last.detach():
            self._last = weakref.finalize(self, _close_aside, self.http)


def _close_aside(http: httpx.Client) -> None:
    with suppress(RuntimeError):  # no new threads at the interpreter's end
        threading.Thread(target=http.close, daemon=True).start()


class SyncDriver(_Driver):
    """Runs operations on an ``httpx.Client``.

    Args:
        make: Makes the client that sends; gives the caller's if it is not owned.
        bounds: What a request may take.
        owned: Whether the client is ours, to be closed with this driver.
    """

    def __init__(self, make: Callable[[], httpx.Client], bounds: Bounds, *, owned: bool) -> None:
        super().__init__(bounds, owned=owned)
        self._make = make
        self._pool = _Pool(make(), owned=owned)

    def run(
        self,
        operation: Operation[T],
        on_event: OnEvent | None = None,
        *,
        deadline: float | None = None,
    ) -> T:
        """Run an operation to its end.

        Args:
            operation: What to do.
            on_event: Told of every event, as it comes.
            deadline: How long it may take, in seconds; the client's if it is left out.
        """
        with OperationRun(self, operation, deadline=deadline) as run:
            for event in run:
                if on_event is not None:
                    on_event(event)
            return run.get_response()

    def perform(self, effect: Effect, until: float) -> object:
        """Carry out one effect.

        Args:
            effect: What to do.
            until: When the call is over, on the monotonic clock.
        """
        if isinstance(effect, Send):
            return self._send(effect.request, until)
        if isinstance(effect, Read):
            data = self._read(sync_stream(effect.stream), until)
            return None if data is None else (data,)
        if isinstance(effect, Open):
            return self._send(effect.request, until, stream=True)
        if isinstance(effect, Sleep):
            time.sleep(_pause(effect.seconds, until))
            return None
        return time.monotonic()

    def _send(
        self, request: Request, until: float, *, stream: bool = False
    ) -> SyncStream | Response:
        bound = self._bound(request, until)
        pool = self._pool
        pool.enter(bound)
        kept = False
        try:
            timeout = self.bounds.timeout_of(request.max_silence, bound.left())
            message = message_of(pool.http, request, timeout, bound.trace, owned=self._owned)
            with bound.on_this_thread():
                # Redirects are never followed: they would carry key and data somewhere else.
                response = pool.http.send(
                    message, auth=auth(request), follow_redirects=False, stream=True
                )
            answer = self._answer(response, request, bound, pool, stream=stream)
            kept = isinstance(answer, SyncStream)
            return answer
        except ChatKitError:
            raise
        except Exception as error:
            raise self._failure(error, request, until) from error
        finally:
            if not kept:
                pool.leave()

    def _answer(
        self,
        response: httpx.Response,
        request: Request,
        bound: Bound,
        pool: _Pool,
        *,
        stream: bool,
    ) -> SyncStream | Response:
        bound_connection(response.extensions.get("network_stream"))
        body = Body(response, self.bounds.size, bound)
        if stream and is_stream(response):
            return SyncStream(response, request, body, pool.leave)
        try:
            return response_of(response, request, b"".join(body.chunks()))
        except TooLargeError:
            return response_of(response, request, None)
        finally:
            response.close()

    def _read(self, stream: SyncStream, until: float) -> str | None:
        try:
            return stream.read(Bound(until))
        except Exception as error:
            raise self._failure(error, stream.request, until) from error

    def close(self, streams: Iterable[Stream] = ()) -> None:
        """Hang up streams that are open, and close the HTTP client if it is ours."""
        for stream in streams:
            sync_stream(stream).close()
        if self._owned:
            self._pool.http.close()

    def renew(self) -> None:
        """Go on with new connections after a Ctrl-C.

        It can strike between any two instructions, httpx's own too, where a connection is then
        neither in use nor given back. What else is under way on the old ones goes on there, and
        the last of it closes them.
        """
        if self._owned:
            self._pool.interrupted()
            self._pool = _Pool(self._make(), owned=True)


class AsyncDriver(_Driver):
    """Runs operations on an ``httpx.AsyncClient``, under asyncio or trio.

    Args:
        http: The client that sends.
        bounds: What a request may take.
        owned: Whether the client is closed with this driver.
    """

    def __init__(self, http: httpx.AsyncClient, bounds: Bounds, *, owned: bool) -> None:
        super().__init__(bounds, owned=owned)
        self._http = http
        self._places: anyio.Semaphore | None = None

    async def run(
        self,
        operation: Operation[T],
        on_event: OnEventAsync | None = None,
        *,
        deadline: float | None = None,
    ) -> T:
        """Run an operation to its end.

        Args:
            operation: What to do.
            on_event: Told of every event, as it comes; awaited if it is a coroutine function.
            deadline: How long it may take, in seconds; the client's if it is left out.
        """
        async with AsyncOperationRun(self, operation, deadline=deadline) as run:
            async for event in run:
                if on_event is not None:
                    told = on_event(event)
                    if isinstance(told, Awaitable):
                        await cast("Awaitable[object]", told)
            return await run.get_response()

    async def perform(self, effect: Effect, until: float) -> object:
        """Carry out one effect; see :meth:`SyncDriver.perform`."""
        if isinstance(effect, Send):
            return await self._send(effect.request, until)
        if isinstance(effect, Read):
            data = await self._read(async_stream(effect.stream), until)
            return None if data is None else (data,)
        if isinstance(effect, Open):
            return await self._send(effect.request, until, stream=True)
        if isinstance(effect, Sleep):
            await anyio.sleep(_pause(effect.seconds, until))
            return None
        return time.monotonic()

    async def _send(
        self, request: Request, until: float, *, stream: bool = False
    ) -> AsyncStream | Response:
        bound = self._bound(request, until)
        entered = kept = False
        try:
            await self._enter(bound)
            entered = True
            timeout = self.bounds.timeout_of(request.max_silence, bound.left())
            message = message_of(self._http, request, timeout, bound.atrace, owned=self._owned)
            with bound.on_this_task():
                response = await self._http.send(
                    message, auth=auth(request), follow_redirects=False, stream=True
                )
            answer = await self._answer(response, request, bound, stream=stream)
            kept = isinstance(answer, AsyncStream)
            return answer
        except ChatKitError:
            raise
        except Exception as error:
            raise self._failure(error, request, until) from error
        finally:
            if entered and not kept:
                self._leave()

    async def _enter(self, bound: Bound) -> None:
        if not self._owned:
            return
        if self._places is None:
            # Made where it is used: it belongs to the event loop.
            self._places = anyio.Semaphore(MOST_CONNECTIONS)
        with anyio.move_on_after(bound.left()):
            await self._places.acquire()
            return
        raise deadline_error(BUSY, may_have_arrived=False)

    def _leave(self) -> None:
        if self._places is not None:
            self._places.release()

    async def _answer(
        self, response: httpx.Response, request: Request, bound: Bound, *, stream: bool
    ) -> AsyncStream | Response:
        body = Body(response, self.bounds.size, bound)
        if stream and is_stream(response):
            return AsyncStream(request, body, self._leave)
        try:
            content = b"".join([chunk async for chunk in body.achunks()])
            return response_of(response, request, content)
        except TooLargeError:
            return response_of(response, request, None)
        finally:
            await body.aclose()

    async def _read(self, stream: AsyncStream, until: float) -> str | None:
        try:
            return await stream.read(Bound(until))
        except Exception as error:
            raise self._failure(error, stream.request, until) from error

    async def aclose(self, streams: Iterable[Stream] = ()) -> None:
        """Hang up streams that are open, and close the HTTP client if it is ours."""
        for stream in streams:
            await async_stream(stream).close()
        if self._owned:
            try:
                await self._http.aclose()
            except RuntimeError as error:
                # Its connections belong to an event loop, which may even be gone.
                raise ConfigurationError(
                    f"The client can't be closed here ({type(error).__name__}). An async client "
                    "serves one event loop: close it there."
                ) from error


class OperationRun(Generic[T]):
    """A run under way: iterate over it for its events, then ask it for the response.

    Use it as a context manager: leaving the block early ends the waiting. In the session messages
    protocol the run goes on at the server; in the thread protocol this hangs up, which cancels
    the run on a self-hosted server that does not go on by itself.
    """

    def __init__(
        self, driver: SyncDriver, operation: Operation[T], *, deadline: float | None = None
    ) -> None:
        self._driver = driver
        self._stepper = _Stepper(operation, deadline or driver.bounds.deadline)
        self._renewed = False

    def __enter__(self) -> OperationRun[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        self.close()
        # A generator that is left, as by a break, was not interrupted.
        if kind is not None and not issubclass(kind, (Exception, GeneratorExit)):
            self._renew()

    def _renew(self) -> None:
        if not self._renewed:
            self._renewed = True
            self._driver.renew()

    def __iter__(self) -> OperationRun[T]:
        return self

    def __next__(self) -> WorkflowEvent:
        handled = sys.exc_info()[1]
        effect: Effect | None = None
        done: object = None
        try:
            while not self._stepper.finished:
                effect = self._stepper.step()
                if effect is None:
                    break
                if isinstance(effect, Emit):
                    return effect.event
                try:
                    done = self._driver.perform(effect, self._stepper.until)
                    self._stepper.answer(effect, done)
                except ChatKitError as error:
                    self._stepper.fail(error)
                except BaseException:
                    # Cancelled or interrupted: whoever goes on with the run must not take it for
                    # an answer that something was awaited and did not come.
                    self._stepper.fail(APIConnectionError("The request was interrupted."))
                    self._renew()
                    raise
        except BaseException as error:
            effect = done = None
            forget_locals(error, handled)
            raise
        finally:
            if self._stepper.finished:
                self._hang_up()
        raise StopIteration

    def _hang_up(self) -> None:
        for stream in self._stepper.left_open():
            sync_stream(stream).close()

    @public
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

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()


class AsyncOperationRun(Generic[T]):
    """:class:`OperationRun` for ``async with`` and ``async for``."""

    def __init__(
        self, driver: AsyncDriver, operation: Operation[T], *, deadline: float | None = None
    ) -> None:
        self._driver = driver
        self._stepper = _Stepper(operation, deadline or driver.bounds.deadline)

    async def __aenter__(self) -> AsyncOperationRun[T]:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncOperationRun[T]:
        return self

    async def __anext__(self) -> WorkflowEvent:
        handled = sys.exc_info()[1]
        effect: Effect | None = None
        done: object = None
        try:
            while not self._stepper.finished:
                effect = self._stepper.step()
                if effect is None:
                    break
                if isinstance(effect, Emit):
                    return effect.event
                try:
                    done = await self._driver.perform(effect, self._stepper.until)
                    self._stepper.answer(effect, done)
                except ChatKitError as error:
                    self._stepper.fail(error)
                except BaseException:
                    # Cancelled or interrupted: whoever goes on with the run must not take it for
                    # an answer that something was awaited and did not come.
                    self._stepper.fail(APIConnectionError("The request was interrupted."))
                    raise
        except BaseException as error:
            effect = done = None
            forget_locals(error, handled)
            raise
        finally:
            if self._stepper.finished:
                await self._hang_up()
        raise StopAsyncIteration

    async def _hang_up(self) -> None:
        for stream in self._stepper.left_open():
            await async_stream(stream).close()

    @public_async
    async def get_response(self) -> T:
        """Wait for what is left of the run; see :meth:`OperationRun.get_response`."""
        async for _ in self:
            pass
        return self._stepper.result()

    async def aclose(self) -> None:
        """End the waiting."""
        self._stepper.close()
        await self._hang_up()
