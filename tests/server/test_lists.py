"""Lists of threads and of items."""

from __future__ import annotations

from typing import Any

from tests.server.conftest import Serve
from tests.support.own_server import (
    User,
    message,
    stored,
    thread_of,
)


def pages(user: User, type: str, **params: Any) -> tuple[list[str], list[int]]:
    """The ids on all pages, and the size of each page."""
    ids: list[str] = []
    sizes: list[int] = []
    after: str | None = None
    while True:
        page = user.get(type, **params, **({"after": after} if after else {}))
        ids += [row["id"] for row in page["data"]]
        sizes.append(len(page["data"]))
        if not page["has_more"]:
            assert "after" not in page
            return ids, sizes
        after = page["after"]
        assert after == ids[-1]
        assert len(set(ids)) == len(ids)


def test_items_are_paged_in_both_orders(user: User) -> None:
    thread_id = thread_of(user.run())
    for _ in range(11):
        user.run_in(thread_id)
    ids = [item["id"] for item in user.items(thread_id)]
    assert len(set(ids)) == 24
    asc = {"thread_id": thread_id, "order": "asc"}
    desc = {"thread_id": thread_id, "order": "desc"}
    assert pages(user, "items.list", **asc, limit=5) == (ids, [5, 5, 5, 5, 4])
    assert pages(user, "items.list", **desc, limit=5) == (ids[::-1], [5, 5, 5, 5, 4])
    assert pages(user, "items.list", **desc, limit=12) == (ids[::-1], [12, 12])
    assert pages(user, "items.list", thread_id=thread_id) == (ids[::-1], [20, 4])
    assert pages(user, "items.list", **asc, limit=-3)[1] == [1] * 24
    after = user.get("items.list", **asc, after=ids[21])
    assert [item["id"] for item in after["data"]] == ids[22:]

    thread = user.get("threads.get_by_id", thread_id=thread_id)  # it shows the oldest 20
    assert thread["items"]["data"] == user.items(thread_id)[:20]
    assert thread["items"]["has_more"] is True


def test_threads_are_paged_in_both_orders(user: User) -> None:
    ids = [thread_of(user.run()) for _ in range(5)]
    assert pages(user, "threads.list", order="asc", limit=2) == (ids, [2, 2, 1])
    assert pages(user, "threads.list", limit=2) == (ids[::-1], [2, 2, 1])


def test_page_after_unknown_item_is_refused(user: User) -> None:
    response = user.ask("items.list", thread_id=thread_of(user.run()), after="msg_none")
    assert response.status_code == 404
    assert "msg_none" in response.json()["error"]["message"]


def test_users_see_only_own_threads(user: User) -> None:
    eve = User(user.http, "eve")
    thread_id = thread_of(user.run())
    here = {"thread_id": thread_id}
    assert eve.get("threads.list")["data"] == []
    requests: dict[str, dict[str, Any]] = {
        "threads.get_by_id": here,
        "items.list": here,
        "threads.update": {**here, "title": "mine"},
        "threads.delete": here,
        "threads.add_user_message": {**here, "input": message()},
    }
    for name, params in requests.items():
        assert eve.ask(name, **params).status_code == 404, name

    assert [thread["id"] for thread in user.get("threads.list")["data"]] == [thread_id]
    assert len(user.items(thread_id)) == 2


def test_thread_is_renamed_and_deleted(serve: Serve) -> None:
    server = serve()
    thread_id = thread_of(server.run())
    server.get("threads.update", thread_id=thread_id, title="March")
    assert server.get("threads.list")["data"][0]["title"] == "March"
    assert server.get("threads.delete", thread_id=thread_id) == {}
    assert server.ask("threads.get_by_id", thread_id=thread_id).status_code == 404
    assert stored(server.database) == []
