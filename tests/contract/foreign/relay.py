"""A relay between a client and a server that cuts the response to a message.

It recognises the requests that start a run, and cuts only their responses.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass

STARTS_A_RUN = (b'"threads.create"', b'"threads.add_user_message"')


@dataclass(frozen=True)
class Cut:
    """Where the response to a message ends.

    Attributes:
        after: The number of bytes of the response, head included, that reach the client.
        server_notices: Whether the server's connection is closed too.
    """

    after: int
    server_notices: bool = False


class Relay:
    """A port that leads to a server on loopback."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._cut: Cut | None = None
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next(self, cut: Cut) -> None:
        """Cut the response to the next message."""
        self._cut = cut

    def close(self) -> None:
        for open_socket in (self._listener, *self._sockets):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream))
            except OSError:
                client.close()
                continue
            self._sockets.append(server)
            link = _Link(self, client, server)
            for work in (link.forward_requests, link.forward_responses):
                threading.Thread(target=work, daemon=True).start()

    def take_cut(self) -> Cut | None:
        cut, self._cut = self._cut, None
        return cut


class _Link:
    """The connection of a client, and the matching connection to the server."""

    def __init__(self, relay: Relay, client: socket.socket, server: socket.socket) -> None:
        self._relay = relay
        self._client = client
        self._server = server
        self._cut: Cut | None = None
        self._passed = 0

    def forward_requests(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(65536):
                if any(mark in data for mark in STARTS_A_RUN):
                    self._passed = 0
                    self._cut = self._relay.take_cut()
                self._server.sendall(data)
        if self._cut is None or self._cut.server_notices:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)

    def forward_responses(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(65536):
                cut = self._cut
                if cut is not None and self._passed + len(data) > cut.after:
                    self._client.sendall(data[: cut.after - self._passed])
                    self._reset_client()
                    if not cut.server_notices:
                        while self._server.recv(65536):
                            pass
                    break
                self._passed += len(data)
                self._client.sendall(data)
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _reset_client(self) -> None:
        """Reset the client's connection.

        SHUT_RD ends the other thread's ``recv``, without a FIN before the RST.
        """
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            self._client.shutdown(socket.SHUT_RD)
        self._client.close()
