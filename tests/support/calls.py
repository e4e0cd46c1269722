"""Calls any method of a sync or an async client by its name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from tests.contract.conftest import Blocking
from tests.support.raw_server import Exchange, reply

FAST: dict[str, Any] = {"max_retries": 0, "max_attempts": 1, "deadline": 60}
HOSTED: dict[str, Any] = {"api_key": "sk-simulated-key", "workflow_id": "wf_demo", **FAST}
UNREACHABLE = "http://127.0.0.1:1"


async def read_all(pages: AsyncIterator[Any]) -> list[Any]:
    return [entry async for entry in pages]


def call(client: Any, name: str, *args: Any, **options: Any) -> Any:
    """Call a method of a client of any kind, and read a list to its end."""
    resource, _, method = name.rpartition(".")
    is_list = method in ("list", "items")

    def start(owner: Any) -> Any:
        return getattr(getattr(owner, resource) if resource else owner, method)(*args, **options)

    async def run() -> Any:
        result = start(client.client)
        if is_list:
            return await read_all(result)
        return result if method.startswith("stream_") else await result

    if isinstance(client, Blocking):
        return client.portal.call(run)
    return list(start(client)) if is_list else start(client)


def answer_everything(exchange: Exchange) -> Iterator[bytes]:
    """Answer every request in a way that its method accepts."""
    yield reply({"id": "x_1", "deleted": True, "client_secret": "ek_1", "data": []})
