"""Any argument and any response raises a ``ChatKitError`` or works, in every method.

The sync client meets all values. The async clients share its code and meet a few.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edn360_chatkit import (
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    EDN360Input,
    Message,
    RunReference,
)
from tests.contract.conftest import MakeClient
from tests.support.calls import FAST, HOSTED, UNREACHABLE, call
from tests.support.samples import ATHLETE

sync_only = pytest.mark.parametrize("make_client", ["sync"], indirect=True)
async_only = pytest.mark.parametrize("make_client", ["asyncio", "trio"], indirect=True)


class OwnError(Exception):
    """An exception that an argument's own methods raise. It may pass through."""


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


def with_value(value: Any) -> dict[str, Any]:
    """An input with the value in every object that keeps unknown keys."""
    profile = {"user_id": "athlete-1", "extra": value}
    return {"user_profile": profile, "questionnaires": [{"payload": {"q": value}}], "more": value}


@dataclass
class Argument:
    """A method, and its argument that gets the value: ``name``, or the last positional argument."""

    method: str
    others: tuple[Any, ...] = ()
    name: str | None = None
    wrap: Callable[[Any], Any] = lambda value: value
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def pass_value(self, client: Any, value: Any) -> Any:
        if self.name is None:
            return call(client, self.method, *self.others, self.wrap(value))
        return call(client, self.method, *self.others, **{self.name: self.wrap(value)}, **self.more)


def arguments(method: str, *others: Any, names: str) -> dict[str, Argument]:
    return {f"{method}({name})": Argument(method, others, name) for name in names.split()}


WAITING = "poll_interval max_attempts answer deadline"
CALLS: dict[str, Argument] = {
    "create_session": Argument("create_session"),
    **arguments(
        *("create_session", "u"),
        names="workflow_id version state_variables tracing expires_after max_requests_per_minute "
        "chatkit_configuration",
    ),
    "a state variable": Argument(
        *("create_session", ("u",), "state_variables"), lambda value: {"a": value}
    ),
    "a ChatKit setting": Argument(
        *("create_session", ("u",), "chatkit_configuration"), lambda value: {"a": value}
    ),
    "send_message(message)": Argument("send_message", ("s",)),
    "send_message(session)": Argument("send_message", name="session", more={"message": "hello"}),
    "poll_response": Argument("poll_response"),
    **arguments("poll_response", "s", names="after " + WAITING),
    **{name: Argument(name) for name in ("retrieve_run", "stream_response", "start_workflow")},
    "run_workflow": Argument("run_workflow"),
    "run_workflow(inside)": Argument("run_workflow", wrap=with_value),
    **arguments("run_workflow", ATHLETE, names="user " + WAITING),
    "stream_workflow": Argument("stream_workflow"),
    **arguments("stream_workflow", ATHLETE, names="user " + WAITING),
    **{
        name: Argument(name)
        for name in ("sessions.cancel", "threads.retrieve", "threads.delete", "threads.items")
    },
    **arguments("threads.list", names="user limit order"),
    **arguments("threads.items", "thr_1", names="limit order"),
}


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
    # The protocols share the checks of arguments. They use sessions and ids differently.
    for value in ODD if protocol == "messages" else FEW_ODD:
        with suppress(ChatKitError, OwnError):
            CALLS[name].pass_value(client, value)


@async_only
def test_odd_async_arguments_raise_chatkit_errors(make_client: MakeClient, base_url: str) -> None:
    client = make_client(base_url=base_url, protocol="messages", **FAST)
    for place, value in product(CALLS.values(), FEW_ODD):
        with suppress(ChatKitError, OwnError):
            place.pass_value(client, value)


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
            # A client without an address would call OpenAI.
            if name not in ("base_url", "server_url"):
                client.create_session("u")


def test_odd_headers_raise_chatkit_errors(base_url: str) -> None:
    functions: list[Any] = [lambda odd=odd: odd for odd in ODD]
    values: list[Any] = [*ODD, *({"X-A": odd} for odd in ODD), *functions]
    for value in values:
        # type() without arguments raises a TypeError.
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
        CALLS[name].pass_value(client, value)


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
