"""Clients of the simulator that are not ours: REST, and both endpoints of the thread protocol."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE
from tests.support.thread_client import ThreadClient


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def rest(sim: ChatKitSimulator) -> Iterator[httpx.Client]:
    """Sends the headers that the REST endpoints require."""
    headers = {"Authorization": f"Bearer {sim.api_key}", "OpenAI-Beta": "chatkit_beta=v1"}
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx would read certificates
    options: dict[str, Any] = {"headers": headers, "timeout": PATIENCE, "verify": plain}
    with httpx.Client(base_url=sim.base_url, **options) as client:
        yield client


SESSION = {"workflow": {"id": "wf_demo"}, "user": "athlete-1"}


@pytest.fixture
def session_id(rest: httpx.Client) -> str:
    session_id: str = rest.post("/sessions", json=SESSION).json()["id"]
    return session_id


MakeHosted = Callable[..., ThreadClient]


@pytest.fixture
def make_hosted(http: httpx.Client, rest: httpx.Client) -> MakeHosted:
    """Creates a session for a user, and returns its client."""

    def make(user: str = "athlete-1", **settings: Any) -> ThreadClient:
        body = {**SESSION, "user": user, **settings}
        secret = rest.post("/sessions", json=body).json()["client_secret"]
        return ThreadClient(
            http, f"{rest.base_url}conversation", headers={"Authorization": f"Bearer {secret}"}
        )

    return make


@pytest.fixture
def hosted(make_hosted: MakeHosted) -> ThreadClient:
    return make_hosted()


@pytest.fixture
def self_hosted(http: httpx.Client, sim: ChatKitSimulator) -> ThreadClient:
    return ThreadClient(http, sim.server_url, metadata={"user": "athlete-1"})


@pytest.fixture(params=["hosted", "self_hosted"])
def client(request: pytest.FixtureRequest) -> ThreadClient:
    client: ThreadClient = request.getfixturevalue(request.param)
    return client
