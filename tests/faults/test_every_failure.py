"""Every failure is a ``ChatKitError``, with its cause chained: in any call, on any input."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edn360_chatkit import (
    APIConnectionError,
    APIStatusError,
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    EDN360Input,
    InvalidInputError,
    Message,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import Blocking, MakeClient

from .raw_server import Exchange, raw_server, reply

ATHLETE = {
    "user_profile": {"user_id": "athlete-1"},
    "questionnaires": [{"source": "initial", "payload": {"days_per_week": 2}}],
}


class Raising(Mapping[str, Any]):
    """A mapping, one of whose methods raises."""

    def __init__(self, *, at: str) -> None:
        self.at = at

    def __getitem__(self, key: str) -> Any:
        if self.at == "item":
            raise KeyError(key)
        return 1

    def __iter__(self) -> Iterator[str]:
        if self.at == "iter":
            raise ZeroDivisionError
        return iter(["user_profile"])

    def __len__(self) -> int:
        return 1


class Hostile:
    """Raises whenever it is looked at."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError


DEEP: list[Any] = []
for _ in range(5000):
    DEEP = [DEEP]
LOOP: dict[str, Any] = {}
LOOP["again"] = LOOP

ODD: list[Any] = [
    *[None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**400, b"x", object(), Hostile()],
    *["", " ", "2", "\ud800", "..", "a\r\nb", "x" * 2000, "http://[", "https://a.example/\x00"],
    *[[], {}, {"a": 1}, {1: 2}, set(), DEEP, LOOP, Raising(at="item"), Raising(at="iter")],
    *[type, print, lambda: 1, httpx.Timeout(-1), httpx.Timeout(None)],
    httpx.Timeout("x"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    *[ChatSession.model_construct(), Message.model_construct(), EDN360Input.model_construct()],
    ChatSession.model_construct(id=5),
    ChatSession.model_construct(id="s", user=object(), client_secret=5),
    ChatSession.model_construct(id="s", client_secret="a\r\nb"),
    ChatSession.model_construct(id="s", client_secret="é"),
    Message.model_construct(id=5, session_id="s"),
    Message.model_construct(id="m", session_id="s", thread_id=5),
    Message(id="..", session_id="s", thread_id=".."),
    EDN360Input.model_validate(ATHLETE).model_copy(update={"questionnaires": Hostile()}),
]


def holding(value: Any) -> dict[str, Any]:
    """An input with the value in it, wherever unknown keys are kept."""
    profile = {"user_id": "athlete-1", "extra": value}
    return {"user_profile": profile, "questionnaires": [{"payload": {"q": value}}], "more": value}


async def _all(pages: AsyncIterator[Any]) -> list[Any]:
    return [one async for one in pages]


def call(client: Any, name: str, *args: Any, **options: Any) -> Any:
    """Call a method of a client of any kind, and read all of what it iterates over."""
    room, _, method = name.rpartition(".")
    if not isinstance(client, Blocking):
        found = getattr(getattr(client, room) if room else client, method)(*args, **options)
        return list(found) if method in ("list", "items") else found
    inner = client.client

    async def go() -> Any:
        found = getattr(getattr(inner, room) if room else inner, method)(*args, **options)
        if method in ("list", "items"):
            return await _all(found)
        return found if method == "stream_workflow" else await found

    return client.portal.call(go)


@dataclass
class Place:
    """Where in a method's arguments the odd value goes: under a name, else behind the others."""

    method: str
    others: tuple[Any, ...] = ()
    name: str | None = None
    wrap: Callable[[Any], Any] = lambda value: value
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def put(self, client: Any, value: Any) -> Any:
        if self.name is None:
            return call(client, self.method, *self.others, self.wrap(value))
        return call(client, self.method, *self.others, **{self.name: self.wrap(value)}, **self.more)


def places(method: str, *others: Any, names: str) -> dict[str, Place]:
    return {f"{method}({name})": Place(method, others, name) for name in names.split()}


WAITING = "poll_interval max_attempts answer deadline"
CALLS: dict[str, Place] = {
    "create_session": Place("create_session"),
    **places(
        *("create_session", "u"),
        names="workflow_id version state_variables tracing expires_after max_requests_per_minute "
        "chatkit_configuration",
    ),
    "a state variable": Place(
        *("create_session", ("u",), "state_variables"), lambda value: {"a": value}
    ),
    "a setting of ChatKit's": Place(
        *("create_session", ("u",), "chatkit_configuration"), lambda value: {"a": value}
    ),
    "send_message(message)": Place("send_message", ("s",)),
    "send_message(session)": Place("send_message", name="session", more={"message": "hello"}),
    "poll_response": Place("poll_response"),
    **places("poll_response", "s", names="after " + WAITING),
    "run_workflow": Place("run_workflow"),
    "run_workflow(inside)": Place("run_workflow", wrap=holding),
    **places("run_workflow", ATHLETE, names="user " + WAITING),
    "stream_workflow": Place("stream_workflow"),
    **places("stream_workflow", ATHLETE, names="user " + WAITING),
    **{
        name: Place(name)
        for name in ("sessions.cancel", "threads.retrieve", "threads.delete", "threads.items")
    },
    **places("threads.list", names="user limit order"),
    **places("threads.items", "thr_1", names="limit order"),
}


def anything(exchange: Exchange) -> Iterator[bytes]:
    """Answers of the right shape, so that an argument that gets through does not fail later."""
    yield reply({"id": "x_1", "deleted": True, "client_secret": "ek_1", "data": []})


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with raw_server(anything) as server:
        yield server.base_url


FAST: dict[str, Any] = {"max_retries": 0, "max_attempts": 1, "deadline": 2}


@pytest.mark.parametrize("protocol", ["messages", "threads", "server_url"])
@pytest.mark.parametrize("name", CALLS)
def test_no_argument_lets_another_error_out(
    make_client: MakeClient, base_url: str, name: str, protocol: str
) -> None:
    """46 odd values for each argument of each method."""
    told = {"base_url": base_url, "protocol": protocol}
    client = make_client(**({"server_url": base_url} if protocol == "server_url" else told), **FAST)
    for value in ODD:
        with suppress(ChatKitError):
            CALLS[name].put(client, value)


SETTINGS = (
    *["api_key", "workflow_id", "base_url", "server_url", "protocol", "headers", "timeout"],
    *["max_retries", "poll_interval", "max_attempts", "poll_limit", "deadline"],
    *["max_response_bytes", "http_client"],
)


@pytest.mark.parametrize("name", SETTINGS)
def test_no_setting_lets_another_error_out(base_url: str, name: str) -> None:
    for value in [*ODD, *({"X-A": odd} for odd in ODD), *((lambda odd=odd: odd) for odd in ODD)]:
        told = {"base_url": base_url, "api_key": "sk-simulated-key", **FAST, name: value}
        if name == "server_url":
            del told["base_url"]
        with suppress(ChatKitError), ChatKitClient(**told) as client:
            # An address that is left out is OpenAI's.
            if name not in ("base_url", "server_url"):
                client.create_session("u", workflow_id="wf_demo")
        with suppress(ChatKitError):
            AsyncChatKitClient(**told)


LEAVES = st.one_of(
    *[st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()],
    *[st.text(st.characters()), st.dates(), st.datetimes(), st.decimals(), st.complex_numbers()],
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        *[
            st.lists(inner, max_size=3),
            st.tuples(inner),
            st.sets(st.integers() | st.text(), max_size=2),
        ],
        *[st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=3)],
    ),
    max_leaves=8,
)
MANY = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@MANY
@given(name=st.sampled_from([*CALLS]), value=VALUES)
def test_no_argument_that_can_be_thought_of_lets_another_error_out(
    base_url: str, name: str, value: Any
) -> None:
    told = {"base_url": base_url, "api_key": "sk-simulated-key", "workflow_id": "wf_demo", **FAST}
    with ChatKitClient(**told) as client, suppress(ChatKitError):
        CALLS[name].put(client, value)


