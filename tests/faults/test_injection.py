"""Hostile ids and URLs do not change the host, the path or the headers of a request."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edn360_chatkit import (
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
    ConfigurationError,
    InvalidInputError,
    Message,
)
from edn360_chatkit._config import HEADERS
from tests.contract.conftest import MakeClient
from tests.support.pages import READER, Page, one_exercise
from tests.support.raw_server import Exchange, RawServer
from tests.support.recorder import FAST, KEY, Recorder, client_of, headers_of
from tests.support.samples import ATHLETE

OURS = {*HEADERS, "accept-encoding", "connection"}


def check_request(exchange: Exchange, server: RawServer, *parts: str) -> dict[str, list[str]]:
    """Check the segments of the path below the base path, and that all headers are ours."""
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
        lambda client, value: client.poll_response(value),
        lambda value: ("sessions", value, "messages"),
    ),
    "poll a thread": (
        lambda client, value: client.poll_response(
            "s", after=Message(id="m", session_id="s", thread_id=value)
        ),
        lambda value: ("threads", value, "items"),
    ),
    "send": (
        lambda client, value: client.send_message(value, "hello"),
        lambda value: ("sessions", value, "messages"),
    ),
    "cancel": (
        lambda client, value: client.sessions.cancel(value),
        lambda value: ("sessions", value, "cancel"),
    ),
    "retrieve": (
        lambda client, value: client.threads.retrieve(value),
        lambda value: ("threads", value),
    ),
    "delete": (
        lambda client, value: client.threads.delete(value),
        lambda value: ("threads", value),
    ),
    "items": (
        lambda client, value: list(client.threads.items(value)),
        lambda value: ("threads", value, "items"),
    ),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_id_is_one_path_segment_or_refused(
    recorder: Recorder, server: RawServer, name: str
) -> None:
    send, expected = SEGMENTS[name]
    recorder.answers = [{"data": []}]

    with client_of(server) as client:

        @given(value=IDS)
        def check(value: str) -> None:
            recorder.take()
            with suppress(ChatKitError):
                send(client, value)
            for exchange in recorder.take():
                check_request(exchange, server, *expected(value))

        check()


def test_user_is_one_query_value(recorder: Recorder, server: RawServer) -> None:
    recorder.answers = [{"data": []}]
    with client_of(server) as client:

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

        @given(last=IDS.filter(lambda text: "\ud800" not in text))
        def check(last: str) -> None:
            for send in (
                lambda: list(client.threads.items("thr_1")),
                lambda: client.poll_response("s_1", after="msg_1"),
            ):
                recorder.answers = [{"data": [], "has_more": True, "last_id": last}, {"data": []}]
                recorder.take()
                with suppress(ChatKitError):
                    send()
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

        @given(value=IDS.filter(lambda text: "\ud800" not in text))
        def check(value: str) -> None:
            recorder.answers = [{"id": value}, {"id": "msg_1"}, {"data": []}]
            recorder.take()
            with suppress(ChatKitError):
                client.run_workflow(ATHLETE)
            first, *more = recorder.take()
            check_request(first, server, "sessions")
            for exchange in more:
                check_request(exchange, server, "sessions", value, "messages")

        check()


@pytest.mark.parametrize(
    "secret", ["ek_1\r\nX-A: b", "ek_1\n", "ek é", "ek_é", "ek 1", "ek\x00", "", "\u2028"]
)
def test_malformed_client_secret_is_not_sent(
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


REST = st.lists(
    st.sampled_from(["javascript:", "http://", "https://", "//", "a.example", "/", "&#106;"])
    | st.sampled_from(['"', "'", ">", "<", "](", ")", "\n", "\x00", "\u202e", " ", "\\"])
    | st.text(max_size=3),
    max_size=6,
).map("".join)
SCHEMES = ["http://", "https://", "javascript:", "JaVa\tscript:", "data:", "//a.example", ""]
BEGINNINGS = [*SCHEMES, "https://a.example", "javascript://a.example/"]
URLS = st.builds("".join, st.tuples(st.sampled_from(BEGINNINGS), REST))


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
