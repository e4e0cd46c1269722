"""The meaning of the HTTP library's exceptions.

Only failures of the transport become our errors. Other exceptions are foreign: Ctrl-C, and those of
signal handlers, and of the caller's hooks and transports.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx

from .._effects import Response
from ..errors import APIConnectionError, APIError, APITimeoutError, ChatKitError, ConfigurationError
from .exchange import Exchange
from .limits import OutOfTimeError, TooLargeError
from .signals import exception_chain

BUSY = " while all connections were busy"
_BUSY_CLIENT = (
    "All connections of the HTTP client are busy (PoolTimeout). Run fewer workflows at once, or "
    "pass http_client= with larger limits."
)
_UNTRUSTED = (
    "Its certificate is not trusted. If your network has its own certificate authority, set "
    "SSL_CERT_FILE to its certificates."
)
_PROXY = "Check its address and credentials in HTTPS_PROXY, or add the host to NO_PROXY."
_NETWORK = (
    "Check the network, the proxy settings, and the server's address (base_url or server_url)."
)
_REFUSED = "The connection was refused: the server may be down, or use another port."
_REASONS = {
    ConnectionRefusedError: _REFUSED,
    socket.gaierror: "The name of the host was not resolved.",
}


def deadline_error(detail: str = "", *, may_have_arrived: bool) -> APITimeoutError:
    """The error for an operation whose deadline has passed."""
    error = APITimeoutError(
        f"The call's deadline has passed{detail}. Raise deadline=... to wait longer.",
        may_have_arrived=may_have_arrived,
    )
    error.deadline_passed = True
    return error


def closed_error() -> ConfigurationError:
    """The error for a request on a client that is closed."""
    return ConfigurationError("The client is closed. Make a new one, or close it later.")


def meaning_of(
    error: BaseException, exchange: Exchange, *, closed: bool
) -> ChatKitError | Response | None:
    """Our error for a failure of the transport, or ``None`` for a foreign exception.

    If a hook of the caller raised because of a response's status, the response.
    """
    library = exchange.library
    if isinstance(error, ChatKitError):
        return error
    if not isinstance(error, Exception):
        return None
    failures = (library.TransportError, library.DecodingError, OSError)
    if isinstance(error, (OutOfTimeError, TooLargeError, *failures)):
        return _error_of(error, exchange)
    if closed:
        # httpx raises many kinds of exceptions on a client that another thread has closed.
        return _error_of(error, exchange) if exchange.traced else closed_error()
    if isinstance(error, library.HTTPStatusError):
        # A hook has called raise_for_status().
        return _response_in(error, exchange)
    if isinstance(error, library.ResponseNotRead) and exchange.head is not None:
        # A hook has used the body before it was read.
        status, headers = exchange.head
        return Response(status, headers, b"", exchange.request) if status >= 300 else None
    return None


def _response_in(error: Any, exchange: Exchange) -> Response | None:
    response: httpx.Response = error.response
    with suppress(exchange.library.ResponseNotRead):
        exchange.feed(response.content)
    return None if response.is_success else exchange.answer(response)


def _error_of(error: Exception, exchange: Exchange) -> ChatKitError:
    library = exchange.library
    host = urlsplit(exchange.request.url).hostname
    # Never the exception's own text: a protocol error quotes the header that it rejects.
    kind = type(error).__name__
    if isinstance(error, TooLargeError):
        return APIError(
            f"An event of the stream from {host} is larger than max_response_bytes. Raise it if "
            "you trust the server."
        )
    busy = isinstance(error, library.PoolTimeout)
    # A PoolTimeout proves that the request has not left.
    arrived = exchange.may_have_left and (exchange.traced or not busy)
    if not isinstance(error, (OutOfTimeError, library.TimeoutException)):
        advice, retryable = _advice(error, exchange)
        text = f"No answer from {host} ({kind}). {advice}"
        return APIConnectionError(text, may_have_arrived=arrived, retryable=retryable)
    # httpx's own timeouts come a moment before the deadline.
    if time.monotonic() >= exchange.limit.deadline - 0.01:
        detail = BUSY if busy or exchange.message is None else f" before {host} answered"
        return deadline_error(detail, may_have_arrived=arrived)
    text = f"No answer from {host} in time ({kind}). Raise timeout=... if the server is slow."
    return APITimeoutError(_BUSY_CLIENT if busy else text, may_have_arrived=arrived)


def _advice(error: Exception, exchange: Exchange) -> tuple[str, bool]:
    """The advice for an exception, and whether a retry may help."""
    causes = exception_chain(error)
    # anyio tries each address of a host, and groups the failures.
    causes += [failure for cause in causes for failure in getattr(cause, "exceptions", ())]
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return _UNTRUSTED, False
    if isinstance(error, exchange.library.ProxyError):
        status = exchange.proxy_status
        refusal = "refused the connection" if status is None else f"answered {status}"
        return f"The proxy {refusal}. {_PROXY}", status not in (403, 407)
    for kind, reason in _REASONS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return f"{reason} {_NETWORK}", True
    return _NETWORK, True


def drop_tracebacks(error: BaseException, handled: BaseException | None) -> None:
    """Drop the tracebacks of an exception of the HTTP library, and of its causes.

    The frames below hold headers and bodies. No frame is cleared: that would break coroutines.
    """
    for exception in exception_chain(error, handled):
        exception.__traceback__ = None