REQUESTS: dict[str, tuple[Any, ...]] = {
    "create_session": ("create_session", "u"),
    "send_message": ("send_message", ChatSession(id="s", client_secret="ek_1"), "hello"),
    "poll_response": ("poll_response", "s"),
    "run_workflow": ("run_workflow", ATHLETE),
    "cancel": ("sessions.cancel", "s"),
    "list": ("threads.list",),
    "retrieve": ("threads.retrieve", "t"),
    "delete": ("threads.delete", "t"),
    "items": ("threads.items", "t"),
}
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "role", "content", "text", "has_more", "last_id"])
            | st.sampled_from(["client_secret", "created_at", "error", "message", "user", "type"])
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
PROTOCOL = st.sampled_from(["auto", "messages", "threads"])
STATUS = st.sampled_from([200, 200, 200, 204, 302, 400, 401, 404, 409, 429, 500])


@MANY
@given(
    name=st.sampled_from([*REQUESTS]),
    data=JSON | st.binary(max_size=20),
    status=STATUS,
    protocol=PROTOCOL,
)
def test_no_answer_lets_another_error_out(name: str, data: Any, status: int, protocol: str) -> None:
    """Any JSON, and any bytes, from any endpoint."""
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=content))
    told: dict[str, Any] = {"api_key": "sk-simulated-key", "workflow_id": "wf_demo"}
    told = {**told, "base_url": "http://127.0.0.1:1", "protocol": protocol, **FAST}
    with httpx.Client(transport=transport) as http, suppress(ChatKitError):
        call(ChatKitClient(**told, http_client=http), *REQUESTS[name])


