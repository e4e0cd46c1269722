"""The command behind a forward proxy: a server of TLS that only the proxy can reach."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import httpx
import pytest
import trustme

from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator


class Proxy(socketserver.ThreadingTCPServer):
    """Takes CONNECT, ends the TLS of ``chatkit.example.com``, and leads to the simulator."""

    daemon_threads, block_on_close = True, False

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.context, self.port = context, port
        self.requests: list[str] = []


class Tunnel(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        proxy, client = cast("Proxy", self.server), cast("socket.socket", self.request)
        proxy.requests.append(client.recv(65536).decode().split("\r\n")[0])
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with (
            suppress(OSError),
            proxy.context.wrap_socket(client, server_side=True) as secure,
            socket.create_connection(("127.0.0.1", proxy.port)) as server,
        ):
            threading.Thread(target=pump, args=(server, secure), daemon=True).start()
            pump(secure, server)


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy, in an environment that leads to it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path("ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("chatkit.example.com").configure_cert(context)
    monkeypatch.setenv("SSL_CERT_FILE", "ca.pem")
    monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", "https://chatkit.example.com/v1/chatkit")
    with Proxy(context, httpx.URL(sim.base_url).port or 0) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "options", [[], ["--server-url", "https://chatkit.example.com/chatkit"]], ids=["api", "own"]
)
def test_command_works_through_a_proxy(
    options: list[str], proxy: Proxy, sim: ChatKitSimulator
) -> None:
    assert main(["run", "athlete.json", "-o", "out.json", "--poll-interval", "0", *options]) == 0
    assert json.loads(Path("out.json").read_text("utf-8"))["sessions"]
    assert main(["batch", "athlete.json", "-o", "out.jsonl", "--poll-interval", "0", *options]) == 0
    assert json.loads(Path("out.jsonl").read_text("utf-8"))["program"]["sessions"]
    assert set(proxy.requests) == {"CONNECT chatkit.example.com:443 HTTP/1.1"}
    assert sim.runs == 2


def test_server_behind_no_proxy_is_not_reached(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 1
    assert "proxy" in capsys.readouterr().err
    assert not Path("out.json.run").exists()
    assert proxy.requests == []
