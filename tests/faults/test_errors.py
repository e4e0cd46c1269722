"""Failures are ``ChatKitError``s with their cause, in any call; the caller's exceptions pass.

The sync client meets all values and faults. The async clients share its code and meet a few.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edn360_chatkit import (
    APIStatusError,
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    EDN360Input,
    InvalidInputError,
    Message,
    MessageSentEvent,
    RunReference,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import Blocking, MakeClient
from tests.support.raw_server import Exchange, raw_server, reply

ATHLETE = {
    "user_profile": {"user_id": "athlete-1"},
    "questionnaires": [{"source": "initial", "payload": {"days_per_week": 2}}],
}


class OwnError(Exception):
    """An exception of an argument's own methods, which may pass through."""


class Raising(Mapping[str, Any]):
    """A mapping with a method that raises."""

    def __init__(self, *, at: Literal["item", "iter"]) -> None:
        self.at = at

    def __getitem__(self, key: str) -> Any:
        if self.at == "item":
            raise OwnError
        return 1

    def __iter__(self) -> Iterator[str]:
        if self.at == "iter":
            raise OwnError
        return iter(["user_profile"])

    def __len__(self) -> int:
        return 1


class Hostile:
    """An object whose methods raise."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise OwnError

    def __eq__(self, other: object) -> bool:
        raise OwnError

    def __bool__(self) -> bool:
        raise OwnError


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
    *[RunReference.model_construct(), RunReference.model_construct(session_id=5), "{", "{}"],
    RunReference(session_id="s", message_id=".."),
    RunReference.model_construct(session_id="s", previous_id=Hostile()),
    EDN360Input.model_validate(ATHLETE).model_copy(update={"questionnaires": Hostile()}),
]
FEW_ODD: list[Any] = [
    *[None, 1.5, Hostile(), "\ud800", "..", {1: 2}, Message.model_construct()],
    *[value for value in ODD if isinstance(value, (ChatSession, RunReference))],
]


def holding(value: Any) -> dict[str, Any]:
    """An input with the value in each place that keeps unknown keys."""
    profile = {"user_id": "athlete-1", "extra": value}
    return {"user_profile": profile, "questionnaires": [{"payload": {"q": value}}], "more": value}


async def read_all(pages: AsyncIterator[Any]) -> list[Any]:
    return [entry async for entry in pages]


def call(client: Any, name: str, *args: Any, **options: Any) -> Any:
    """Call a method of a client of any kind, and read a list to its end."""
    resource, _, method = name.rpartition(".")
    is_list = method in ("list", "items")

    def start(owner: Any) -> Any:
        return getattr(getattr(owner, resource) if resource else owner, method)(*args, **options)

    async def run() -> Any:
        result = start(client.client)
        if is_list:
            return await read_all(result)
        return result if method.startswith("stream_") else await result

    if isinstance(client, Blocking):
        return client.portal.call(run)
    return list(start(client)) if is_list else start(client)


@dataclass
class Place:
    """The argument that gets the odd value: the named one, or the last positional one."""

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
    **{name: Place(name) for name in ("retrieve_run", "stream_response", "start_workflow")},
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
    """A response that fits every request, so that a valid argument does not fail later."""
    yield reply({"id": "x_1", "deleted": True, "client_secret": "ek_1", "data": []})


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with raw_server(anything) as server:
        yield server.base_url


FAST: dict[str, Any] = {"max_retries": 0, "max_attempts": 1, "deadline": 2}
HOSTED: dict[str, Any] = {"api_key": "sk-simulated-key", "workflow_id": "wf_demo", **FAST}
UNREACHABLE = "http://127.0.0.1:1"
sync_only = pytest.mark.parametrize("make_client", ["sync"], indirect=True)
async_only = pytest.mark.parametrize("make_client", ["asyncio", "trio"], indirect=True)


@sync_only
@pytest.mark.parametrize("protocol", ["messages", "threads", "server_url"])
@pytest.mark.parametrize("name", CALLS)
def test_odd_arguments_raise_chatkit_errors(
    make_client: MakeClient, base_url: str, name: str, protocol: str
) -> None:
    if protocol == "server_url":
        client = make_client(server_url=base_url, **FAST)
    else:
        client = make_client(base_url=base_url, protocol=protocol, **FAST)
    # The protocols share the checks of arguments; they differ in how they use a session and ids.
    for value in ODD if protocol == "messages" else FEW_ODD:
        with suppress(ChatKitError, OwnError):
            CALLS[name].put(client, value)


@async_only
def test_odd_async_arguments_raise_chatkit_errors(make_client: MakeClient, base_url: str) -> None:
    client = make_client(base_url=base_url, protocol="messages", **FAST)
    for place, value in product(CALLS.values(), FEW_ODD):
        with suppress(ChatKitError, OwnError):
            place.put(client, value)


SETTINGS = (
    *["api_key", "workflow_id", "base_url", "server_url", "protocol", "timeout", "max_retries"],
    *["poll_interval", "max_attempts", "poll_limit", "deadline", "max_response_bytes"],
)


@pytest.mark.parametrize("name", SETTINGS)
def test_odd_settings_raise_chatkit_errors(base_url: str, name: str) -> None:
    for value in ODD:
        options = {**HOSTED, "base_url": base_url, name: value}
        if name == "server_url":
            del options["base_url"]
        with suppress(ChatKitError, OwnError), ChatKitClient(**options) as client:
            # Without an address, the client would call OpenAI.
            if name not in ("base_url", "server_url"):
                client.create_session("u")


def test_odd_headers_raise_chatkit_errors(base_url: str) -> None:
    functions: list[Any] = [lambda odd=odd: odd for odd in ODD]
    values: list[Any] = [*ODD, *({"X-A": odd} for odd in ODD), *functions]
    for value in values:
        # A TypeError: type() can't be called without arguments.
        with (
            suppress(ChatKitError, OwnError, *([TypeError] if value is type else [])),
            ChatKitClient(**HOSTED, base_url=base_url, headers=value) as client,
        ):
            client.create_session("u")


@pytest.mark.parametrize("kind", [ChatKitClient, AsyncChatKitClient])
def test_odd_http_clients_are_refused(kind: Callable[..., object]) -> None:
    for value in ODD:
        if value is not None:
            with pytest.raises(ConfigurationError, match="http_client"):
                kind(**HOSTED, http_client=value)


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


@given(name=st.sampled_from([*CALLS]), value=VALUES)
def test_generated_arguments_raise_chatkit_errors(base_url: str, name: str, value: Any) -> None:
    with ChatKitClient(**HOSTED, base_url=base_url) as client, suppress(ChatKitError):
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


@given(
    name=st.sampled_from([*REQUESTS]),
    data=JSON | st.binary(max_size=20),
    status=STATUS,
    protocol=PROTOCOL,
)
def test_generated_answers_raise_chatkit_errors(
    name: str, data: Any, status: int, protocol: Any
) -> None:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=content))
    with httpx.Client(transport=transport) as http, suppress(ChatKitError):
        client = ChatKitClient(**HOSTED, base_url=UNREACHABLE, protocol=protocol, http_client=http)
        call(client, *REQUESTS[name])


# --- exceptions of transports, and of the caller's functions ---------------------------------


class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that raises at a request, or in the middle of a response.

    Args:
        error: The exception.
        good: How many requests succeed before.
        in_body: Whether it raises in a response.
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
    """All failures with the sync client, two with the async one."""
    pairs = [*product(["sync"], all_failures), *product(["async"], all_failures[:2])]
    return [
        pytest.param(kind, failure, id=f"{kind}-{failure[0].__name__}") for kind, failure in pairs
    ]


def has_note(error: BaseException, kind: str) -> bool:
    """Whether an exception says how to take the run up."""
    notes: list[str] = getattr(error, "__notes__", [])
    call = " await client.poll_response(" if kind == "async" else "with client.poll_response("
    return any(call in note or "threads.list(" in note for note in notes)


# Session messages need two requests to start a run, and threads three.
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
def test_transport_failure_is_the_cause(
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
    assert transport.good == -1, "a request was sent again"
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


def test_headers_function_stop_iteration_is_the_cause(base_url: str) -> None:
    """Python turns a ``StopIteration`` inside a generator into a ``RuntimeError``."""
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


# --- event loops ------------------------------------------------------------------------------


@contextmanager
def new_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.close()


# The first loop is closed, and its connection can't be closed any more.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("end", ["aclose", "run"])
def test_async_client_works_in_second_loop(sim: ChatKitSimulator, end: str) -> None:
    client = AsyncChatKitClient(**{**HOSTED, "api_key": sim.api_key}, base_url=sim.base_url)
    with new_loop() as first:
        first.run_until_complete(client.create_session("u"))
    with new_loop() as second:
        if end == "run":
            assert second.run_until_complete(client.create_session("u")).user == "u"
        second.run_until_complete(client.aclose())
    del client
    # The next request of any client drops the first loop's connection: here, not in another test.
    with ChatKitClient(**{**HOSTED, "api_key": sim.api_key}, base_url=sim.base_url) as other:
        other.create_session("u")
    gc.collect()


def test_call_without_loop_sends_nothing() -> None:
    with raw_server(anything) as server:
        client = AsyncChatKitClient(**HOSTED, base_url=server.base_url)
        with pytest.raises(RuntimeError):
            client.create_session("u").send(None)
        assert server.requests == []


# --- causes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "method", "cause"),
    [
        # The parser's exception is not kept: its frames hold the body.
        (b"<html>", "create_session", type(None)),
        (b"[" * 100_000, "create_session", type(None)),
        ({"id": ".."}, "create_session", InvalidInputError),
        ({"id": 5}, "threads.retrieve", ValidationError),
        ({"data": [{"id": 5}]}, "threads.items", ValidationError),
    ],
)
def test_unreadable_answer_has_its_cause(
    make_client: MakeClient, answer: Any, method: str, cause: type[object]
) -> None:
    with raw_server(lambda exchange: [reply(answer)]) as server:
        client = make_client(base_url=server.base_url, **FAST)
        with pytest.raises(APIStatusError) as caught:
            call(client, method, "x")
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"user_profile": {}}, "user_profile.user_id"),
        (holding(float("nan")), "user_profile.extra"),
        (holding(object()), "user_profile.extra"),
    ],
)
def test_invalid_input_names_its_field(base_url: str, value: Any, path: str) -> None:
    with (
        ChatKitClient(**HOSTED, base_url=base_url) as client,
        pytest.raises(InvalidInputError) as caught,
    ):
        client.run_workflow(value)
    assert caught.value.errors[0]["path"] == path
    # A cause of pydantic's would hold the athlete's data.
    assert caught.value.__cause__ is None


def test_input_exception_passes_through(base_url: str) -> None:
    with ChatKitClient(**HOSTED, base_url=base_url) as client, pytest.raises(OwnError):
        client.run_workflow(Raising(at="iter"))


def test_half_character_leaves_no_cause(base_url: str) -> None:
    """A ``UnicodeEncodeError`` has the whole text in its ``args``."""
    with (
        ChatKitClient(**HOSTED, base_url=base_url) as client,
        pytest.raises(InvalidInputError) as caught,
    ):
        client.run_workflow("Ana has a bad knee \ud800", user="u")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_invalid_url_leaves_no_cause() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ChatKitClient(api_key="sk-simulated-key", base_url="https://a:hidden-password@[x")
    assert "hidden" not in str(caught.value)
    assert caught.value.__context__ is None
