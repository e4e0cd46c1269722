"""One request on its way, and the response to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from .._effects import Request, Response
from .library import HttpLibrary, QuietURL, body_class
from .limits import TimeLimit, TooLargeError, TransportSettings


class Exchange:
    """A request, and what the transport reports of it.

    Attributes:
        limit: The time limit of the request, or of a read in its stream.
        owned: Whether the HTTP client is ours.
        waiting: Whether the request still waits for a place in our pool.
        traced: Whether the transport has reported a step, so that it has a connection.
        sent: Whether bytes of the request may have left.
        head: The status and headers of the response, once they have arrived.
        proxy_status: The status of the proxy's answer to ``CONNECT``.
    """

    def __init__(
        self,
        request: Request,
        settings: TransportSettings,
        library: HttpLibrary,
        *,
        deadline: float,
        owned: bool,
    ) -> None:
        self.request = request
        self.library = library
        self.limit = TimeLimit(deadline)
        self.owned = owned
        self.waiting = True
        self.traced = False
        self.sent = False
        self.head: tuple[int, Mapping[str, str]] | None = None
        self.proxy_status: int | None = None
        self._settings = settings
        self._connecting = False
        self._message: httpx.Request | None = None

    def message(self, http: Any, trace: Any) -> httpx.Request:
        """The request as the HTTP library has it."""
        request = self.request
        self.waiting = False
        message: httpx.Request = http.build_request(
            request.method,
            request.url,
            content=request.content,
            # An answer is tens of kilobytes: it needs no compression.
            headers={**request.headers, "Accept-Encoding": "identity"},
            extensions={
                "timeout": self._settings.steps(request.max_silence, self.limit.left()),
                "trace": trace,
            },
        )
        if not self.owned:
            # The caller's client may have params= of its own, which replace our query. Its hooks
            # and transports may read the text of the URL, so only our client gets a quiet one.
            message.url = self.library.URL(request.url)
        elif b"user=" in message.url.query:
            message.url = QuietURL(message.url)
        if request.content is not None:
            message.stream = body_class(self.library)(request.content)
        self._message = message
        return message

    def authorize(self, message: httpx.Request) -> httpx.Request:
        """Add the credential when the request leaves; also keeps a client's own ``auth`` away."""
        if self.request.credential is not None:
            secret = self.request.credential.get_secret_value()
            message.headers["Authorization"] = f"Bearer {secret}"
        return message

    def remove_credential(self) -> None:
        """Remove the credential: exceptions of httpx keep their request."""
        if self._message is not None and self.request.credential is not None:
            self._message.headers.pop("Authorization", None)

    def may_have_arrived(self) -> bool:
        """Whether the server may have the request; yes for a transport that reports no steps."""
        return self.sent or not (self.traced or self.owned or self.waiting)

    def take_step(self, event: str, info: Mapping[str, Any]) -> None:
        """Take in a step of the request: httpx's ``trace`` extension."""
        if not self.traced:
            self.traced = True
            # The time that a request waits for a connection is not the server's.
            if self._settings.request_seconds is not None:
                silence = self.request.max_silence or 0.0
                self.limit.shorten(max(self._settings.request_seconds, silence))
        if event.endswith(".send_request_headers.started"):
            # A proxy gets a CONNECT before the request.
            self._connecting = info["request"].method == b"CONNECT"
            self.sent = self.sent or not self._connecting
        elif event.endswith(".receive_response_headers.complete"):
            # The places of the status and the headers differ in HTTP/1.1 and HTTP/2.
            parts: tuple[Any, ...] = info["return_value"]
            status = next(part for part in parts if isinstance(part, int))
            if self._connecting:
                self.proxy_status = status
            elif not self.owned:
                # A hook of the caller's may raise before there is a response.
                self.head = status, {
                    name.decode().lower(): text.decode("latin-1") for name, text in parts[-1]
                }


class Content:
    """The body of a response, as it arrives. Its repr does not show it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes | None) -> bool:
        """Add a chunk; returns ``False`` at the end, which is ``None``."""
        if chunk is None:
            return False
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLargeError
        self._chunks.append(chunk)
        return True

    def joined(self) -> bytes:
        """The whole body."""
        return b"".join(self._chunks)


def response_of(response: httpx.Response, request: Request, content: bytes | None) -> Response:
    """A response in our own terms; ``None`` for a body that is larger than the limit."""
    # httpx gives the names in lower case.
    headers = dict(response.headers.items())
    too_large = content is None
    return Response(response.status_code, headers, content or b"", request, too_large)