# --- what is below: transports, hooks, the caller's functions ---------------------------------


class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that raises: at a request, or in the middle of an answer."""

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
        return httpx.Response(200, headers=kind, stream=_BrokenBody(self.error))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.answer(request)


class _BrokenBody(httpx.SyncByteStream, httpx.AsyncByteStream):
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


BELOW = [
    *[OSError(5, "x"), ConnectionResetError(), ssl.SSLError("x"), socket.gaierror(2, "x")],
    *[ValueError("x"), UnicodeError("x"), TypeError("x"), KeyError("x"), RuntimeError("x")],
    *[EOFError(), AttributeError(), AssertionError(), NotImplementedError()],
    *[anyio.ClosedResourceError(), anyio.BrokenResourceError(), httpx.InvalidURL("x")],
    *[httpx.ReadError("x"), httpx.TooManyRedirects("x"), httpx.StreamConsumed()],
]


@pytest.mark.parametrize("good", [0, 1])
@pytest.mark.parametrize("in_body", [False, True], ids=["request", "body"])
@pytest.mark.parametrize("protocol", ["messages", "threads"])
@pytest.mark.parametrize("below", BELOW, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_whatever_a_transport_raises_is_the_cause(
    kind: str, below: Exception, protocol: str, in_body: bool, good: int
) -> None:
    """Of the session's request, and of the message's."""
    transport = Broken(below, good, in_body=in_body)
    told: dict[str, Any] = {"api_key": "sk-simulated-key", "workflow_id": "wf_demo", **FAST}
    told = {**told, "base_url": "http://127.0.0.1:1", "protocol": protocol}

    async def run_async() -> None:
        async with httpx.AsyncClient(transport=transport) as http:
            await AsyncChatKitClient(**told, http_client=http).run_workflow(ATHLETE)

    def run() -> None:
        with httpx.Client(transport=transport) as http:
            ChatKitClient(**told, http_client=http).run_workflow(ATHLETE)

    with pytest.raises(ChatKitError) as caught:
        anyio.run(run_async) if kind == "async" else run()
    error = caught.value
    if good == 1:
        # The message was on its way: what became of it is not known, unless it can be.
        assert error.session is not None
        assert error.session.id == "cksess_1"
    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    assert below in chain


@pytest.mark.parametrize("failure", [ValueError("x"), KeyError("x"), StopIteration(), OSError()])
def test_a_headers_function_that_raises_is_the_cause(
    make_client: MakeClient, base_url: str, failure: Exception
) -> None:
    def headers() -> dict[str, str]:
        raise failure

    client = make_client(base_url=base_url, headers=headers, **FAST)
    with pytest.raises(APIConnectionError) as caught:
        client.create_session("u")
    assert caught.value.__cause__ is failure
    assert not caught.value.may_have_arrived


@pytest.mark.parametrize("failure", [ValueError("x"), KeyError("x"), LookupError()])
def test_what_on_event_raises_is_the_callers_own(
    make_client: MakeClient, failure: BaseException
) -> None:
    def on_event(event: Any) -> None:
        raise failure

    with ChatKitSimulator() as sim:
        client = make_client(base_url=sim.base_url)
        with pytest.raises(type(failure)) as caught:
            client.run_workflow(ATHLETE, on_event=on_event)
    assert caught.value is failure
    assert failure.__cause__ is None


# --- event loops ------------------------------------------------------------------------------


@contextmanager
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("end", ["aclose", "run"])
def test_an_async_client_in_another_loop_says_so(end: str) -> None:
    with ChatKitSimulator() as sim:
        client = AsyncChatKitClient(
            api_key=sim.api_key, base_url=sim.base_url, workflow_id="wf_demo", max_retries=0
        )
        with loop() as first:
            first.run_until_complete(client.create_session("u"))
        with loop() as second, suppress(ChatKitError):
            if end == "run":
                second.run_until_complete(client.create_session("u"))
            else:
                second.run_until_complete(client.aclose())
        with warnings.catch_warnings():
            # The first loop is gone, and with it the only way to close the client's connection.
            warnings.simplefilter("ignore", ResourceWarning)
            del client
            gc.collect()


def test_an_async_client_without_any_loop_says_so(base_url: str) -> None:
    client = AsyncChatKitClient(api_key="sk-simulated-key", base_url=base_url, workflow_id="wf")
    with pytest.raises(ChatKitError, match="event loop"):
        client.create_session("u").send(None)


# --- causes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "method", "cause"),
    [
        (b"<html>", "create_session", ValueError),
        (b"[" * 100_000, "create_session", ValueError),
        ({"id": ".."}, "create_session", InvalidInputError),
        ({"id": 5}, "threads.retrieve", ValidationError),
        ({"data": [{"id": 5}]}, "threads.items", ValidationError),
    ],
)
def test_an_answer_that_can_not_be_read_has_its_cause(
    make_client: MakeClient, answer: Any, method: str, cause: type[Exception]
) -> None:
    with raw_server(lambda exchange: [reply(answer)]) as server:
        client = make_client(base_url=server.base_url, **FAST)
        with pytest.raises(APIStatusError) as caught:
            call(client, method, "x")
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ({"user_profile": {}}, ValidationError),
        (holding(float("nan")), ValueError),
        (holding(object()), ValueError),
        (Raising(at="iter"), ZeroDivisionError),
    ],
)
def test_an_input_at_fault_has_its_cause(base_url: str, value: Any, cause: type[Exception]) -> None:
    with (
        ChatKitClient(api_key="sk-simulated-key", base_url=base_url, workflow_id="wf") as client,
        pytest.raises(InvalidInputError) as caught,
    ):
        client.run_workflow(value)
    assert isinstance(caught.value.__cause__, cause)


def test_a_cause_that_carries_the_whole_text_is_not_kept(base_url: str) -> None:
    """A ``UnicodeEncodeError`` has all of the text in its ``args``."""
    with (
        ChatKitClient(api_key="sk-simulated-key", base_url=base_url, workflow_id="wf") as client,
        pytest.raises(InvalidInputError) as caught,
    ):
        client.run_workflow("Ana has a bad knee \ud800", user="u")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_address_that_is_none_is_not_kept() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ChatKitClient(api_key="sk-simulated-key", base_url="https://a:hidden-password@[x")
    assert "hidden" not in str(caught.value)
    assert caught.value.__context__ is None
