"""Threads and items of the thread protocol: what its requests return, and to whom."""

from __future__ import annotations

import time
import warnings
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from edn360_chatkit.testing import ChatKitSimulator
from tests.simulator.conftest import MakeHosted
from tests.support.thread_client import (
    ThreadClient,
    chatkit_json,
    error,
    message_input,
    types,
)

with warnings.catch_warnings():
    # openai-chatkit deprecates its own widget classes, and warns when it defines them.
    warnings.simplefilter("ignore", DeprecationWarning)
    from chatkit.types import Page, ThreadItem
    from chatkit.types import Thread as ChatKitThread

pytestmark = pytest.mark.filterwarnings("ignore:Direct usage of named widget classes")


def test_thread_takes_second_message(sim: ChatKitSimulator, client: ThreadClient) -> None:
    thread_id = client.run()[0]["thread"]["id"]
    sim.answer = "text"
    events = client.run("And now?", thread_id=thread_id)
    assert "thread.created" not in types(events)
    assert events[0]["item"]["thread_id"] == thread_id
    items = client.post("items.list", thread_id=thread_id, order="asc").json()["data"]
    kinds = ["user_message", "workflow", "assistant_message"] * 2
    assert [item["type"] for item in items] == kinds


def test_thread_and_items_can_be_read(sim: ChatKitSimulator, client: ThreadClient) -> None:
    sim.every_event = True
    events = client.run()
    thread_id = events[0]["thread"]["id"]
    thread = client.post("threads.get_by_id", thread_id=thread_id).json()
    assert chatkit_json(ChatKitThread.model_validate(thread)) == thread
    items = client.post("items.list", thread_id=thread_id, order="asc").json()
    page = TypeAdapter(Page[ThreadItem]).validate_python(items)
    assert chatkit_json(page) == items == thread["items"]
    assert items["data"][-1] == events[-1]["item"]
    threads = client.post("threads.list").json()
    assert threads["data"] == [{**thread, "items": {"data": [], "has_more": False}}]


def test_items_are_paged(sim: ChatKitSimulator, client: ThreadClient) -> None:
    sim.steps = ["a", "b", "c"]
    thread_id = client.run()[0]["thread"]["id"]
    newest_first = client.newest_items()
    assert newest_first[-1]["type"] == "user_message"
    items: list[dict[str, Any]] = []
    after, more = None, True
    while more:
        page = client.post("items.list", thread_id=thread_id, limit=2, after=after).json()
        items += page["data"]
        more, after = page["has_more"], page.get("after")
        assert (after is not None) == more
    assert items == newest_first


def test_threads_are_paged_newest_first(client: ThreadClient) -> None:
    ids = [client.run("x")[0]["thread"]["id"] for _ in range(3)]
    page = client.post("threads.list", limit=2).json()
    assert [thread["id"] for thread in page["data"]] == [ids[2], ids[1]]
    assert (page["has_more"], page["after"]) == (True, ids[1])
    page = client.post("threads.list", limit=2, after=ids[1]).json()
    assert ([thread["id"] for thread in page["data"]], page["has_more"]) == ([ids[0]], False)
    assert not client.post("threads.list", limit=3).json()["has_more"]


def test_thread_can_be_deleted(client: ThreadClient) -> None:
    thread_id = client.run()[0]["thread"]["id"]
    assert client.post("threads.delete", thread_id=thread_id).json() == {}
    not_found = f"Chatkit Thread with id '{thread_id}' not found."
    for kind in ("threads.get_by_id", "items.list", "threads.delete"):
        assert error(client.post(kind, thread_id=thread_id))[:2] == (404, not_found)
    response = client.post("threads.add_user_message", thread_id=thread_id, input=message_input())
    assert error(response)[:2] == (404, not_found)


