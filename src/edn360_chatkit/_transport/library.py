"""The HTTP library: httpx, or httpx2 where the caller passes one of its clients.

httpx2 has the same API in a module of another name. It is never imported here: a client of it can
only exist where the caller has imported it.
"""

from __future__ import annotations

import ipaddress
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import Any, Protocol, TypeAlias
from urllib.request import getproxies, proxy_bypass

import httpx

from ..errors import ConfigurationError

HttpLibrary: TypeAlias = ModuleType
"""The module ``httpx`` or ``httpx2``."""


class HTTPClient(Protocol):
    """``httpx.Client`` or ``httpx2.Client``; their requests and responses are alike."""

    @property
    def is_closed(self) -> bool: ...
    def build_request(
        self, method: str, url: str, *, content: bytes | None, extensions: dict[str, Any]
    ) -> Any: ...
    def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Any: ...
    def close(self) -> None: ...


class AsyncHTTPClient(Protocol):
    """``httpx.AsyncClient`` or ``httpx2.AsyncClient``."""

    @property
    def is_closed(self) -> bool: ...
    def build_request(
        self, method: str, url: str, *, content: bytes | None, extensions: dict[str, Any]
    ) -> Any: ...
    async def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Any: ...
    async def aclose(self) -> None: ...


def library_of(http_client: object, kind: str) -> HttpLibrary:
    """The library of the caller's client; httpx for ``None``.

    Args:
        http_client: The client.
        kind: The name of its class, ``"Client"`` or ``"AsyncClient"``.

    Raises:
        ConfigurationError: It is another object.
    """
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

    class Body(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc,name-defined]
        def __init__(self, content: bytes) -> None:
            self._content = content

        def __iter__(self) -> Iterator[bytes]:
            return iter([self._content])

        def __aiter__(self) -> AsyncIterator[bytes]:
            self._chunks = iter(self)
            return self

        async def __anext__(self) -> bytes:
            for chunk in self._chunks:
                return chunk
            raise StopAsyncIteration

    return Body


class ClientFactory:
    """Makes HTTP clients of ours for one server; they share one SSL context.

    Raises:
        ConfigurationError: The proxy or the certificates of the environment can't be used.
    """

    def __init__(self, kind: Callable[..., Any], url: str, connections: int) -> None:
        self._kind = kind
        self._connections = connections
        try:
            self._proxy = _proxy_for(httpx.URL(url))
            # SSL_CERT_FILE and SSL_CERT_DIR count for loopback, too.
            self._ssl_context: ssl.SSLContext = httpx.create_ssl_context()
            self(False)
        except (ValueError, OSError, ImportError, httpx.InvalidURL) as error:
            raise ConfigurationError(
                f"The HTTP client can't be set up ({type(error).__name__}). Check the "
                "environment's proxies (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY) and "
                "certificates (SSL_CERT_FILE, SSL_CERT_DIR)."
            ) from error.with_traceback(None)

    def __call__(self, streaming: bool) -> Any:
        """Make a client for streams, whose connections are not used again, or for requests."""
        kept = 0 if streaming else self._connections
        return self._kind(
            verify=self._ssl_context,
            proxy=self._proxy,
            trust_env=False,
            limits=httpx.Limits(max_connections=self._connections, max_keepalive_connections=kept),
            # A cookie could tie the requests of one athlete to those of another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )


def _proxy_for(url: httpx.URL) -> str | None:
    """The environment's proxy for a server; none for loopback.

    httpx would read ``NO_PROXY`` for all hosts, and fails with some IPv6 addresses in it. Here
    only one host matters.
    """
    if _is_loopback(url.host) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class QuietURL(httpx.URL):
    """A URL whose text has no query: httpx logs it at INFO, and the query names an athlete."""

    def __str__(self) -> str:
        return str(self.copy_with(query=None))

    def __repr__(self) -> str:
        return repr(self.copy_with(query=None))
