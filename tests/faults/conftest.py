"""Clients of any server, and servers that several files use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from edn360_chatkit import AsyncChatKitClient, ChatKitClient
from tests.contract.conftest import Blocking, MakeClient
from tests.support.calls import answer_everything
from tests.support.raw_server import RawServer, raw_server
from tests.support.recorder import Recorder


@pytest.fixture(params=["sync", "asyncio", "trio"])
def make_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """Makes clients of the server that ``base_url`` or ``server_url`` names."""
    with ExitStack() as stack:
        portal = None
        if request.param != "sync":
            portal = stack.enter_context(start_blocking_portal(request.param))

        def make(**settings: Any) -> Any:
            hosted = {} if "server_url" in settings else {"api_key": "sk-simulated-key"}
            options = {"workflow_id": "wf_demo", "poll_interval": 0.02, **hosted, **settings}
            if portal is None:
                return stack.enter_context(ChatKitClient(**options))
            client = AsyncChatKitClient(**options)
            stack.callback(portal.call, client.aclose)
            return Blocking(portal, client)

        yield make


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The address of a server that accepts every request."""
    with raw_server(answer_everything) as server:
        yield server.base_url


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def server(recorder: Recorder) -> Iterator[RawServer]:
    with raw_server(recorder) as running:
        yield running
