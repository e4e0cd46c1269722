"""Keys and data reach only the configured server: redirects, proxies, netrc files, cookies."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from itertools import product
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from edn360_chatkit import (
    APIConnectionError,
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
)
from tests.contract.conftest import MakeClient
from tests.support.raw_server import RawServer, raw_server, reply
from tests.support.recorder import FAST, KEY, Recorder, client_of, headers_of
from tests.support.samples import ATHLETE


@pytest.mark.parametrize("protocol", ["messages", "threads", "server_url"])
@pytest.mark.parametrize("own", [True, False], ids=["own client", "caller's client"])
@pytest.mark.parametrize(
    ("kind", "status"),
    [*product(["sync"], [301, 302, 303, 307, 308]), ("async", 307)],  # the clients share the check
)
def test_no_redirect_is_followed(
    recorder: Recorder, server: RawServer, kind: str, status: int, own: bool, protocol: str
) -> None:
    """Redirects stay unfollowed within an origin too, and where ``http_client`` follows them."""
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

        with pytest.raises(ChatKitError, match=r"Redirects are not followed.* Set base_url or"):
            anyio.run(run_async) if kind == "async" else run()
        assert other_origin.exchanges == []
    assert len(recorder.take()) == (1 if protocol == "server_url" else 2)


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
        error = connection_error(kind, "https://chatkit.example/v1")
    (exchange,) = recorder.exchanges
    assert exchange.line == "CONNECT chatkit.example:443"
    assert set(headers_of(exchange)) <= {"host", "accept", "proxy-authorization"}
    assert KEY.encode() not in exchange.head + exchange.body
    assert not error.may_have_arrived
    assert "hidden-word" not in str(error)


def connection_error(kind: str, base_url: str) -> APIConnectionError:
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
@pytest.mark.parametrize(
    ("kind", "port"),
    [("sync", ""), ("async", ""), ("sync", ":8443")],
    ids=["sync", "async", "port"],
)
def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, kind: str, port: str) -> None:
    recorder = Recorder()
    with raw_server(recorder) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", f"chatkit.invalid{port}")
        connection_error(kind, f"https://chatkit.invalid{port}/v1")
    assert recorder.exchanges == []


@pytest.mark.usefixtures("no_proxies")
def test_loopback_bypasses_proxy(
    make_client: MakeClient, recorder: Recorder, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy_recorder = Recorder()
    recorder.answers = [{"id": "cksess_1"}]
    with raw_server(proxy_recorder) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        client = make_client(base_url=server.base_url, **FAST)
        assert client.create_session("u").id == "cksess_1"
    assert proxy_recorder.exchanges == []


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
