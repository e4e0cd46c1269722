"""The events, the answer and the errors of a run."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edn360_chatkit.server import report_progress
from tests.server.conftest import Serve
from tests.support.own_server import (
    ROOT_KEY,
    User,
    answer,
    done,
    message,
    texts,
    thread_of,
)
from tests.support.patience import PATIENCE


def test_events_of_run_arrive_in_order(serve: Serve) -> None:
    async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        report_progress("Planning")
        await asyncio.to_thread(report_progress, "Choosing")
        return {"title": "T", "sessions": []}

    events = serve(run).run({"user_profile": {}})

    def label(event: dict[str, Any]) -> str:
        kind = event.get("item", {}).get("type")
        return " ".join(filter(None, [event["type"], kind, event.get("text")]))

    assert [label(event) for event in events] == [
        "thread.created",
        "thread.item.done user_message",
        "stream_options",
        "progress_update Running the workflow",
        "progress_update Planning",
        "progress_update Choosing",
        "thread.item.done assistant_message",
    ]
    assert events[2]["stream_options"] == {"allow_cancel": False}
    assert answer(events) == {ROOT_KEY: {"title": "T", "sessions": []}}


def test_input_and_answer_pass_unchanged(user: User) -> None:
    data = {"user_profile": {"user_id": "ana"}, "text": "línea\u2028párrafo\u2029\u0085\r\n🏋"}
    assert answer(user.run(data))[ROOT_KEY]["input"] == data


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ("with the root key", f'{{"{ROOT_KEY}":{{"title":"T"}},"beside":1}}'),
        ("with error null", f'{{"{ROOT_KEY}":{{"title":"T","error":null}}}}'),
        ("with an error", '{"error":{"message":"no"}}'),
        ("returns text", "```json\n{}\n```"),
        ("returns a list", f'[{{"{ROOT_KEY}":{{"title":"T"}}}}]'),
        ("with half a character", f'{{"{ROOT_KEY}":{{"title":"half �"}}}}'),
        (
            "with what JSON lacks",
            f'{{"{ROOT_KEY}":{{"at":"2026-01-05T00:00:00","weeks":null,"reps":"8-10"}}}}',
        ),
    ],
)
def test_returned_program_is_wrapped_once(user: User, outcome: str, text: str) -> None:
    assert texts(done(user.run({"outcome": outcome}))) == [text]


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ("raises", "ValueError: no such athlete"),
        ("is cancelled", "CancelledError"),
        ("exits", "SystemExit: 3"),
        ("interrupts", "KeyboardInterrupt"),
        ("returns nothing", "returned nothing"),
    ],
)
def test_failed_run_says_why(user: User, outcome: str, says: str) -> None:
    events = user.run({"outcome": outcome})
    assert list(answer(events)) == ["error"]
    assert says in answer(events)["error"]["message"]
    assert user.items(thread_of(events))[-1] == done(events)[-1]


@pytest.mark.parametrize(
    ("text", "says"), [("hello", "JSONDecodeError"), ("[1]", "no JSON object"), ("", "JSONDecode")]
)
def test_message_without_object_gets_error(user: User, text: str, says: str) -> None:
    assert says in answer(user.run(text))["error"]["message"]


def test_thread_takes_several_runs(user: User) -> None:
    thread_id = thread_of(user.run({"number": 1}))
    events = user.run_in(thread_id, {"number": 2})

    assert events[0]["type"] == "thread.item.done"  # no second thread.created
    items = user.items(thread_id)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"] * 2
    numbers = [json.loads(text)[ROOT_KEY]["input"]["number"] for text in texts(items)]
    assert numbers == [1, 2]
    assert len({item["id"] for item in items}) == 4


def test_concurrent_runs_stay_separate(serve: Serve) -> None:
    together = 20
    waiting: set[int] = set()

    async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        number = edn360_input["number"]
        waiting.add(number)
        while len(waiting) < together:  # this ends only if all runs are in flight at once
            await asyncio.sleep(0.005)
        report_progress(f"step of {number}")
        return {"number": number}

    server = serve(run)
    users = [User(server.http, f"user-{number}") for number in range(together)]
    with ThreadPoolExecutor(together) as pool:
        runs = list(pool.map(lambda n: users[n].run({"number": n}), range(together)))

    for number, events in enumerate(runs):
        assert answer(events) == {ROOT_KEY: {"number": number}}
        progress = [event["text"] for event in events if event["type"] == "progress_update"]
        assert progress == ["Running the workflow", f"step of {number}"]
        assert len(users[number].items(thread_of(events))) == 2


def test_progress_of_worker_thread_is_reported(serve: Serve) -> None:
    arrived = threading.Event()

    def work() -> bool:
        report_progress("in a thread")
        return arrived.wait(PATIENCE)

    async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        return {"seen": await asyncio.to_thread(work)}

    for event in (events := serve(run).stream("threads.create", input=message())):
        if event.get("text") == "in a thread":
            arrived.set()
            break
    assert answer(list(events)) == {ROOT_KEY: {"seen": True}}


def test_odd_progress_does_not_end_run(serve: Serve) -> None:
    async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        for progress in (None, 5, "half \ud83c"):
            report_progress(progress)  # type: ignore[arg-type]
        return {"title": "T"}

    events = serve(run).run()
    progress = [event["text"] for event in events if event["type"] == "progress_update"]
    assert progress == ["Running the workflow", "None", "5", "half \ufffd"]
    assert answer(events) == {ROOT_KEY: {"title": "T"}}


def test_progress_outside_run_is_ignored() -> None:
    report_progress("nobody listens")
