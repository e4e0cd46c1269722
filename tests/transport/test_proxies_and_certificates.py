"""Proxies and certificates: refusals, loopback, and the variables that name them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trustme

from edn360_chatkit import APIConnectionError, ChatKitClient, ConfigurationError
from edn360_chatkit._transport import SyncDriver
from tests.support.raw_server import raw_server, reply
from tests.support.transport import get, settings, status


@pytest.mark.parametrize(("answer", "retryable"), [(407, False), (403, False), (502, True)])
def test_proxy_that_refuses_is_not_retried(
    answer: int, retryable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(lambda exchange: [reply({}, status=answer)]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        driver = SyncDriver(settings("https://api.example.com/v1"), None)
        with pytest.raises(APIConnectionError, match="HTTPS_PROXY") as caught:
            driver.run(get("https://api.example.com/v1"))
        driver.close()
    assert proxy.requests == ["CONNECT api.example.com:443"]
    assert caught.value.retryable is retryable
    assert not caught.value.may_have_arrived


@pytest.mark.parametrize("answer", [407, 403])
def test_client_stops_at_proxy_that_refuses(answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(lambda exchange: [reply({}, status=answer)]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        with ChatKitClient(api_key="sk-1", workflow_id="wf_1", poll_interval=0) as client:
            with pytest.raises(APIConnectionError, match="HTTPS_PROXY"):
                client.create_session("u")
            assert len(proxy.requests) == 1
            with pytest.raises(APIConnectionError, match="HTTPS_PROXY") as caught:
                client.poll_response("cksess_1", after="msg_1")
        assert len(proxy.requests) == 3
    assert caught.value.run is not None


def test_loopback_uses_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with (
        raw_server(lambda exchange: [reply({})]) as server,
        closing(SyncDriver(settings(server.server_url), None)) as driver,
    ):
        assert driver.run(status(server.server_url)) == 200


@pytest.mark.parametrize("no_proxy", ["[::1]", "fd00::/8", "::1", "[::1"])
def test_ipv6_in_no_proxy_is_accepted(no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    SyncDriver(settings("https://api.example.com/v1"), None).close()


def test_unusable_proxy_names_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"HTTPS_PROXY.*NO_PROXY"):
        SyncDriver(settings("https://api.example.com/v1"), None)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key, a certificate for 127.0.0.1, and the authority that signed it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    pem = issued.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes()
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(pem)
    return path


@contextmanager
def tls_server(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(reply({}))
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/chatkit"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_untrusted_certificate_is_not_retried(certificate: Path) -> None:
    with (
        tls_server(certificate) as url,
        closing(SyncDriver(settings(url), None)) as driver,
        pytest.raises(APIConnectionError, match="SSL_CERT_FILE") as caught,
    ):
        driver.run(get(url))
    assert not caught.value.retryable
    assert not caught.value.may_have_arrived


def test_certificate_variable_counts_for_loopback(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with tls_server(certificate) as url, closing(SyncDriver(settings(url), None)) as driver:
        assert driver.run(status(url)) == 200


def test_only_https_reads_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new client needs most of its time for them."""
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    SyncDriver(settings("http://api.example"), None).close()
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        SyncDriver(settings("https://api.example"), None)
