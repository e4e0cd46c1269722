"""The simulator, and the clients that talk to it over real HTTP."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import product
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from edn360_chatkit import AsyncChatKitClient, ChatKitClient
from edn360_chatkit.testing import ChatKitSimulator


class Blocking:
    """An async client with sync methods, so that a test can run with either client.

    Its calls run in an event loop in another thread.
    """

    def __init__(self, portal: BlockingPortal, client: AsyncChatKitClient) -> None:
        self.portal = portal
        self.client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        if inspect.iscoroutinefunction(method):
            return lambda *args, **kwargs: self.portal.call(partial(method, *args, **kwargs))
        return method

    def stream_workflow(self, *args: Any, **kwargs: Any) -> Any:
        return BlockingRun(self.portal, self.client.stream_workflow(*args, **kwargs))

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        return BlockingRun(self.portal, self.client.stream_response(*args, **kwargs))


class BlockingRun:
    """An async run with sync methods."""

    def __init__(self, portal: BlockingPortal, run: Any) -> None:
        self.portal = portal
        self.run = run

    def __enter__(self) -> BlockingRun:
        self.portal.call(self.run.__aenter__)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.portal.call(self.run.__aexit__, *exc_info)

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                yield self.portal.call(self.run.__anext__)
            except StopAsyncIteration:
                return

    def get_response(self) -> Any:
        return self.portal.call(self.run.get_response)


MakeClient = Callable[..., Any]

# The clients share the code that checks arguments and reads answers.
sync_only = pytest.mark.parametrize("make_client", ["sync"], indirect=True)

lost_answers = pytest.mark.parametrize(
    ("make_client", "status", "stored"),
    [
        *product(["sync"], [None, 503], [True, False]),
        # The clients share the rule, and reading the list three times takes seconds.
        ("asyncio", 503, True),
        ("trio", None, True),
    ],
    indirect=["make_client"],
)
"""The response to a message is lost. The server has stored the message, or has not."""


@pytest.fixture(scope="session")
def portals() -> Iterator[dict[str, BlockingPortal]]:
    with ExitStack() as stack:
        yield {
            backend: stack.enter_context(start_blocking_portal(backend))
            for backend in ("asyncio", "trio")
        }


@pytest.fixture(params=["sync", "asyncio", "trio"])
def make_client(
    request: pytest.FixtureRequest, sim: ChatKitSimulator, portals: dict[str, BlockingPortal]
) -> Iterator[MakeClient]:
    """Makes clients of the simulator: sync, under asyncio, and under trio."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Any:
            options = {
                "api_key": sim.api_key,
                "base_url": sim.base_url,
                "workflow_id": "wf_demo",
                "poll_interval": 0.01,
                **settings,
            }
            if request.param == "sync":
                return stack.enter_context(ChatKitClient(**options))
            portal = portals[request.param]
            client = AsyncChatKitClient(**options)
            stack.callback(portal.call, client.aclose)
            return Blocking(portal, client)

        yield make


@pytest.fixture
def client(make_client: MakeClient) -> Any:
    return make_client()
