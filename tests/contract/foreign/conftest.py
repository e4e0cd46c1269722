"""Servers of other authors, each started once, and their clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache

import pytest

from edn360_chatkit import ChatKitClient
from tests.contract.foreign import processes
from tests.contract.foreign.model import ScriptedModel
from tests.contract.foreign.relay import Relay

COMMANDS: dict[str, tuple[Callable[[], list[str]], str]] = {
    "openai-chatkit, Responses": (processes.agents_command, "/responses"),
    "openai-chatkit, Chat Completions": (processes.agents_command, "/chat"),
    "adk-chatkit": (processes.adk_command, "/chatkit"),
    "chatkit-node-backend-sdk": (processes.node_command, "/chatkit"),
}


@dataclass
class ForeignServer:
    """A server behind a relay.

    Attributes:
        name: The name of its package, and the API through which it calls the model.
        path: The path of its ChatKit endpoint.
        relay: Clients connect to it, and it can cut a response.
        model: Counts the runs.
    """

    name: str
    path: str
    relay: Relay
    model: ScriptedModel
    _clients: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.relay.port}{self.path}"

    def make_client(self, **options: float) -> ChatKitClient:
        """A client with short pauses, closed after the test."""
        settings: dict[str, float] = {"poll_interval": 0.1, "max_attempts": 50, **options}
        client = ChatKitClient(server_url=self.url, **settings)  # type: ignore[arg-type]
        return self._clients.enter_context(client)


@pytest.fixture(scope="session")
def model() -> Iterator[ScriptedModel]:
    model = ScriptedModel()
    yield model
    model.close()


@pytest.fixture(scope="session")
def port_of(model: ScriptedModel) -> Iterator[Callable[[Callable[[], list[str]]], int]]:
    """Starts a server at its first use, and returns its port."""
    with ExitStack() as stack:

        @cache
        def start(command: Callable[[], list[str]]) -> int:
            return stack.enter_context(processes.serve(command(), model.url))

        yield start


# This process serves two of the four servers. `make test` starts only this process.
QUICK = processes.agents_command


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if command is QUICK else pytest.mark.slow)
        for name, (command, _) in COMMANDS.items()
    ]
)
def server(
    request: pytest.FixtureRequest,
    model: ScriptedModel,
    port_of: Callable[[Callable[[], list[str]]], int],
) -> Iterator[ForeignServer]:
    command, path = COMMANDS[request.param]
    relay = Relay(port_of(command))
    server = ForeignServer(request.param, path, relay, model)
    with server._clients:
        yield server
    relay.close()
