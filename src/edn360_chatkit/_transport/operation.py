"""An operation under way: its state, and the two shells around it that users iterate over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic, NoReturn, Protocol, TypeVar, cast

from .._effects import Effect, Emit, Emitting, Read, Stream
from ..errors import ChatKitError
from .tasks import Pending

T = TypeVar("T")
E = TypeVar("E")


class Steps(Generic[E, T]):
    """The state of an operation. It does no I/O.

    :meth:`effect` is what to do next; :meth:`succeed` and :meth:`fail` take its result.

    Attributes:
        until: When the operation's time is over, on the monotonic clock; set by the first step.
        finished: Whether the operation has returned, raised, or was closed.
    """

    def __init__(self, operation: Emitting[E, T], deadline: float) -> None:
        self.until = math.inf
        self.finished = False
        self._operation = operation
        self._deadline = deadline
        self._effect: Effect[E] | None = None
        self._value: object = None
        self._error: BaseException | None = None
        self._outcome: Callable[[], T] = _no_response
        self._streams: dict[int, Stream] = {}

    def effect(self) -> Effect[E] | None:
        """The effect to perform now; ``None`` when the operation has returned."""
        if self._effect is None and not self.finished:
            self._step()
        return self._effect

    def succeed(self, value: object) -> None:
        """Take the result of the effect."""
        if isinstance(self._effect, Read):
            self.adopt(self._effect.stream)
        self.adopt(value)
        self._effect, self._value = None, value

    def fail(self, error: BaseException) -> None:
        """Take the exception of the effect."""
        self._effect, self._error = None, error

    def adopt(self, value: object) -> None:
        """Remember a stream, to close it at the end."""
        if isinstance(value, Stream):
            self._streams[id(value)] = value

    def open_streams(self) -> list[Stream]:
        """The streams that it opened or read, and does not keep open; empty the next time."""
        streams = [stream for stream in self._streams.values() if not stream.keep_open]
        self._streams.clear()
        return streams

    def abort(self, error: BaseException | None) -> None:
        """End the operation where it is.

        Args:
            error: The exception that ends it. The operation may add a note to it.
        """
        if self.finished:
            return
        self.finished, self._effect = True, None
        if error is not None and not isinstance(error, (ChatKitError, GeneratorExit)):
            traceback = error.__traceback__
            try:
                self._operation.throw(error)
            except BaseException as raised:
                if raised is not error:
                    raise
            finally:
                error.__traceback__ = traceback
        self._operation.close()

    def response(self) -> T:
        """What the operation returned; raises what it raised."""
        return self._outcome()

    def _step(self) -> None:
        if self.until == math.inf:
            self.until = time.monotonic() + self._deadline
        error, self._error = self._error, None
        try:
            if error is None:
                self._effect = self._operation.send(self._take_value())
                return
            self._effect = self._operation.throw(error)
            if isinstance(error, ChatKitError):
                return
            # A foreign exception ends the operation, whatever that makes of it.
            self._effect = None
            self._operation.close()
            raise error
        except StopIteration as stop:
            response = cast("T", stop.value)
            self._outcome = lambda: response
        except BaseException as raised:
            self._outcome = _raiser(raised)
            raise
        finally:
            self.finished = self._effect is None

    def _take_value(self) -> object:
        value, self._value = self._value, None
        return value


def _raiser(error: BaseException) -> Callable[[], NoReturn]:
    def raise_again() -> NoReturn:
        raise error

    return raise_again


def _no_response() -> NoReturn:
    raise ChatKitError(
        "The run was left before its response came. Ask for it inside the with block, or take "
        "the run up with poll_response(session, after=message): its events carried both."
    )


class _SyncDriver(Protocol):
    def perform(self, effect: Effect[object], until: float) -> object: ...
    def close_streams(self, streams: list[Stream]) -> None: ...
    def drop(self, streams: list[Stream]) -> None: ...


class OperationRun(Generic[E, T]):
    """A run under way: iterate over its events, then ask for its response.

    Use it as a context manager, so that a run that is left early closes its connection.
    """

    def __init__(self, driver: _SyncDriver, operation: Emitting[E, T], deadline: float) -> None:
        self._driver = driver
        self._steps = Steps(operation, deadline)

    def __enter__(self) -> OperationRun[E, T]:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave(exc)

    def __iter__(self) -> OperationRun[E, T]:
        return self

    def __next__(self) -> E:
        steps = self._steps
        try:
            while (effect := steps.effect()) is not None:
                if isinstance(effect, Emit):
                    steps.succeed(None)
                    return effect.event
                try:
                    steps.succeed(self._driver.perform(effect, steps.until))
                except BaseException as error:
                    steps.fail(error)
        finally:
            if steps.finished:
                self._leave(None)
        raise StopIteration

    def get_response(self) -> T:
        """Wait for the rest of the run.

        Returns:
            The response.

        Raises:
            ChatKitError: As the call that runs it to its end does.
        """
        for _ in self:
            pass
        return self._steps.response()

    def close(self) -> None:
        """Stop waiting for the run, and close its connection."""
        self._leave(None)

    def _leave(self, error: BaseException | None) -> None:
        try:
            self._steps.abort(error)
        finally:
            if streams := self._steps.open_streams():
                self._driver.close_streams(streams)

    def __del__(self) -> None:
        if streams := self._steps.open_streams():
            self._driver.drop(streams)


class _AsyncDriver(Protocol):
    def start(self, effect: Effect[object], until: float) -> Pending: ...
    async def wait_for_end(self, pending: Pending) -> None: ...
    async def close_streams(self, streams: list[Stream]) -> None: ...
    def drop(self, streams: list[Stream], pending: Pending | None) -> None: ...


class AsyncOperationRun(Generic[E, T]):
    """:class:`OperationRun` for ``async with`` and ``async for``.

    A wait for the next event that is cancelled, as by ``asyncio.wait_for(anext(run), 5)``, leaves
    the run as it is: the next one waits for the same request.
    """

    def __init__(self, driver: _AsyncDriver, operation: Emitting[E, T], deadline: float) -> None:
        self._driver = driver
        self._steps = Steps(operation, deadline)
        self._pending: Pending | None = None

    async def __aenter__(self) -> AsyncOperationRun[E, T]:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave(exc)

    def __aiter__(self) -> AsyncOperationRun[E, T]:
        return self

    async def __anext__(self) -> E:
        steps = self._steps
        try:
            while (effect := steps.effect()) is not None:
                if isinstance(effect, Emit):
                    steps.succeed(None)
                    return effect.event
                if self._pending is None:
                    self._pending = self._driver.start(effect, steps.until)
                await self._pending.wait()
                self._settle()
        finally:
            if steps.finished:
                await self._leave(None)
        raise StopAsyncIteration

    def _settle(self) -> None:
        pending, self._pending = self._pending, None
        assert pending is not None
        if pending.error is None:
            self._steps.succeed(pending.value)
        else:
            self._steps.fail(pending.error)

    async def get_response(self) -> T:
        """Wait for the rest of the run; see :meth:`OperationRun.get_response`."""
        async for _ in self:
            pass
        return self._steps.response()

    async def aclose(self) -> None:
        """Stop waiting for the run, and close its connection."""
        await self._leave(None)

    async def _leave(self, error: BaseException | None) -> None:
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.cancel()
            self._steps.abort(error)
        finally:
            if pending is not None:
                await self._driver.wait_for_end(pending)
                self._steps.adopt(pending.value)
            if streams := self._steps.open_streams():
                await self._driver.close_streams(streams)

    def __del__(self) -> None:
        streams = self._steps.open_streams()
        if streams or self._pending is not None:
            self._driver.drop(streams, self._pending)
