"""The events of a run in the thread protocol, without our clients."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from httpx_sse import EventSource

from edn360_chatkit import EnrichedTrainingProgram
from edn360_chatkit.program.model import ROOT_KEY
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import growing
from tests.support.thread_client import (
    EVENT,
    TEXT,
    ThreadClient,
    chatkit_json,
    events_of,
    has_program,
    message_input,
    stored_items,
    types,
    updates,
)

pytestmark = pytest.mark.filterwarnings("ignore:Direct usage of named widget classes")


def test_events_validate_with_chatkit_types(sim: ChatKitSimulator, client: ThreadClient) -> None:
    sim.steps, sim.every_event, sim.end_of_turn, sim.notice = True, True, True, "Be patient."
    response = client.post("threads.create", input=message_input())
    frames = response.content.split(b"\n\n")
    assert frames.pop() == b""
    for frame in frames:
        assert frame.startswith(b"data: ")
        event = json.loads(frame[6:])
        assert chatkit_json(EVENT.validate_python(event)) == event


def test_stream_starts_with_thread_message_options(self_hosted: ThreadClient) -> None:
    created, message, options, progress = self_hosted.run()[:4]
    assert created["type"] == "thread.created"
    assert created["thread"]["items"] == {"data": [], "has_more": False}
    assert (message["type"], message["item"]["type"]) == ("thread.item.done", "user_message")
    assert message["item"]["content"] == [{"type": "input_text", "text": TEXT}]
    assert message["item"]["thread_id"] == created["thread"]["id"]
    assert options == {"type": "stream_options", "stream_options": {"allow_cancel": True}}
    assert (progress["type"], progress["icon"]) == ("progress_update", "bolt")


def test_last_message_has_program(client: ThreadClient) -> None:
    events = client.run()
    assert events[-1]["type"] == "thread.item.done"
    text = events[-1]["item"]["content"][0]["text"]
    EnrichedTrainingProgram.model_validate(json.loads(text)[ROOT_KEY])


def test_each_step_is_one_message(sim: ChatKitSimulator, client: ThreadClient) -> None:
    sim.steps = True
    texts = [item["content"][0]["text"] for item in stored_items(client.run())]
    assert [next(iter(json.loads(text))) for text in texts] == [
        "profile",
        "questionnaire_normalized",
        "training_plan",
        ROOT_KEY,
    ]


@pytest.mark.parametrize(("size", "count"), [(1, 26), (7, 4), (26, 1), (0, 1)])
def test_deltas_have_set_size(
    sim: ChatKitSimulator, self_hosted: ThreadClient, size: int, count: int
) -> None:
    sim.answer, sim.delta_size = (lambda text: "abcdefghijklmnopqrstuvwxyz"), size
    part = "assistant_message.content_part."
    parts = [update for update in updates(self_hosted.run()) if update["type"].startswith(part)]
    kinds = [update["type"].removeprefix(part) for update in parts]
    assert kinds == ["added", *["text_delta"] * count, "done"]
    assert "".join(u["delta"] for u in parts[1:-1]) == "abcdefghijklmnopqrstuvwxyz"
    assert parts[-1]["content"]["text"] == "abcdefghijklmnopqrstuvwxyz"


def test_messages_can_be_sent_without_deltas(
    sim: ChatKitSimulator, self_hosted: ThreadClient
) -> None:
    sim.delta_size = None
    events = self_hosted.run()
    assert not any("content_part" in update["type"] for update in updates(events))
    assert has_program(stored_items(events)[0])


def test_workflow_item_has_tasks(self_hosted: ThreadClient) -> None:
    events = self_hosted.run()
    (added,) = [e for e in events if e["type"] == "thread.item.added" and "workflow" in e["item"]]
    # The first task is in the item itself.
    assert [task["title"] for task in added["item"]["workflow"]["tasks"]] == ["Read the input"]
    changes = [u for u in updates(events) if u["type"].startswith("workflow.task.")]
    assert [(u["type"], u["task_index"]) for u in changes] == [
        ("workflow.task.added", 1),
        ("workflow.task.updated", 1),
    ]
    (item,) = stored_items(events, "workflow")
    assert [task["status_indicator"] for task in item["workflow"]["tasks"]] == ["complete"] * 2


def test_streamed_steps_divide_delay(sim: ChatKitSimulator, self_hosted: ThreadClient) -> None:
    for delay in growing(0.3):
        sim.delay, sim.steps, sim.delta_size = delay, ["first", "second"], None
        request = self_hosted.request("threads.create", input=message_input())
        started, times = time.monotonic(), list[float]()
        with self_hosted.http.stream(
            "POST", request.url, content=request.content, headers=request.headers
        ) as response:
            for event in EventSource(response).iter_sse():
                if stored_items([json.loads(event.data)]):
                    times.append(time.monotonic() - started)
        # A slow machine may receive a step late, but never early.
        expected = [delay * place / 3 - 0.01 for place in (1, 2, 3)]
        assert all(map(float.__ge__, times, expected))
        if times[2] - times[0] >= delay / 3:
            return
    pytest.fail("the steps came together")


def test_every_character_is_kept(sim: ChatKitSimulator, client: ThreadClient) -> None:
    text = 'U+2028 \u2028, U+0085 \x85, \x1c, \u2029, "é" and 🏋️\r\n\t'
    sim.answer, sim.delta_size = (lambda text: text + text), 1
    response = client.post("threads.create", input=message_input(text))
    assert "\u2028".encode() in response.content
    assert "\x85".encode() in response.content
    events = events_of(response)
    deltas = [u["delta"] for u in updates(events) if u["type"].endswith("text_delta")]
    assert "".join(deltas) == stored_items(events)[0]["content"][0]["text"] == text + text


def test_run_without_answer_ends(sim: ChatKitSimulator, client: ThreadClient) -> None:
    sim.answer, sim.steps = "nothing", ["{}"]
    assert [item["content"][0]["text"] for item in stored_items(client.run())] == ["{}"]
    sim.steps = False
    assert stored_items(client.run()) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("No quota.", {"code": "custom", "message": "No quota."}),
        ("", {"code": "stream.error"}),
    ],
)
@pytest.mark.parametrize("allow_retry", [False, True])
def test_error_event_replaces_answer(
    sim: ChatKitSimulator,
    self_hosted: ThreadClient,
    message: str,
    expected: dict[str, Any],
    allow_retry: bool,
) -> None:
    sim.stream_error, sim.allow_retry, sim.steps = message, allow_retry, ["{}"]
    events = self_hosted.run()
    assert events[-1] == {"type": "error", **expected, "allow_retry": allow_retry}
    EVENT.validate_python(events[-1])
    assert [item["content"][0]["text"] for item in stored_items(events)] == ["{}"]


def test_notice_and_end_of_turn_are_optional(
    sim: ChatKitSimulator, self_hosted: ThreadClient
) -> None:
    sim.notice, sim.end_of_turn = "Nearly out of **quota**.", True
    events = self_hosted.run()
    assert {"type": "notice", "level": "info", "message": "Nearly out of **quota**."} in events
    assert events[-1]["item"]["type"] == "end_of_turn"


def test_every_event_setting_sends_all_kinds(
    sim: ChatKitSimulator, self_hosted: ThreadClient
) -> None:
    sim.every_event = True
    events = self_hosted.run()
    assert {"client_effect", "thread.item.replaced", "thread.item.removed"} <= set(types(events))
    kinds = {event["item"]["type"] for event in events if "item" in event}
    assert kinds == {
        "user_message",
        "assistant_message",
        "workflow",
        "task",
        "widget",
        "client_tool_call",
        "generated_image",
        "structured_input",
    }
    # A removed item is not stored. A replaced item is stored with its new fields.
    items = {item["type"]: item for item in self_hosted.newest_items()}
    assert items["client_tool_call"]["status"] == "completed"
    assert has_program(items["assistant_message"])
    assert [item["type"] for item in self_hosted.newest_items()].count("assistant_message") == 1


def test_unknown_events_setting_sends_new_kinds(
    sim: ChatKitSimulator, client: ThreadClient
) -> None:
    sim.unknown_events = True
    events = client.run()
    assert {event["mood"] for event in events} == {"curious"}
    unknown: list[str] = []
    for event in events:
        try:
            EVENT.validate_python(event)
        except ValueError:
            unknown.append(json.dumps(event))
    for kind in ("thread.weather", "hologram", "hologram.turned", "user_message.highlighted"):
        assert any(f'"type": "{kind}"' in event for event in unknown), kind
    assert any('"dance"' in event for event in unknown)
    assert any('"output_hologram"' in event for event in unknown)
    assert has_program(stored_items(events)[-1])
    assert "hologram" in [item["type"] for item in client.newest_items()]


def test_comments_keep_waiting_stream_open(
    sim: ChatKitSimulator, self_hosted: ThreadClient
) -> None:
    for delay in growing(0.3):
        sim.delay, sim.keep_alive = delay, delay / 6
        response = self_hosted.post("threads.create", input=message_input())
        if (count := response.content.count(b": keep-alive\n\n")) >= 2:
            break
    assert 2 <= count <= 5
    events = events_of(response)
    assert has_program(stored_items(events)[-1])


def test_hosted_thread_gets_one_title(hosted: ThreadClient) -> None:
    events = hosted.run()
    (updated,) = [event for event in events if event["type"] == "thread.updated"]
    assert updated["thread"]["title"] == "Simulated training program"
    again = hosted.run(thread_id=updated["thread"]["id"])
    assert "thread.updated" not in types(again)
