"""A request in flight, and its response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from .._effects import Request, Response
from .library import HttpLibrary, body_class
from .limits import TimeLimit, TooLargeError, TransportSettings
from .pool import Pool, Shard


@dataclass(eq=False, repr=False)
class Exchange:
    """A request, and the transport's reports about it.

    Attributes:
        limit: The time limit of the request, or of a read in its stream.
        pool: The connections that it uses.
        shard: The HTTP client that it uses, once it has a place there.
        traced: Whether the transport has reported a step, so that it has a connection.
        may_have_left: Whether bytes of the request may have left.
        message: The request as the HTTP library has it.
        head: The status and headers of the response, once they have arrived.
        proxy_status: The status of the proxy's answer to ``CONNECT``.
    """

    request: Request
    settings: TransportSettings
    library: HttpLibrary
    limit: TimeLimit
    pool: Pool
    shard: Shard | None = None
    traced: bool = False
    may_have_left: bool = False
    message: httpx.Request | None = None
    head: tuple[int, httpx.Headers] | None = None
    proxy_status: int | None = None
    _body: bytearray = field(default_factory=bytearray)
    _connecting: bool = False

    def leave(self) -> None:
        """Give the place back."""
        if self.shard is not None:
            self.pool.leave(self.shard)

    def make_message(self, http: Any, trace: Any) -> httpx.Request:
        """Make the request as the HTTP library has it."""
        request, owned = self.request, self.pool.owned
        # A transport of the caller's may report no steps.
        self.may_have_left = not owned
        make = self.library.Request if owned else http.build_request
        message: httpx.Request = make(
            request.method,
            request.url,
            content=request.content,
            # An answer is tens of kilobytes: it needs no compression.
            headers={**request.headers, "Accept-Encoding": "identity"},
            extensions={
                "timeout": self.settings.steps(request.max_silence, self.limit.remaining()),
                "trace": trace,
            },
        )
        if not owned:
            # The caller's client may have ``params=``, which replace our query.
            message.url = self.library.URL(request.url)
        if request.content is not None:
            message.stream = body_class(self.library)(request.content)
        if request.credential is not None:
            secret = request.credential.get_secret_value
            message.headers["Authorization"] = f"Bearer {secret()}"
        self.message = message
        return message

    def remove_credential(self) -> None:
        """Remove the credential: exceptions of httpx keep their request."""
        if self.message is not None and self.request.credential is not None:
            # A hook of the caller may have removed it.
            self.message.headers.pop("Authorization", None)

    def take_step(self, event: str, info: Mapping[str, Any]) -> None:
        """Handle a step of the request, from httpx's ``trace`` extension."""
        if not self.traced:
            self.traced, self.may_have_left = True, False
            # The timeout of the server starts after the wait for a connection.
            if self.settings.request_seconds is not None:
                silence = self.request.max_silence or 0.0
                self.limit.shorten(max(self.settings.request_seconds, silence))
        step = event.partition(".")[2]
        if step == "send_request_headers.started":
            # A proxy gets a CONNECT before the request.
            self._connecting = info["request"].method == b"CONNECT"
            self.may_have_left = self.may_have_left or not self._connecting
        elif step == "receive_response_headers.complete":
            # The places of the status and the headers differ in HTTP/1.1 and HTTP/2.
            parts: tuple[Any, ...] = info["return_value"]
            status = next(part for part in parts if isinstance(part, int))
            if self._connecting:
                self.proxy_status = status
            elif not self.pool.owned:
                # A hook of the caller may raise before there is a response.
                self.head = status, httpx.Headers(parts[-1])

    def feed(self, chunk: bytes | None) -> bool:
        """Add a chunk to the body; returns ``False`` at the end, which is ``None``."""
        if chunk is None:
            return False
        if len(self._body) + len(chunk) > self.settings.max_response_bytes:
            raise TooLargeError
        self._body += chunk
        return True

    def answer(self, response: httpx.Response, *, too_large: bool = False) -> Response:
        """The response in our own terms, with the body that was fed."""
        content = b"" if too_large else bytes(self._body)
        # The HTTP library's request refers to this object until it is collected.
        self._body.clear()
        return Response(response.status_code, response.headers, content, self.request, too_large)
