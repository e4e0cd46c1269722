"""The time limit of sync requests, for which the package patches httpcore's network stream."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import httpx
import httpx2
import pytest

from edn360_chatkit import APITimeoutError
from edn360_chatkit._transport import SyncDriver
from edn360_chatkit._transport.limits import OutOfTimeError, TimeLimit, limit_network_stream
from edn360_chatkit._transport.pending import NO_EFFECT
from tests.support.patience import growing
from tests.support.raw_server import Exchange, dribble, raw_server, reply
from tests.support.transport import get, settings


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_network_stream_of_httpcore_can_be_limited(library: Any) -> None:
    """This test fails if httpcore changes the attributes that the patch needs."""
    with raw_server(lambda exchange: [reply({})]) as server, library.Client() as http:
        with http.stream("GET", server.server_url) as response:
            stream = response.extensions["network_stream"]
            read, write = stream.read, stream.write
            limit_network_stream(stream)
            assert stream.read is not read
            assert stream.write is not write
            limited = stream.read
            limit_network_stream(stream)
            assert stream.read is limited
            assert response.read() == b"{}"
        limit = TimeLimit(time.monotonic() + 60, NO_EFFECT)
        with limit:
            limit.until = 0.0
            with pytest.raises(OutOfTimeError):
                http.get(server.server_url)


@pytest.mark.parametrize("library", [None, httpx, httpx2])
def test_slow_response_ends_with_the_deadline(library: Any) -> None:
    """The limit holds on a new connection and on a reused connection."""
    ended: list[str] = []

    def answer(exchange: Exchange) -> Iterable[bytes]:
        if len(server.requests) > 1:
            # The package sees no part of the response before the end of its head.
            yield from dribble(reply({}, headers=f"x-long: {'x' * 300}\r\n"), every=0.1)
        yield reply({})
        ended.append(exchange.line)

    http = library and library.Client()
    with raw_server(answer) as server:
        driver = SyncDriver(settings(server.server_url), http)
        driver.run(get(server.server_url))
        for _ in range(2):
            for deadline in growing(0.4):
                with pytest.raises(APITimeoutError) as caught:
                    driver.run(get(server.server_url), deadline=deadline)
                assert caught.value.deadline_passed
                if caught.value.may_have_arrived:
                    break
            assert caught.value.may_have_arrived
        assert len(ended) == 1
        driver.close()
        if http is not None:
            http.close()
