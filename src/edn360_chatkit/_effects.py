"""The effects: the requests of an operation to its driver.

An operation is a generator without I/O. It yields an effect, a driver carries it out and sends
the result back, and the generator returns the operation's result::

    def cancel_session(api, path):
        response = yield from send(api.rest_request("POST", path))
        return ChatSession.model_validate(api.json(response))

A failed effect is raised inside the operation, at its ``yield``: as a ``ChatKitError`` if the
request failed, or unchanged if the exception is foreign (``KeyboardInterrupt``, an exception of the
caller's hooks). Each function at the end of this module yields an effect and returns its
typed result.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar, cast

from typing_extensions import Never

if TYPE_CHECKING:
    from pydantic import SecretStr

T = TypeVar("T")
E = TypeVar("E", covariant=True)


@dataclass(frozen=True, eq=False)
class Request:
    """An HTTP request.

    Attributes:
        method: The HTTP method.
        url: The whole URL, with its path segments quoted.
        headers: The headers without ``Authorization``.
        content: The body. Not in the repr: it carries the athlete's data.
        credential: The bearer token. The driver reads it when the request leaves.
        max_silence: The longest time without data on the stream that answers, in seconds;
            ``None`` for the client's ``timeout``.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    content: bytes | None = field(default=None, repr=False)
    credential: SecretStr | None = field(default=None, repr=False)
    max_silence: float | None = None


@dataclass(eq=False)
class Response:
    """An HTTP response of any status, its body read to the end.

    Attributes:
        status: The HTTP status.
        headers: The headers, by names in lower case.
        content: The body. Empty if it was too large.
        request: The request of this response.
        too_large: Whether the body was larger than ``max_response_bytes`` and was not read.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    content: bytes = field(default=b"", repr=False)
    request: Request | None = field(default=None, repr=False)
    too_large: bool = False


class Stream:
    """An open stream of server-sent events. The transport has the subclass.

    When an operation ends, the driver closes the streams that the operation opened or read.

    Attributes:
        keep_open: Set by an operation whose stream a later operation continues to read.
    """

    keep_open: bool = False


@dataclass(frozen=True, eq=False)
class Send:
    """Send a request once. Result: a :class:`Response`."""

    request: Request


@dataclass(frozen=True, eq=False)
class Open:
    """Send a request that asks for an event stream.

    Result: a :class:`Stream`, or a :class:`Response` if the server does not answer with a stream.
    """

    request: Request


@dataclass(frozen=True, eq=False)
class Read:
    """Read from a stream.

    Result: the data of at least one event; ``None`` at the end of the stream. If the connection
    breaks, an ``APIConnectionError`` is raised.

    Attributes:
        wait: Whether to wait for an event. If not, the result can be empty.
    """

    stream: Stream
    wait: bool = True


@dataclass(frozen=True, eq=False)
class Sleep:
    """Wait for a number of seconds."""

    seconds: float


@dataclass(frozen=True, eq=False)
class Now:
    """Read the monotonic clock. Result: seconds."""


@dataclass(frozen=True, eq=False)
class Emit(Generic[E]):
    """Give an event to the caller that watches the run.

    Attributes:
        stream: A stream that the operation has not read yet, to be closed if it ends here.
    """

    event: E
    stream: Stream | None = None


Effect: TypeAlias = Send | Open | Read | Sleep | Now | Emit[E]
Emitting: TypeAlias = Generator[Effect[E], object, T]
"""An operation that emits events of type ``E`` and returns a ``T``."""
Operation: TypeAlias = Generator[Effect[Never], object, T]
"""An operation that emits no events and returns a ``T``."""


def send(request: Request) -> Operation[Response]:
    """Send a request once."""
    response = yield Send(request)
    assert isinstance(response, Response)
    return response


def open_stream(request: Request) -> Operation[Stream | Response]:
    """Send a request that asks for an event stream."""
    answer = yield Open(request)
    assert isinstance(answer, (Stream, Response))
    return answer


def read(stream: Stream, *, wait: bool = True) -> Operation[tuple[str, ...] | None]:
    """Read the events that have arrived; ``None`` at the end of the stream."""
    events = yield Read(stream, wait)
    assert events is None or isinstance(events, tuple)
    return cast("tuple[str, ...] | None", events)


def sleep(seconds: float) -> Operation[None]:
    """Wait for a number of seconds."""
    yield Sleep(seconds)


def now() -> Operation[float]:
    """Read the monotonic clock, in seconds."""
    seconds = yield Now()
    assert isinstance(seconds, float)
    return seconds


def emit(event: T, stream: Stream | None = None) -> Emitting[T, None]:
    """Give an event to the caller that watches the run."""
    yield Emit(event, stream)