@pytest.mark.parametrize(
    ("kind", "params", "at"),
    [
        ("threads.create", {}, "params.input"),
        ("threads.create", {"input": {"content": []}}, "params.input.attachments"),
        (
            "threads.create",
            {"input": message_input(content=[{"type": "text", "text": "x"}])},
            "params.input.content[0].type",
        ),
        ("threads.create", {"input": message_input(attachments=["x"])}, "params.input.attachments"),
        ("threads.add_user_message", {"input": message_input()}, "params.thread_id"),
        ("items.list", {}, "params.thread_id"),
        ("threads.list", {"order": "up"}, "params.order"),
        ("threads.list", {"after": "x"}, "after"),
        ("threads.fly", {}, "type"),
    ],
)
def test_invalid_request_names_parameter(
    sim: ChatKitSimulator, client: ThreadClient, kind: str, params: dict[str, Any], at: str
) -> None:
    status, _, param, _ = error(client.post(kind, **params))
    assert (status, param) == (400, at)
    assert (sim.runs, sim.threads) == (0, {})


def test_unknown_fields_are_ignored(client: ThreadClient) -> None:
    response = client.post("threads.create", input=message_input(mood="good"), colour="red")
    assert response.status_code == 200


def test_conversation_needs_active_session(
    sim: ChatKitSimulator, rest: httpx.Client, hosted: ThreadClient
) -> None:
    (session,) = sim.sessions.values()
    secret = session.data["client_secret"]
    for header in ("", "Bearer ek_wrong", f"Bearer {sim.api_key}", f"Basic {secret}"):
        wrong = ThreadClient(hosted.http, hosted.url, headers={"Authorization": header})
        assert error(wrong.post("threads.list"))[0] == 401
    assert hosted.post("threads.list").status_code == 200
    expires_at, session.data["expires_at"] = session.data["expires_at"], int(time.time())
    assert error(hosted.post("threads.list"))[:2] == (401, "The session is expired.")
    session.data.update(expires_at=expires_at, status="active")
    rest.post(f"/sessions/{session.data['id']}/cancel")
    assert error(hosted.post("threads.list"))[:2] == (401, "The session is cancelled.")


def test_conversation_requires_json_content_type(hosted: ThreadClient) -> None:
    headers = {**hosted.headers, "Content-Type": "text/plain"}
    response = hosted.http.post(hosted.url, content=b"{}", headers=headers)
    assert error(response)[3] == "content_type"


def test_hosted_threads_belong_to_user(make_hosted: MakeHosted) -> None:
    first, again, other = make_hosted("a"), make_hosted("a"), make_hosted("b")
    thread_id = first.run()[0]["thread"]["id"]
    assert again.newest_items()[0]["thread_id"] == thread_id
    assert other.post("threads.list").json()["data"] == []
    assert other.post("threads.get_by_id", thread_id=thread_id).status_code == 404


def test_metadata_names_self_hosted_user(
    sim: ChatKitSimulator, http: httpx.Client, rest: httpx.Client
) -> None:
    clients = [
        ThreadClient(http, sim.server_url, metadata=m) for m in ({"user": "a"}, {"user": "b"}, {})
    ]
    ids = [client.run()[0]["thread"]["id"] for client in clients]
    for client, thread_id in zip(clients, ids, strict=True):
        assert [t["id"] for t in client.post("threads.list").json()["data"]] == [thread_id]
    assert [sim.threads[thread_id].user for thread_id in ids] == ["a", "b", "default"]
    assert rest.get("/threads").json()["data"] == []  # lists hosted threads only
    assert rest.get(f"/threads/{ids[0]}").status_code == 404


def test_hosted_and_self_hosted_threads_are_separate(
    hosted: ThreadClient, self_hosted: ThreadClient
) -> None:
    ids = [client.run()[0]["thread"]["id"] for client in (hosted, self_hosted)]
    for client, mine, other in ((hosted, *ids), (self_hosted, *ids[::-1])):
        assert [thread["id"] for thread in client.post("threads.list").json()["data"]] == [mine]
        assert client.post("threads.get_by_id", thread_id=other).status_code == 404


def test_self_hosted_server_requires_set_headers(sim: ChatKitSimulator, http: httpx.Client) -> None:
    sim.server_headers = {"X-Token": "t-1"}
    for headers in ({}, {"X-Token": "t-2"}):
        assert error(ThreadClient(http, sim.server_url, headers).post("threads.list"))[0] == 401
    allowed = ThreadClient(http, sim.server_url, {"x-token": "t-1"})
    assert allowed.post("threads.list").status_code == 200
