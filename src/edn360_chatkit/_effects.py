"""What an operation can ask for: the vocabulary between the protocol and the network.

An operation is a generator. It yields an effect, a driver carries it out and sends back what
came of it, and what the generator returns is the operation's result::

    def create_session(config, user):
        response = yield from send(Request("POST", ...))
        return ChatSession(...)

The functions here yield one effect each and give its answer the right type, so that operations
read like ordinary code.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from pydantic import SecretStr

    from .events import WorkflowEvent

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Request:
    """An HTTP request, complete but for the connection.

    Attributes:
        method: The HTTP method.
        url: The whole URL, path segments quoted.
        headers: All headers but ``Authorization``.
        content: The body; hidden from the repr, for it carries the athlete's data.
        credential: The bearer token; only the driver reads it, at the last moment.
        patience: The longest silence of a stream, in seconds; the client's ``timeout`` if ``None``.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    content: bytes | None = field(default=None, repr=False)
    credential: SecretStr | None = field(default=None, repr=False)
    patience: float | None = None


@dataclass(eq=False)
class Response:
    """What came back: any status, the body read to its end.

    Attributes:
        status: The HTTP status.
        headers: The headers, names in lower case.
        content: The body, decompressed.
        request: What it answers, where that is known.
        oversized: Whether the body was larger than the client's limit, and so not read.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    content: bytes = field(default=b"", repr=False)
    request: Request | None = field(default=None, repr=False)
    oversized: bool = False

    def let_go(self) -> None:
        """Drop the body, once it is parsed: a large one would be in memory twice."""
        self.content = b""


@dataclass(frozen=True, eq=False)
class Send:
    """Send a request once. Answered with a :class:`Response`, or an ``APIConnectionError``."""

    request: Request


class Stream:
    """A stream of server-sent events that is open; what is behind it is the driver's.

    A run closes the streams that it opened or read, unless they are kept for a later one.

    Attributes:
        kept: Whether it stays open when the operation ends.
    """

    kept: bool = False


@dataclass(frozen=True, eq=False)
class Open:
    """Send a request that is answered with a stream.

    Answered with a :class:`Stream` where that is what comes, else with a :class:`Response`.
    """

    request: Request


@dataclass(frozen=True, eq=False)
class Read:
    """Read on in a stream.

    Answered with the next event's data; ``None`` at the stream's end. An ``APIConnectionError``
    if it broke.
    """

    stream: Stream


@dataclass(frozen=True, eq=False)
class Sleep:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, eq=False)
class Now:
    """Read a clock that never goes back, in seconds."""


@dataclass(frozen=True, eq=False)
class Emit:
    """Tell whoever watches the run that something happened."""

    event: WorkflowEvent


Effect: TypeAlias = Send | Open | Read | Sleep | Now | Emit
Operation: TypeAlias = Generator[Effect, object, T]


def send(request: Request) -> Operation[Response]:
    """Send a request once."""
    answer = yield Send(request)
    assert isinstance(answer, Response)
    return answer


def open_stream(request: Request) -> Operation[Stream | Response]:
    """Send a request that is answered with a stream."""
    answer = yield Open(request)
    assert isinstance(answer, (Stream, Response))
    return answer


def read(stream: Stream) -> Operation[str | None]:
    """The data of a stream's next event; ``None`` at its end."""
    answer = yield Read(stream)
    assert answer is None or isinstance(answer, str)
    return answer


def sleep(seconds: float) -> Operation[None]:
    """Wait so many seconds."""
    yield Sleep(seconds)


def now() -> Operation[float]:
    """Read the clock, in seconds."""
    answer = yield Now()
    assert isinstance(answer, float)
    return answer


def emit(event: WorkflowEvent) -> Operation[None]:
    """Report an event of the run."""
    yield Emit(event)
