"""The HTTP library: httpx, or httpx2 if the caller passes a client of it.

httpx2 has the API of httpx. This module never imports it: a caller who passes a client of it has
imported it.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any, Protocol, TypeAlias
from urllib.request import getproxies, proxy_bypass

import httpx

from ..errors import ConfigurationError
from .signals import raise_unchanged, signal_exception

HttpLibrary: TypeAlias = ModuleType
"""The module ``httpx`` or ``httpx2``."""


class HTTPClient(Protocol):
    """``httpx.Client`` or ``httpx2.Client``; their requests and responses are alike."""

    def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Any: ...
    def close(self) -> None: ...


class AsyncHTTPClient(Protocol):
    """``httpx.AsyncClient`` or ``httpx2.AsyncClient``."""

    async def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Any: ...
    async def aclose(self) -> None: ...


def library_of(http_client: object, kind: str) -> HttpLibrary:
    """The library of the caller's client, ``Client`` or ``AsyncClient``; httpx for ``None``."""
    if http_client is None:
        return httpx
    for name in ("httpx", "httpx2"):
        module = sys.modules.get(name)
        if module is not None and isinstance(http_client, getattr(module, kind)):
            return module
    raise ConfigurationError(f"http_client must be an httpx.{kind} or an httpx2.{kind}.")


@cache
def body_class(library: HttpLibrary) -> Any:
    """The class of request bodies.

    httpx uses an async generator, and trio warns if that is not exhausted.
    """

    class Body(library.ByteStream):  # type: ignore[misc,name-defined]
        _chunks: Iterator[bytes]

        def __aiter__(self) -> Any:
            self._chunks = iter(self)
            return self

        async def __anext__(self) -> bytes:
            for chunk in self._chunks:
                return chunk
            raise StopAsyncIteration

    return Body


def transport_factory(kind: Callable[..., Any], url: str) -> Callable[..., Any]:
    """A function that makes transports for a server, with a common SSL context.

    A transport is httpx's connections without its client. The client would keep cookies, which can
    link the requests of two athletes. It also logs URLs, and costs a quarter of a request's CPU.
    The function's argument is the number of connections that are kept for later requests.

    Raises:
        ConfigurationError: The proxy or the certificates of the environment can't be used.
    """
    handled = sys.exc_info()[1]

    def make(idle_connections: int) -> Any:
        limits = httpx.Limits(max_keepalive_connections=idle_connections)
        return kind(verify=ssl_context, proxy=proxy, trust_env=False, limits=limits)

    try:
        server = httpx.URL(url)
        proxy = _proxy_for(server)
        if server.scheme == "http":  # needs no certificates; to read them takes 40 ms
            ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        else:  # SSL_CERT_FILE and SSL_CERT_DIR count for loopback, too
            if certificates := os.environ.get("SSL_CERT_FILE"):
                os.stat(certificates)  # httpx 0.27 ignores a file that does not exist
            ssl_context = httpx.create_ssl_context()
        make(0)
    except (ValueError, OSError, ImportError) as error:
        if (exception := signal_exception(error, handled)) is not None:
            raise_unchanged(exception)
        raise ConfigurationError(
            f"The HTTP client can't be set up ({type(error).__name__}). Check the environment's "
            "proxies (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY) and certificates "
            "(SSL_CERT_FILE, SSL_CERT_DIR)."
        ) from error.with_traceback(None)
    return make


def _proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """The environment's proxy for a server; ``None`` for loopback.

    httpx would read each entry of ``NO_PROXY``, and fails for some IPv6 addresses in it. Here only
    the server's host matters.
    """
    with suppress(ValueError):
        if url.host == "localhost" or ipaddress.ip_address(url.host).is_loopback:
            return None
    # A name in NO_PROXY may have a port.
    if proxy_bypass(url.host) or proxy_bypass(url.netloc.decode()):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy is None:
        return None
    with suppress(httpx.InvalidURL):
        # Its repr hides the password.
        return httpx.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    # Drop the cause: it quotes a part of the URL, which may be the password.
    raise ValueError("The proxy's URL is invalid.")
