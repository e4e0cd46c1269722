"""Records the requests that reach a raw server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from edn360_chatkit import ChatKitClient
from tests.support.raw_server import Exchange, RawServer, reply

KEY = "sk-simulated-key"
FAST: dict[str, Any] = {"max_retries": 0, "max_attempts": 1, "workflow_id": "wf_demo"}


class Recorder:
    """Answers a raw server's requests in order, and repeats the last answer."""

    def __init__(self) -> None:
        self.answers: list[Any] = [{}]
        self.exchanges: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> Iterable[bytes]:
        self.exchanges.append(exchange)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [answer if isinstance(answer, bytes) else reply(answer)]

    def take(self) -> list[Exchange]:
        """Return the requests since the last call."""
        exchanges, self.exchanges = self.exchanges, []
        return exchanges


def headers_of(exchange: Exchange) -> dict[str, str]:
    """The headers by their names in lower case; no name occurs twice."""
    lines = exchange.head.decode("latin-1").split("\r\n")[1:]
    pairs = [line.partition(": ") for line in lines]
    names = [name.lower() for name, _, _ in pairs]
    assert len(names) == len(set(names))
    return {name.lower(): value for name, _, value in pairs}


@contextmanager
def client_of(server: RawServer, **more: Any) -> Iterator[ChatKitClient]:
    options = {"api_key": KEY, "base_url": server.base_url, **FAST, **more}
    with ChatKitClient(**options) as client:
        yield client
