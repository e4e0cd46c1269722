"""An operation under way: its state machine, without I/O."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar, cast

from .._effects import Effect, Emitting, Read, Stream
from ..errors import ChatKitError

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
