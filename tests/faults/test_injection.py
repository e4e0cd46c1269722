"""Ids, URLs and redirects change neither host, path nor headers; keys go to their server only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edn360_chatkit import (
    APIConnectionError,
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
    ConfigurationError,
    InvalidInputError,
    Message,
)
from edn360_chatkit.testing._workflow import answer_text
from tests.contract.conftest import MakeClient
from tests.program.test_rendering import READER, Page, one_exercise
from tests.support.raw_server import Exchange, RawServer, raw_server, reply

KEY = "sk-simulated-key"
ATHLETE = {
    "user_profile": {"user_id": "athlete-1"},
    "questionnaires": [{"source": "initial", "payload": {"days_per_week": 2}}],
}
PROGRAM = answer_text("program", json.dumps(ATHLETE)) or ""
FAST: dict[str, Any] = {"max_retries": 0, "max_attempts": 1, "workflow_id": "wf_demo"}


class Recorder:
    """Records the requests of a server, and answers them in turn; the last answer is repeated."""

    def __init__(self) -> None:
        self.answers: list[Any] = [{}]
        self.exchanges: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> Iterable[bytes]:
        self.exchanges.append(exchange)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [answer if isinstance(answer, bytes) else reply(answer)]

    def take(self) -> list[Exchange]:
        taken, self.exchanges = self.exchanges, []
        return taken


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def server(recorder: Recorder) -> Iterator[RawServer]:
    with raw_server(recorder) as running:
        yield running


def headers_of(exchange: Exchange) -> dict[str, str]:
    lines = exchange.head.decode("latin-1").split("\r\n")[1:]
    pairs = [line.partition(": ") for line in lines]
    names = [name.lower() for name, _, _ in pairs]
    assert len(names) == len(set(names))
    return {name.lower(): value for name, _, value in pairs}


OURS = {"host", "accept", "accept-encoding", "connection", "user-agent", "authorization"}
OURS |= {"openai-beta", "content-type", "content-length"}


def check_request(exchange: Exchange, server: RawServer, *parts: str) -> dict[str, list[str]]:
    """Check that a request has these path segments below the base path, and only our headers."""
    line = exchange.head.split(b"\r\n")[0].decode("ascii")
    assert len(line.split(" ")) == 3
    path, _, query = line.split(" ")[1].partition("?")
    segments = path.split("/")
    assert segments[:3] == ["", "v1", "chatkit"]
    assert [unquote(segment) for segment in segments[3:]] == [*parts]
    assert not {"", ".", ".."} & set(segments[3:])
    headers = headers_of(exchange)
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert set(headers) <= OURS
    return parse_qs(query, keep_blank_values=True)


PIECES = ["/", "\\", "..", ".", "%2f", "%2e", "%0d%0a", "\r\n", "\r\nX: y", " ", "?", "#", "&", "="]
PIECES += [
    "@",
    ":",
    "//evil.example",
    "\x00",
    "\t",
    "é",
    "\u2028",
    "\uff0f",
    "\ud800",
    ";",
    "%",
    "a",
]
IDS = st.text(max_size=20) | st.lists(st.sampled_from(PIECES), max_size=6).map("".join)

SEGMENTS: dict[str, tuple[Callable[[Any, str], Any], Callable[[str], tuple[str, ...]]]] = {
    "poll": (
        lambda client, given: client.poll_response(given),
        lambda given: ("sessions", given, "messages"),
    ),
    "poll a thread": (
        lambda client, given: client.poll_response(
            "s", after=Message(id="m", session_id="s", thread_id=given)
        ),
        lambda given: ("threads", given, "items"),
    ),
    "send": (
        lambda client, given: client.send_message(given, "hello"),
        lambda given: ("sessions", given, "messages"),
    ),
    "cancel": (
        lambda client, given: client.sessions.cancel(given),
        lambda given: ("sessions", given, "cancel"),
    ),
    "retrieve": (
        lambda client, given: client.threads.retrieve(given),
        lambda given: ("threads", given),
    ),
    "delete": (
        lambda client, given: client.threads.delete(given),
        lambda given: ("threads", given),
    ),
    "items": (
        lambda client, given: list(client.threads.items(given)),
        lambda given: ("threads", given, "items"),
    ),
}


@contextmanager
def client_of(server: RawServer, **more: Any) -> Iterator[ChatKitClient]:
    options = {"api_key": KEY, "base_url": server.base_url, **FAST, **more}
    with ChatKitClient(**options) as client:
        yield client


@pytest.mark.parametrize("name", SEGMENTS)
def test_id_is_one_path_segment_or_refused(
    recorder: Recorder, server: RawServer, name: str
) -> None:
    ask, expected = SEGMENTS[name]
    recorder.answers = [{"data": []}]

    with client_of(server) as client:

        @settings(max_examples=150, deadline=None)
        @given(given=IDS)
        def check(given: str) -> None:
            recorder.take()
            with suppress(ChatKitError):
                ask(client, given)
            for exchange in recorder.take():
                check_request(exchange, server, *expected(given))

        check()


def test_user_is_one_query_value(recorder: Recorder, server: RawServer) -> None:
    recorder.answers = [{"data": []}]
    with client_of(server) as client:

        @settings(max_examples=150, deadline=None)
        @given(user=IDS)
        def check(user: str) -> None:
            recorder.take()
            with suppress(InvalidInputError):
                list(client.threads.list(user=user))
            for exchange in recorder.take():
                query = check_request(exchange, server, "threads")
                assert query == {"user": [user], "limit": ["20"], "order": ["desc"]}

        check()


def test_cursor_is_one_query_value(recorder: Recorder, server: RawServer) -> None:
    with client_of(server) as client:

        @settings(max_examples=150, deadline=None)
        @given(last=IDS.filter(lambda text: "\ud800" not in text))
        def check(last: str) -> None:
            for ask in (
                lambda: list(client.threads.items("thr_1")),
                lambda: client.poll_response("s_1", after="msg_1"),
            ):
                recorder.answers = [{"data": [], "has_more": True, "last_id": last}, {"data": []}]
                recorder.take()
                with suppress(ChatKitError):
                    ask()
                first, *more = recorder.take()
                assert "after" not in first.line
                assert len(more) == bool(last)
                for exchange in more:
                    segments = unquote(exchange.line.split(" ")[1].partition("?")[0]).split("/")[3:]
                    query = check_request(exchange, server, *segments)
                    assert query["after"] == [last]
                    assert set(query) == {"limit", "order", "after"}

        check()


def test_session_id_is_one_path_segment_or_refused(recorder: Recorder, server: RawServer) -> None:
    with client_of(server, protocol="messages") as client:

        @settings(max_examples=150, deadline=None)
        @given(given=IDS.filter(lambda text: "\ud800" not in text))
        def check(given: str) -> None:
            recorder.answers = [{"id": given}, {"id": "msg_1"}, {"data": []}]
            recorder.take()
            with suppress(ChatKitError):
                client.run_workflow(ATHLETE)
            first, *more = recorder.take()
            check_request(first, server, "sessions")
            for exchange in more:
                check_request(exchange, server, "sessions", given, "messages")

        check()


@pytest.mark.parametrize(
    "secret", ["ek_1\r\nX-A: b", "ek_1\n", "ek é", "ek_é", "ek 1", "ek\x00", "", "\u2028"]
)
def test_malformed_client_secret_is_neither_sent_nor_quoted(
    make_client: MakeClient, recorder: Recorder, server: RawServer, secret: str
) -> None:
    recorder.answers = [{"id": "cksess_1", "client_secret": secret, "data": []}]
    recorder.take()
    client = make_client(base_url=server.base_url, protocol="threads", **FAST)
    with pytest.raises(InvalidInputError, match="client secret") as caught:
        client.run_workflow(ATHLETE)
    assert caught.value.session is not None
    assert len(secret) < 2 or secret not in str(caught.value)
    assert [exchange.line for exchange in recorder.take()] == ["POST /v1/chatkit/sessions"]


# --- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["base_url", "server_url"])
@pytest.mark.parametrize(
    "url",
    [
        *["https://user@api.example", "https://user:pass@api.example", "https://@api.example"],
        *["https://api.example@evil.example", "https://api.example\\@evil.example"],
        *["https://evil.example\\.api.example", "https://api.example/a\\b"],
        *["https://api.example/\r\nX-A: b", "https://api.example/\tx", "https://api.example\n/x"],
        *["https://api.example/%0d%0aX-A:b", "https://api.example/%00", "https://api.example%00"],
        *["https://api.example/v1/../x", "https://api.example/./x", "https://api.example/.."],
        *[
            "https://api.example/v1%2f..%2fx",
            "https://api.example/%2E%2e/x",
            "https://a.example/%5c",
        ],
        *["https://api.example?x=1", "https://api.example#x", "https://api.example:0"],
        *["https://api.example:99999", "https://api.example:-1", "https://api.example:1:2"],
        *["https:/api.example", "https:///api.example", "//api.example", "javascript:alert(1)"],
        *["http://api.example", "http://127.1", "http://0.0.0.0", "http://localhost.evil.example"],
        *["http://127.0.0.1@evil.example", "http://127.0.0.1#@evil.example", "http://2130706433"],
        *[
            "https://api.example%2eevil.example",
            "https://a..b",
            "https://[::1",
            "file:///etc/hosts",
        ],
    ],
)
def test_ambiguous_url_is_refused(name: str, url: str) -> None:
    options: dict[str, Any] = {"api_key": KEY, name: url}
    for kind in (ChatKitClient, AsyncChatKitClient):
        with pytest.raises(ConfigurationError, match=name):
            kind(**options)


# --- redirects --------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["messages", "threads", "server_url"])
@pytest.mark.parametrize("own", [True, False], ids=["own client", "caller's client"])
@pytest.mark.parametrize(
    ("kind", "status"),
    [*product(["sync"], [301, 302, 303, 307, 308]), ("async", 307)],  # they share the check
)
def test_no_redirect_is_followed(
    recorder: Recorder, server: RawServer, kind: str, status: int, own: bool, protocol: str
) -> None:
    """Neither to another origin nor within the same one, even if ``http_client`` follows them."""
    other_origin = Recorder()
    with raw_server(other_origin) as other:
        target = f"location: {other.base_url}/sessions\r\n"
        session = {"id": "cksess_1", "client_secret": "ek_1"}
        redirect = reply({}, status=status, headers=target)
        address = {"server_url": server.server_url}
        if protocol != "server_url":
            address = {"base_url": server.base_url, "api_key": KEY, "protocol": protocol}
        options: dict[str, Any] = {**FAST, **address}
        recorder.take()

        def run() -> None:
            recorder.answers = [session, redirect] if protocol != "server_url" else [redirect]
            with ExitStack() as stack:
                http = None if own else stack.enter_context(httpx.Client(follow_redirects=True))
                client = stack.enter_context(ChatKitClient(**options, http_client=http))
                client.run_workflow(ATHLETE)

        async def run_async() -> None:
            recorder.answers = [session, redirect] if protocol != "server_url" else [redirect]
            async with httpx.AsyncClient(follow_redirects=True) as http:
                more: dict[str, Any] = {} if own else {"http_client": http}
                async with AsyncChatKitClient(**options, **more) as client:
                    await client.run_workflow(ATHLETE)

        with pytest.raises(ChatKitError, match="Redirects are not followed"):
            anyio.run(run_async) if kind == "async" else run()
        assert other_origin.exchanges == []
    assert len(recorder.take()) == (1 if protocol == "server_url" else 2)


# --- proxies, netrc, cookies ------------------------------------------------------------------


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_proxy_gets_connect_without_key(
    monkeypatch: pytest.MonkeyPatch, kind: str, variable: str
) -> None:
    recorder = Recorder()
    recorder.answers = [reply({}, status=403)]
    with raw_server(recorder) as proxy:
        monkeypatch.setenv(variable, f"http://me:hidden-word@127.0.0.1:{proxy.port}")
        error = _fails_to_connect(kind, "https://chatkit.example/v1")
    (exchange,) = recorder.exchanges
    assert exchange.line == "CONNECT chatkit.example:443"
    assert set(headers_of(exchange)) <= {"host", "accept", "proxy-authorization"}
    assert KEY.encode() not in exchange.head + exchange.body
    assert not error.may_have_arrived
    assert "hidden-word" not in str(error)


def _fails_to_connect(kind: str, base_url: str) -> APIConnectionError:
    options: dict[str, Any] = {"api_key": KEY, "base_url": base_url, **FAST}

    async def run() -> None:
        async with AsyncChatKitClient(**options) as client:
            await client.create_session("u")

    def run_sync() -> None:
        with ChatKitClient(**options) as client:
            client.create_session("u")

    with pytest.raises(APIConnectionError) as caught:
        anyio.run(run) if kind == "async" else run_sync()
    return caught.value


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    recorder = Recorder()
    with raw_server(recorder) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "chatkit.invalid")
        _fails_to_connect(kind, "https://chatkit.invalid/v1")
    assert recorder.exchanges == []


@pytest.mark.usefixtures("no_proxies")
def test_loopback_bypasses_proxy(
    make_client: MakeClient, recorder: Recorder, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_between = Recorder()
    recorder.answers = [{"id": "cksess_1"}]
    with raw_server(in_between) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        client = make_client(base_url=server.base_url, **FAST)
        assert client.create_session("u").id == "cksess_1"
    assert in_between.exchanges == []


@pytest.mark.parametrize("own", [True, False], ids=["own client", "caller's client"])
def test_netrc_and_client_passwords_are_not_sent(
    recorder: Recorder,
    server: RawServer,
    own: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\ndefault login me password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc.with_name(".netrc").write_bytes(netrc.read_bytes())
    recorder.answers = [{}]
    recorder.take()
    with httpx.Client(auth=("me", "hidden")) as http:
        client = ChatKitClient(
            server_url=server.server_url, http_client=None if own else http, **FAST
        )
        with client, suppress(ChatKitError):
            client.run_workflow(ATHLETE)
    exchanges = recorder.take()
    assert exchanges
    assert not [e for e in exchanges if b"authorization" in e.head.lower()]


def test_own_client_keeps_no_cookies(
    make_client: MakeClient, recorder: Recorder, server: RawServer
) -> None:
    cookies = "set-cookie: who=athlete-1; Path=/\r\nset-cookie: b=2\r\n"
    recorder.answers = [reply({"id": "cksess_1"}, headers=cookies)]
    recorder.take()
    client = make_client(base_url=server.base_url, **FAST)
    for _ in range(2):
        client.create_session("u")
    assert [b"cookie" in exchange.head.lower() for exchange in recorder.take()] == [False, False]


def test_callers_http_client_keeps_cookies(recorder: Recorder, server: RawServer) -> None:
    recorder.answers = [reply({"id": "cksess_1"}, headers="set-cookie: node=7\r\n")]
    recorder.take()
    with httpx.Client() as http, client_of(server, http_client=http) as client:
        for _ in range(2):
            client.create_session("u")
    assert [b"cookie: node=7" in exchange.head.lower() for exchange in recorder.take()] == [
        False,
        True,
    ]


# --- links in programs ------------------------------------------------------------------------

URLS = st.lists(
    st.sampled_from(
        *[["javascript:", "JaVa\tscript:", "data:", "http://", "https://", "//", "a.example", "/"]],
    )
    | st.sampled_from(['"', "'", ">", "<", "](", ")", "\n", "\x00", "\u202e", " ", "&#106;", "\\"])
    | st.text(max_size=3),
    max_size=6,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(url=URLS, notes=URLS)
def test_only_http_urls_become_links(url: str, notes: str) -> None:
    program = one_exercise(video_url=url, notes=notes)
    links = Page(program.to_html()).links
    tokens = READER.parse(program.to_markdown())
    links += [
        str(child.attrs["href"])
        for token in tokens
        for child in token.children or ()
        if child.type == "link_open"
    ]
    for link in links:
        assert link.lower().startswith(("http://", "https://"))
        assert urlsplit(link).hostname
