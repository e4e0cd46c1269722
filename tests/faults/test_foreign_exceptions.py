"""Transport failures become ``ChatKitError``s with their cause. Other exceptions pass unchanged."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any

import anyio
import httpx
import pytest

from edn360_chatkit import (
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
    MessageSentEvent,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient
from tests.support.calls import FAST, HOSTED, UNREACHABLE
from tests.support.samples import ATHLETE


class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that raises at a request, or in the middle of a response.

    Args:
        error: The exception.
        good: The number of requests that succeed before.
        in_body: Whether it raises while the response is read.
    """

    def __init__(self, error: Exception, good: int, *, in_body: bool) -> None:
        self.error = error
        self.good = good
        self.in_body = in_body

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.good -= 1
        if self.good >= 0:
            secret = {"id": "cksess_1", "client_secret": "ek_1", "data": []}
            return httpx.Response(200, json=secret)
        if not self.in_body:
            raise self.error
        kind = {"content-type": request.headers["accept"]}
        return httpx.Response(200, headers=kind, stream=BrokenBody(self.error))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.answer(request)


class BrokenBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __iter__(self) -> Iterator[bytes]:
        yield b": "
        raise self.error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b": "
        raise self.error

    def close(self) -> None:
        raise self.error

    async def aclose(self) -> None:
        raise self.error


Failure = tuple[type[Exception], tuple[Any, ...]]
TRANSPORT: list[Failure] = [
    (OSError, (5, "x")),
    (ConnectionResetError, ()),
    (ssl.SSLError, ("x",)),
    (socket.gaierror, (2, "x")),
    (httpx.ReadError, ("x",)),
]
FOREIGN: list[Failure] = [
    *[(kind, ("x",)) for kind in (ValueError, UnicodeError, TypeError, KeyError, RuntimeError)],
    *[(kind, ()) for kind in (EOFError, AttributeError, AssertionError, NotImplementedError)],
    *[(kind, ()) for kind in (anyio.ClosedResourceError, anyio.BrokenResourceError)],
    *[(kind, ("x",)) for kind in (httpx.InvalidURL, httpx.TooManyRedirects)],
    (httpx.StreamConsumed, ()),
]


def run_over(kind: str, transport: Broken, protocol: str) -> None:
    options: dict[str, Any] = {**HOSTED, "base_url": UNREACHABLE, "protocol": protocol}

    async def run_async() -> None:
        async with httpx.AsyncClient(transport=transport) as http:
            await AsyncChatKitClient(**options, http_client=http).run_workflow(ATHLETE)

    if kind == "async":
        anyio.run(run_async)
    else:
        with httpx.Client(transport=transport) as http:
            ChatKitClient(**options, http_client=http).run_workflow(ATHLETE)


def failures(all_failures: list[Failure]) -> list[Any]:
    """Each failure with the sync client, and the first two with the async client."""
    pairs = [*product(["sync"], all_failures), *product(["async"], all_failures[:2])]
    return [
        pytest.param(kind, failure, id=f"{kind}-{failure[0].__name__}") for kind, failure in pairs
    ]


def has_note(error: BaseException, kind: str) -> bool:
    """Whether a note says how to take the run up. Python 3.10 has no notes."""
    notes: list[str] = getattr(error, "__notes__", [])
    call = " await client.poll_response(" if kind == "async" else "with client.poll_response("
    return sys.version_info < (3, 11) or any(
        call in note or "threads.list(" in note for note in notes
    )


# The number of requests before the message that starts a run.
STARTS = {"messages": 1, "threads": 2}
at_any_request = pytest.mark.parametrize(
    ("protocol", "good", "in_body"),
    [
        (protocol, good, in_body)
        for protocol, start in STARTS.items()
        for good in range(start + 1)
        for in_body in (False, True)
    ],
)


@at_any_request
@pytest.mark.parametrize(("kind", "failure"), failures(TRANSPORT))
def test_transport_failure_becomes_cause(
    kind: str, failure: Failure, protocol: str, good: int, in_body: bool
) -> None:
    cause = failure[0](*failure[1])
    with pytest.raises(ChatKitError) as caught:
        run_over(kind, Broken(cause, good, in_body=in_body), protocol)
    error = caught.value
    if good > 0:
        assert error.session is not None
        assert error.session.id == "cksess_1"
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    assert cause in chain


@at_any_request
@pytest.mark.parametrize(("kind", "failure"), failures(FOREIGN))
def test_foreign_exception_passes_with_note(
    kind: str, failure: Failure, protocol: str, good: int, in_body: bool
) -> None:
    foreign = failure[0](*failure[1])
    transport = Broken(foreign, good, in_body=in_body)
    with pytest.raises(failure[0]) as caught:
        run_over(kind, transport, protocol)
    assert caught.value is foreign
    assert transport.good == -1, "a request was retried"
    if good == STARTS[protocol]:
        assert has_note(foreign, kind)
    else:
        assert not hasattr(foreign, "__notes__")


@pytest.mark.parametrize("failure", [ValueError("x"), KeyError("x"), OSError()])
def test_headers_function_exception_passes(
    make_client: MakeClient, base_url: str, failure: Exception
) -> None:
    def headers() -> dict[str, str]:
        raise failure

    client = make_client(base_url=base_url, headers=headers, **FAST)
    with pytest.raises(type(failure)) as caught:
        client.create_session("u")
    assert caught.value is failure


def test_headers_function_stop_iteration_becomes_cause(base_url: str) -> None:
    """Python turns a ``StopIteration`` in a generator into a ``RuntimeError``."""
    failure = StopIteration()

    def headers() -> dict[str, str]:
        raise failure

    with (
        ChatKitClient(**HOSTED, base_url=base_url, headers=headers) as client,
        pytest.raises(RuntimeError) as caught,
    ):
        client.create_session("u")
    assert caught.value.__cause__ is failure


@pytest.mark.parametrize("failure", [ValueError, KeyError, LookupError])
def test_on_event_exception_passes_with_note(
    make_client: MakeClient, sim: ChatKitSimulator, failure: type[Exception]
) -> None:
    error = failure("x")

    def on_event(event: Any) -> None:
        if isinstance(event, MessageSentEvent):
            raise error

    client = make_client(base_url=sim.base_url, api_key=sim.api_key)
    with pytest.raises(failure) as caught:
        client.run_workflow(ATHLETE, on_event=on_event)
    assert caught.value is error
    assert error.__cause__ is None
    assert has_note(error, "sync" if isinstance(client, ChatKitClient) else "async")
