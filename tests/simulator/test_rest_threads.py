"""The REST endpoints of threads, in what OpenAI's own client does not show."""

from __future__ import annotations

import time

import httpx
import pytest

from edn360_chatkit.testing import ChatKitSimulator
from tests.support.thread_client import ThreadClient, error


def test_rest_lists_items_of_thread(
    sim: ChatKitSimulator, rest: httpx.Client, hosted: ThreadClient
) -> None:
    sim.end_of_turn = True
    thread_id = hosted.run()[0]["thread"]["id"]
    thread = rest.get(f"/threads/{thread_id}").json()
    assert thread.pop("created_at") == pytest.approx(time.time(), abs=2)
    assert thread == {
        "id": thread_id,
        "object": "chatkit.thread",
        "title": "Simulated training program",
        "user": "athlete-1",
        "status": {"type": "active"},
    }
    page = rest.get(f"/threads/{thread_id}/items").json()
    assert [item["type"] for item in page["data"]] == [
        "chatkit.assistant_message",
        "chatkit.task_group",
        "chatkit.user_message",
    ]
    ids = [item["id"] for item in page["data"]]
    listable = [item for item in hosted.newest_items() if item["type"] != "end_of_turn"]
    assert ids == [item["id"] for item in listable]
    assert page["data"][0]["content"] == listable[0]["content"]
    assert (page["object"], page["has_more"]) == ("list", False)
    assert (page["first_id"], page["last_id"]) == (ids[0], ids[-1])


def test_list_respects_after_before_and_limit(rest: httpx.Client, hosted: ThreadClient) -> None:
    ids = [hosted.run("x")[0]["thread"]["id"] for _ in range(4)]

    def listed(query: str) -> tuple[list[int], bool]:
        page = rest.get(f"/threads?{query}").json()
        return [ids.index(thread["id"]) for thread in page["data"]], page["has_more"]

    assert listed("") == ([3, 2, 1, 0], False)
    assert listed("order=asc&limit=3") == ([0, 1, 2], True)
    assert listed(f"after={ids[2]}") == ([1, 0], False)
    assert listed(f"before={ids[0]}&limit=2") == ([2, 1], True)
    assert listed(f"after={ids[3]}&before={ids[0]}&order=desc") == ([2, 1], False)
    assert listed("limit=0") == ([], True)


@pytest.mark.parametrize("path", ["/threads", "/threads/{id}/items"])
@pytest.mark.parametrize("query", ["limit=101", "limit=x", "order=up", "offset=1", "after=x"])
def test_list_refuses_unknown_parameters(
    rest: httpx.Client, hosted: ThreadClient, path: str, query: str
) -> None:
    path = path.format(id=hosted.run("x")[0]["thread"]["id"])
    status, _, param, _ = error(rest.get(f"{path}?{query}"))
    assert (status, param) == (400, query.partition("=")[0])


def test_rest_endpoints_require_key_and_beta_header(rest: httpx.Client) -> None:
    assert error(rest.get("/threads", headers={"Authorization": "Bearer x"}))[0] == 401
    assert error(rest.get("/threads", headers={"OpenAI-Beta": ""}))[3] == "invalid_beta"
