"""What httpx's exceptions mean: above all, whether the server may have got the request."""

from __future__ import annotations

import httpx
import pytest

from edn360_chatkit import APIConnectionError, APITimeoutError
from edn360_chatkit._effects import Request
from edn360_chatkit._transport.http import error_of

REQUEST = Request("POST", "https://api.example/sessions")


@pytest.mark.parametrize(
    ("failure", "cls", "arrived"),
    [
        (httpx.ConnectError, APIConnectionError, False),
        (httpx.ConnectTimeout, APITimeoutError, False),
        (httpx.PoolTimeout, APITimeoutError, False),
        (httpx.ProxyError, APIConnectionError, False),
        (httpx.ReadTimeout, APITimeoutError, True),
        (httpx.WriteTimeout, APITimeoutError, True),
        (httpx.ReadError, APIConnectionError, True),
        (httpx.WriteError, APIConnectionError, True),
        (httpx.RemoteProtocolError, APIConnectionError, True),
    ],
)
def test_only_what_never_had_a_connection_never_arrived(
    failure: type[httpx.TransportError], cls: type[APIConnectionError], arrived: bool
) -> None:
    error = error_of(failure("hidden"), REQUEST)
    assert type(error) is cls
    assert error.may_have_arrived is arrived
    assert "hidden" not in str(error)
