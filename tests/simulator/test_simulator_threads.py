"""The simulator's thread protocol and REST endpoints; called without our clients.

``openai-chatkit``'s own types check every event: it must pass through them unchanged, so that no
field is missing, added or renamed.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource
from pydantic import BaseModel, TypeAdapter

from edn360_chatkit import EnrichedTrainingProgram
from edn360_chatkit.testing import ChatKitSimulator, Endpoint
from tests.support.samples import ATHLETE

with warnings.catch_warnings():
    # openai-chatkit deprecates classes of its own widgets, and warns when they are defined.
    warnings.simplefilter("ignore", DeprecationWarning)
    from chatkit.types import Page, ThreadItem, ThreadStreamEvent
    from chatkit.types import Thread as ChatKitThread

pytestmark = pytest.mark.filterwarnings("ignore:Direct usage of named widget classes")

ROOT_KEY = "client_training_program_enriched"
TEXT = json.dumps(ATHLETE)
EVENT: TypeAdapter[Any] = TypeAdapter(ThreadStreamEvent)

Event = dict[str, Any]


def written_by_chatkit(model: BaseModel) -> Any:
    """The JSON data that openai-chatkit's server would write for it."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def sent_input(text: str = TEXT, **changes: Any) -> dict[str, Any]:
    return {
        "content": [{"type": "input_text", "text": text}],
        "attachments": [],
        "quoted_text": "",
        "inference_options": {},
        **changes,
    }


@dataclass
class World:
    """The endpoint of the thread protocol, hosted or self-hosted, and how to ask it."""

    http: httpx.Client
    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    def request(self, kind: str, **params: Any) -> httpx.Request:
        body = {"type": kind, "params": params, "metadata": self.metadata}
        return self.http.build_request("POST", self.url, json=body, headers=self.headers)

    def ask(self, kind: str, **params: Any) -> httpx.Response:
        return self.http.send(self.request(kind, **params))

    def run(self, text: str = TEXT, **params: Any) -> list[Event]:
        """The events of a run, in a new thread or in one that is under way."""
        kind = "threads.add_user_message" if params else "threads.create"
        response = self.ask(kind, input=sent_input(text), **params)
        assert response.headers["content-type"].startswith("text/event-stream")
        return [json.loads(event.data) for event in EventSource(response).iter_sse()]

    def run_broken(self) -> tuple[bytes, httpx.HTTPError | None]:
        """The bytes of a run whose connection breaks, and the client's error."""
        received = b""
        stream = self.http.send(self.request("threads.create", input=sent_input()), stream=True)
        try:
            for chunk in stream.iter_raw():
                received += chunk
        except httpx.HTTPError as error:
            return received, error
        finally:
            stream.close()
        return received, None

    def leave(self, after: Callable[[Event], bool]) -> None:
        """Start a run, and hang up after an event."""
        stream = self.http.send(self.request("threads.create", input=sent_input()), stream=True)
        for event in EventSource(stream).iter_sse():
            if after(json.loads(event.data)):
                break
        stream.close()

    def newest_items(self) -> list[dict[str, Any]]:
        """The items of the newest thread, newest first."""
        thread = self.ask("threads.list", limit=1).json()["data"][0]
        items: list[dict[str, Any]] = self.ask("items.list", thread_id=thread["id"]).json()["data"]
        return items

    def has_answer(self) -> bool:
        item = self.newest_items()[0]
        return item["type"] == "assistant_message" and has_program(item)


def has_program(item: dict[str, Any]) -> bool:
    try:
        return ROOT_KEY in json.loads(item["content"][0]["text"])
    except ValueError:
        return False


def eventually(happened: Callable[[], bool], within: float = 3.0) -> bool:
    end = time.monotonic() + within
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5.0) as client:
        yield client


@pytest.fixture
def rest(sim: ChatKitSimulator) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {sim.api_key}", "OpenAI-Beta": "chatkit_beta=v1"}
    with httpx.Client(base_url=sim.base_url, headers=headers) as client:
        yield client


MakeHosted = Callable[..., World]


@pytest.fixture
def make_hosted(http: httpx.Client, rest: httpx.Client) -> MakeHosted:
    def make(user: str = "athlete-1", **settings: Any) -> World:
        body = {"workflow": {"id": "wf_demo"}, "user": user, **settings}
        secret = rest.post("/sessions", json=body).json()["client_secret"]
        return World(
            http, f"{rest.base_url}conversation", headers={"Authorization": f"Bearer {secret}"}
        )

    return make


@pytest.fixture
def hosted(make_hosted: MakeHosted) -> World:
    return make_hosted()


@pytest.fixture
def self_hosted(http: httpx.Client, sim: ChatKitSimulator) -> World:
    return World(http, sim.server_url, metadata={"user": "athlete-1"})


@pytest.fixture(params=["hosted", "self_hosted"])
def world(request: pytest.FixtureRequest) -> World:
    world: World = request.getfixturevalue(request.param)
    return world


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def updates(events: list[Event]) -> list[dict[str, Any]]:
    return [event["update"] for event in events if event["type"] == "thread.item.updated"]


def done(events: list[Event], kind: str = "assistant_message") -> list[dict[str, Any]]:
    return [
        event["item"]
        for event in events
        if event["type"] == "thread.item.done" and event["item"]["type"] == kind
    ]


def error(response: httpx.Response) -> tuple[int, str, str | None, str | None]:
    details = response.json()["error"]
    return response.status_code, details["message"], details["param"], details["code"]


# --- the stream -----------------------------------------------------------------------------


def test_events_pass_through_the_types_of_chatkit(sim: ChatKitSimulator, world: World) -> None:
    sim.steps, sim.every_event, sim.end_of_turn, sim.notice = True, True, True, "Be patient."
    response = world.ask("threads.create", input=sent_input())
    frames = response.content.split(b"\n\n")
    assert frames.pop() == b""
    for frame in frames:
        assert frame.startswith(b"data: ")
        event = json.loads(frame[6:])
        assert written_by_chatkit(EVENT.validate_python(event)) == event


def test_stream_starts_with_thread_message_options(self_hosted: World) -> None:
    created, message, options, progress = self_hosted.run()[:4]
    assert created["type"] == "thread.created"
    assert created["thread"]["items"] == {"data": [], "has_more": False}
    assert (message["type"], message["item"]["type"]) == ("thread.item.done", "user_message")
    assert message["item"]["content"] == [{"type": "input_text", "text": TEXT}]
    assert message["item"]["thread_id"] == created["thread"]["id"]
    assert options == {"type": "stream_options", "stream_options": {"allow_cancel": True}}
    assert (progress["type"], progress["icon"]) == ("progress_update", "bolt")


def test_last_message_is_the_program(world: World) -> None:
    events = world.run()
    assert events[-1]["type"] == "thread.item.done"
    text = events[-1]["item"]["content"][0]["text"]
    EnrichedTrainingProgram.model_validate(json.loads(text)[ROOT_KEY])


def test_each_step_is_one_message(sim: ChatKitSimulator, world: World) -> None:
    sim.steps = True
    texts = [item["content"][0]["text"] for item in done(world.run())]
    assert [next(iter(json.loads(text))) for text in texts] == [
        "profile",
        "questionnaire_normalized",
        "training_plan",
        ROOT_KEY,
    ]


@pytest.mark.parametrize(("size", "count"), [(1, 26), (7, 4), (26, 1), (0, 1)])
def test_deltas_have_the_set_size(
    sim: ChatKitSimulator, self_hosted: World, size: int, count: int
) -> None:
    sim.answer, sim.delta_size = (lambda text: "abcdefghijklmnopqrstuvwxyz"), size
    part = "assistant_message.content_part."
    parts = [update for update in updates(self_hosted.run()) if update["type"].startswith(part)]
    kinds = [update["type"].removeprefix(part) for update in parts]
    assert kinds == ["added", *["text_delta"] * count, "done"]
    assert "".join(u["delta"] for u in parts[1:-1]) == "abcdefghijklmnopqrstuvwxyz"
    assert parts[-1]["content"]["text"] == "abcdefghijklmnopqrstuvwxyz"


def test_messages_can_be_sent_without_deltas(sim: ChatKitSimulator, self_hosted: World) -> None:
    sim.delta_size = None
    events = self_hosted.run()
    assert not any("content_part" in update["type"] for update in updates(events))
    assert has_program(done(events)[0])


def test_workflow_item_has_tasks(self_hosted: World) -> None:
    events = self_hosted.run()
    (added,) = [e for e in events if e["type"] == "thread.item.added" and "workflow" in e["item"]]
    # The first task is in the item itself.
    assert [task["title"] for task in added["item"]["workflow"]["tasks"]] == ["Read the input"]
    changes = [u for u in updates(events) if u["type"].startswith("workflow.task.")]
    assert [(u["type"], u["task_index"]) for u in changes] == [
        ("workflow.task.added", 1),
        ("workflow.task.updated", 1),
    ]
    (item,) = done(events, "workflow")
    assert [task["status_indicator"] for task in item["workflow"]["tasks"]] == ["complete"] * 2


def test_streamed_steps_divide_the_delay(sim: ChatKitSimulator, self_hosted: World) -> None:
    sim.delay, sim.steps, sim.delta_size = 0.3, ["first", "second"], None
    request = self_hosted.request("threads.create", input=sent_input())
    started, times = time.monotonic(), list[float]()
    with self_hosted.http.stream(
        "POST", request.url, content=request.content, headers=request.headers
    ) as response:
        for event in EventSource(response).iter_sse():
            if done([json.loads(event.data)]):
                times.append(time.monotonic() - started)
    # No step comes before its time; a slow machine may receive it later.
    assert [at >= 0.1 * place - 0.01 for place, at in enumerate(times, start=1)] == [True] * 3
    assert times[2] - times[0] >= 0.1


def test_every_character_is_kept(sim: ChatKitSimulator, world: World) -> None:
    text = 'U+2028 \u2028, U+0085 \x85, \x1c, \u2029, "é" and 🏋️\r\n\t'
    sim.answer, sim.delta_size = (lambda sent: sent + sent), 1
    response = world.ask("threads.create", input=sent_input(text))
    assert "\u2028".encode() in response.content
    assert "\x85".encode() in response.content
    events = [json.loads(event.data) for event in EventSource(response).iter_sse()]
    deltas = [u["delta"] for u in updates(events) if u["type"].endswith("text_delta")]
    assert "".join(deltas) == done(events)[0]["content"][0]["text"] == text + text


def test_run_without_answer_ends(sim: ChatKitSimulator, world: World) -> None:
    sim.answer, sim.steps = "nothing", ["{}"]
    assert [item["content"][0]["text"] for item in done(world.run())] == ["{}"]
    sim.steps = False
    assert done(world.run()) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("No quota.", {"code": "custom", "message": "No quota."}),
        ("", {"code": "stream.error"}),
    ],
)
@pytest.mark.parametrize("allow_retry", [False, True])
def test_error_event_replaces_the_answer(
    sim: ChatKitSimulator,
    self_hosted: World,
    message: str,
    expected: dict[str, Any],
    allow_retry: bool,
) -> None:
    sim.stream_error, sim.allow_retry, sim.steps = message, allow_retry, ["{}"]
    events = self_hosted.run()
    assert events[-1] == {"type": "error", **expected, "allow_retry": allow_retry}
    EVENT.validate_python(events[-1])
    assert [item["content"][0]["text"] for item in done(events)] == ["{}"]


def test_notice_and_end_of_turn_are_optional(sim: ChatKitSimulator, self_hosted: World) -> None:
    sim.notice, sim.end_of_turn = "Nearly out of **quota**.", True
    events = self_hosted.run()
    assert {"type": "notice", "level": "info", "message": "Nearly out of **quota**."} in events
    assert events[-1]["item"]["type"] == "end_of_turn"


def test_every_event_adds_all_known_kinds(sim: ChatKitSimulator, self_hosted: World) -> None:
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
    # A removed item is not stored; a replaced one is stored with its new fields.
    items = {item["type"]: item for item in self_hosted.newest_items()}
    assert items["client_tool_call"]["status"] == "completed"
    assert has_program(items["assistant_message"])
    assert [item["type"] for item in self_hosted.newest_items()].count("assistant_message") == 1


def test_unknown_events_adds_unknown_kinds(sim: ChatKitSimulator, world: World) -> None:
    sim.unknown_events = True
    events = world.run()
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
    assert has_program(done(events)[-1])
    assert "hologram" in [item["type"] for item in world.newest_items()]


def test_comments_keep_a_waiting_stream_open(sim: ChatKitSimulator, self_hosted: World) -> None:
    sim.delay, sim.keep_alive = 0.3, 0.05
    response = self_hosted.ask("threads.create", input=sent_input())
    assert 2 <= response.content.count(b": keep-alive\n\n") <= 5
    events = [json.loads(event.data) for event in EventSource(response).iter_sse()]
    assert has_program(done(events)[-1])


# --- threads and their items ----------------------------------------------------------------


def test_thread_takes_a_second_message(sim: ChatKitSimulator, world: World) -> None:
    thread_id = world.run()[0]["thread"]["id"]
    sim.answer = "text"
    events = world.run("And now?", thread_id=thread_id)
    assert "thread.created" not in types(events)
    assert events[0]["item"]["thread_id"] == thread_id
    items = world.ask("items.list", thread_id=thread_id, order="asc").json()["data"]
    kinds = ["user_message", "workflow", "assistant_message"] * 2
    assert [item["type"] for item in items] == kinds


def test_thread_and_items_are_read_back(sim: ChatKitSimulator, world: World) -> None:
    sim.every_event = True
    events = world.run()
    thread_id = events[0]["thread"]["id"]
    thread = world.ask("threads.get_by_id", thread_id=thread_id).json()
    assert written_by_chatkit(ChatKitThread.model_validate(thread)) == thread
    items = world.ask("items.list", thread_id=thread_id, order="asc").json()
    page = TypeAdapter(Page[ThreadItem]).validate_python(items)
    assert written_by_chatkit(page) == items == thread["items"]
    assert items["data"][-1] == events[-1]["item"]
    threads = world.ask("threads.list").json()
    assert threads["data"] == [{**thread, "items": {"data": [], "has_more": False}}]


def test_items_are_paged(sim: ChatKitSimulator, world: World) -> None:
    sim.steps = ["a", "b", "c"]
    thread_id = world.run()[0]["thread"]["id"]
    newest_first = world.newest_items()
    assert newest_first[-1]["type"] == "user_message"
    items: list[dict[str, Any]] = []
    after, more = None, True
    while more:
        page = world.ask("items.list", thread_id=thread_id, limit=2, after=after).json()
        items += page["data"]
        more, after = page["has_more"], page.get("after")
        assert (after is not None) == more
    assert items == newest_first


def test_threads_are_paged_newest_first(world: World) -> None:
    ids = [world.run("x")[0]["thread"]["id"] for _ in range(3)]
    page = world.ask("threads.list", limit=2).json()
    assert [thread["id"] for thread in page["data"]] == [ids[2], ids[1]]
    assert (page["has_more"], page["after"]) == (True, ids[1])
    page = world.ask("threads.list", limit=2, after=ids[1]).json()
    assert ([thread["id"] for thread in page["data"]], page["has_more"]) == ([ids[0]], False)
    assert not world.ask("threads.list", limit=3).json()["has_more"]


def test_thread_can_be_deleted(world: World) -> None:
    thread_id = world.run()[0]["thread"]["id"]
    assert world.ask("threads.delete", thread_id=thread_id).json() == {}
    not_found = f"Chatkit Thread with id '{thread_id}' not found."
    for kind in ("threads.get_by_id", "items.list", "threads.delete"):
        assert error(world.ask(kind, thread_id=thread_id))[:2] == (404, not_found)
    response = world.ask("threads.add_user_message", thread_id=thread_id, input=sent_input())
    assert error(response)[:2] == (404, not_found)


@pytest.mark.parametrize(
    ("kind", "params", "at"),
    [
        ("threads.create", {}, "params.input"),
        ("threads.create", {"input": {"content": []}}, "params.input.attachments"),
        (
            "threads.create",
            {"input": sent_input(content=[{"type": "text", "text": "x"}])},
            "params.input.content[0].type",
        ),
        ("threads.create", {"input": sent_input(attachments=["x"])}, "params.input.attachments"),
        ("threads.add_user_message", {"input": sent_input()}, "params.thread_id"),
        ("items.list", {}, "params.thread_id"),
        ("threads.list", {"order": "up"}, "params.order"),
        ("threads.list", {"after": "x"}, "after"),
        ("threads.fly", {}, "type"),
    ],
)
def test_bad_request_names_the_parameter(
    sim: ChatKitSimulator, world: World, kind: str, params: dict[str, Any], at: str
) -> None:
    status, _, param, _ = error(world.ask(kind, **params))
    assert (status, param) == (400, at)
    assert (sim.runs, sim.threads) == (0, {})


def test_unknown_fields_are_ignored(world: World) -> None:
    response = world.ask("threads.create", input=sent_input(mood="good"), colour="red")
    assert response.status_code == 200


# --- permissions ----------------------------------------------------------------------------


def test_conversation_needs_an_active_session(
    sim: ChatKitSimulator, rest: httpx.Client, hosted: World
) -> None:
    (session,) = sim.sessions.values()
    secret = session.data["client_secret"]
    for header in ("", "Bearer ek_wrong", f"Bearer {sim.api_key}", f"Basic {secret}"):
        wrong = World(hosted.http, hosted.url, headers={"Authorization": header})
        assert error(wrong.ask("threads.list"))[0] == 401
    assert hosted.ask("threads.list").status_code == 200
    expires_at, session.data["expires_at"] = session.data["expires_at"], int(time.time())
    assert error(hosted.ask("threads.list"))[:2] == (401, "The session is expired.")
    session.data.update(expires_at=expires_at, status="active")
    rest.post(f"/sessions/{session.data['id']}/cancel")
    assert error(hosted.ask("threads.list"))[:2] == (401, "The session is cancelled.")


def test_conversation_refuses_other_content_types(hosted: World) -> None:
    headers = {**hosted.headers, "Content-Type": "text/plain"}
    response = hosted.http.post(hosted.url, content=b"{}", headers=headers)
    assert error(response)[3] == "content_type"


def test_hosted_threads_belong_to_the_user(make_hosted: MakeHosted) -> None:
    first, again, other = make_hosted("a"), make_hosted("a"), make_hosted("b")
    thread_id = first.run()[0]["thread"]["id"]
    assert again.newest_items()[0]["thread_id"] == thread_id
    assert other.ask("threads.list").json()["data"] == []
    assert other.ask("threads.get_by_id", thread_id=thread_id).status_code == 404


def test_hosted_thread_gets_one_title(hosted: World) -> None:
    events = hosted.run()
    (updated,) = [event for event in events if event["type"] == "thread.updated"]
    assert updated["thread"]["title"] == "Simulated training program"
    again = hosted.run(thread_id=updated["thread"]["id"])
    assert "thread.updated" not in types(again)


def test_metadata_names_the_self_hosted_user(
    sim: ChatKitSimulator, http: httpx.Client, rest: httpx.Client
) -> None:
    worlds = [World(http, sim.server_url, metadata=m) for m in ({"user": "a"}, {"user": "b"}, {})]
    ids = [world.run()[0]["thread"]["id"] for world in worlds]
    for world, thread_id in zip(worlds, ids, strict=True):
        assert [t["id"] for t in world.ask("threads.list").json()["data"]] == [thread_id]
    assert [sim.threads[thread_id].user for thread_id in ids] == ["a", "b", "default"]
    assert rest.get("/threads").json()["data"] == []  # another world
    assert rest.get(f"/threads/{ids[0]}").status_code == 404


def test_hosted_and_self_hosted_threads_are_separate(hosted: World, self_hosted: World) -> None:
    ids = [world.run()[0]["thread"]["id"] for world in (hosted, self_hosted)]
    for world, mine, other in ((hosted, *ids), (self_hosted, *ids[::-1])):
        assert [thread["id"] for thread in world.ask("threads.list").json()["data"]] == [mine]
        assert world.ask("threads.get_by_id", thread_id=other).status_code == 404


def test_self_hosted_server_requires_its_headers(sim: ChatKitSimulator, http: httpx.Client) -> None:
    sim.server_headers = {"X-Token": "t-1"}
    for headers in ({}, {"X-Token": "t-2"}):
        assert error(World(http, sim.server_url, headers).ask("threads.list"))[0] == 401
    assert World(http, sim.server_url, {"x-token": "t-1"}).ask("threads.list").status_code == 200


# --- broken streams -------------------------------------------------------------------------


def test_stream_is_cut_after_the_set_bytes(sim: ChatKitSimulator, world: World) -> None:
    sim.answer = lambda text: "x" * 1000
    whole, failure = world.run_broken()
    assert failure is None
    length = len(whole)
    for at in (0, 1, 97, 1000, length - 1, length):
        sim.cut_next_stream(at)
        received, failure = world.run_broken()
        assert (len(received), type(failure)) == (at, httpx.RemoteProtocolError)
    sim.cut_next_stream(length + 1)  # beyond the last byte
    received, failure = world.run_broken()
    assert (len(received), failure) == (length, None)
    received, failure = world.run_broken()
    assert (len(received), failure) == (length, None)


@pytest.mark.parametrize("survives", [False, True])
@pytest.mark.parametrize("at", [0, 200, 6000])
def test_cut_cancels_a_run_that_does_not_survive(
    sim: ChatKitSimulator, world: World, hosted: World, at: int, survives: bool
) -> None:
    sim.survives_hang_up = survives
    sim.cut_next_stream(at)
    received, _ = world.run_broken()
    assert len(received) == at
    if survives or world.url == hosted.url:
        assert eventually(world.has_answer)
    else:
        assert not eventually(world.has_answer, within=0.1)
    assert world.newest_items()[-1]["type"] == "user_message"
    assert sim.runs == 1


def test_cancelled_run_stores_the_partial_message(
    sim: ChatKitSimulator, self_hosted: World
) -> None:
    sim.delta_size = 10
    sim.answer = lambda text: "x" * 1000
    whole, _ = self_hosted.run_broken()
    sim.cut_next_stream(whole.index(b"text_delta", len(whole) // 2))
    self_hosted.run_broken()
    item = self_hosted.newest_items()[0]
    assert item["type"] == "assistant_message"
    assert 10 <= len(item["content"][0]["text"]) < 1000
    # A message without any text is not stored.
    sim.cut_next_stream(whole.index(b"content_part.added"))
    self_hosted.run_broken()
    assert self_hosted.newest_items()[0]["type"] == "workflow"


@pytest.mark.parametrize("survives", [False, True])
def test_hang_up_cancels_a_run_that_does_not_survive(
    sim: ChatKitSimulator, world: World, hosted: World, survives: bool
) -> None:
    sim.delay, sim.survives_hang_up = 0.1, survives
    world.leave(after=lambda event: event["type"] == "progress_update")
    if survives or world.url == hosted.url:
        assert eventually(world.has_answer)
    else:
        assert not eventually(world.has_answer, within=0.2)


def test_hang_up_stops_a_long_message(sim: ChatKitSimulator, self_hosted: World) -> None:
    sim.answer, sim.delta_size = (lambda text: "x" * 500_000), 1
    self_hosted.leave(after=lambda event: "delta" in event.get("update", {}))
    assert eventually(lambda: len(self_hosted.newest_items()) == 3)
    assert 0 < len(self_hosted.newest_items()[0]["content"][0]["text"]) < 500_000


def test_stalled_stream_continues(sim: ChatKitSimulator, world: World) -> None:
    whole, _ = world.run_broken()
    sim.stall_next_stream(at=150, seconds=0.2)
    sim.keep_alive = 0.01
    request = world.request("threads.create", input=sent_input())
    before, after, received = 0.0, list[float](), 0
    with world.http.stream(
        "POST", request.url, content=request.content, headers=request.headers
    ) as response:
        for chunk in response.iter_raw():
            received += len(chunk)
            if received <= 150:
                before = time.monotonic()
            else:
                after.append(time.monotonic())
    assert received == len(whole)
    assert after[0] - before >= 0.1


def test_hang_up_ends_a_stall(sim: ChatKitSimulator, hosted: World) -> None:
    sim.stall_next_stream(at=300, seconds=60.0)
    impatient = World(httpx.Client(timeout=0.1), hosted.url, hosted.headers)
    with impatient.http:
        received, failure = impatient.run_broken()
    assert (len(received), type(failure)) == (300, httpx.ReadTimeout)
    assert eventually(hosted.has_answer)


def test_each_stream_takes_one_fault(sim: ChatKitSimulator, self_hosted: World) -> None:
    for at in (10, 20):
        sim.cut_next_stream(at)
    sim.stall_next_stream(5, 0.05)
    self_hosted.ask("threads.list")  # no stream
    assert [len(self_hosted.run_broken()[0]) for _ in range(2)] == [10, 20]
    assert self_hosted.run_broken()[1] is None


# --- failing requests -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "method", "path"),
    [
        ("list_threads", "GET", "/threads"),
        ("retrieve_thread", "GET", "/threads/{id}"),
        ("list_items", "GET", "/threads/{id}/items"),
        ("delete_thread", "DELETE", "/threads/{id}"),
    ],
)
@pytest.mark.parametrize("taken", [False, True])
def test_rest_endpoint_fails_as_set(
    sim: ChatKitSimulator,
    rest: httpx.Client,
    hosted: World,
    endpoint: Endpoint,
    method: str,
    path: str,
    taken: bool,
) -> None:
    path = path.format(id=hosted.run()[0]["thread"]["id"])
    sim.fail_next(endpoint, status=503, taken=taken, headers={"retry-after": "1"})
    response = rest.request(method, path)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert len(sim.threads) == (0 if taken and method == "DELETE" else 1)
    sim.fail_next(endpoint, status=None)
    with pytest.raises(httpx.RemoteProtocolError):
        rest.request(method, path)


@pytest.mark.parametrize("status", [503, None])
@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize("by_type", [False, True])
def test_message_fails_before_or_after_it_is_taken(
    sim: ChatKitSimulator,
    world: World,
    hosted: World,
    status: int | None,
    taken: bool,
    by_type: bool,
) -> None:
    by_name: Endpoint = "conversation" if world.url == hosted.url else "server"
    sim.fail_next("threads.create" if by_type else by_name, status=status, taken=taken)
    request = world.request("threads.create", input=sent_input())
    if status is None:
        with pytest.raises(httpx.RemoteProtocolError):
            world.http.send(request)
    else:
        assert world.http.send(request).status_code == status
    assert (sim.runs, len(sim.threads)) == ((1, 1) if taken else (0, 0))
    if taken:
        items = world.newest_items()
        assert items[-1]["content"][0]["text"] == TEXT
        if world.url == hosted.url:
            assert eventually(world.has_answer)


def test_failure_of_one_request_type_spares_others(sim: ChatKitSimulator, world: World) -> None:
    sim.fail_next("items.list", status=500)
    thread_id = world.run()[0]["thread"]["id"]
    assert world.ask("items.list", thread_id=thread_id).status_code == 500
    assert world.ask("items.list", thread_id=thread_id).status_code == 200


# --- the REST endpoints ---------------------------------------------------------------------


def test_rest_endpoints_list_the_same_items(
    sim: ChatKitSimulator, rest: httpx.Client, hosted: World
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


def test_list_is_limited_by_after_and_before(rest: httpx.Client, hosted: World) -> None:
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


def test_threads_are_listed_by_user(rest: httpx.Client, make_hosted: MakeHosted) -> None:
    for user in ("a", "b", "a"):
        make_hosted(user).run("x")

    def users(query: str) -> list[str]:
        return [thread["user"] for thread in rest.get(f"/threads{query}").json()["data"]]

    assert (users(""), users("?user=a"), users("?user=c")) == (["a", "b", "a"], ["a", "a"], [])


@pytest.mark.parametrize("path", ["/threads", "/threads/{id}/items"])
@pytest.mark.parametrize("query", ["limit=101", "limit=x", "order=up", "offset=1", "after=x"])
def test_list_refuses_unknown_parameters(
    rest: httpx.Client, hosted: World, path: str, query: str
) -> None:
    path = path.format(id=hosted.run("x")[0]["thread"]["id"])
    status, _, param, _ = error(rest.get(f"{path}?{query}"))
    assert (status, param) == (400, query.partition("=")[0])


def test_list_of_items_refuses_user(rest: httpx.Client, hosted: World) -> None:
    thread_id = hosted.run("x")[0]["thread"]["id"]
    details = error(rest.get(f"/threads/{thread_id}/items?user=athlete-1"))
    assert details[:2] == (400, "Unknown parameter: 'user'.")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/threads/x"), ("DELETE", "/threads/x"), ("GET", "/threads/x/items")],
)
def test_unknown_thread_is_not_found(rest: httpx.Client, method: str, path: str) -> None:
    details = error(rest.request(method, path))
    assert details[:2] == (404, "Chatkit Thread with id 'x' not found.")


def test_rest_endpoints_require_key_and_beta_header(rest: httpx.Client) -> None:
    assert error(rest.get("/threads", headers={"Authorization": "Bearer x"}))[0] == 401
    assert error(rest.get("/threads", headers={"OpenAI-Beta": ""}))[3] == "invalid_beta"


# --- both protocols -------------------------------------------------------------------------


def test_messages_endpoint_can_be_switched_off(sim: ChatKitSimulator, rest: httpx.Client) -> None:
    sim.messages_endpoint = False
    body: dict[str, Any] = {"workflow": {"id": "wf_demo"}, "user": "u"}
    session_id = rest.post("/sessions", json=body).json()["id"]
    body = {"role": "user", "content": [{"type": "input_text", "text": "x"}]}
    path = f"/sessions/{session_id}/messages"
    expected = f"Invalid URL (POST /v1/chatkit{path})"
    assert error(rest.post(path, json=body)) == (404, expected, None, None)
    assert rest.get(path).status_code == 404
    assert sim.runs == 0


def test_runs_are_counted_over_all_protocols(
    sim: ChatKitSimulator, rest: httpx.Client, hosted: World, self_hosted: World
) -> None:
    hosted.run()
    self_hosted.run()
    (session_id,) = sim.sessions
    body = {"role": "user", "content": [{"type": "input_text", "text": "x"}]}
    rest.post(f"/sessions/{session_id}/messages", json=body)
    hosted.ask("threads.list")
    assert sim.runs == 3
    # No endpoint lists the thread of a session's messages.
    assert len(rest.get("/threads").json()["data"]) == 1


def test_protocol_requests_are_recorded(sim: ChatKitSimulator, self_hosted: World) -> None:
    self_hosted.run()
    request = sim.requests[-1]
    assert (request.method, request.path) == ("POST", "/chatkit")
    assert request.json["type"] == "threads.create"
    assert request.json["metadata"] == {"user": "athlete-1"}


def test_reset_restores_every_setting(sim: ChatKitSimulator, self_hosted: World) -> None:
    knobs = {name: value for name, value in vars(sim).items() if not name.startswith("_")}
    for name in knobs.keys() - {"api_key"}:
        setattr(sim, name, "changed")
    sim.cut_next_stream(10)
    sim.stall_next_stream(0, 60.0)
    sim.fail_next("server")
    sim.reset()
    assert {name: value for name, value in vars(sim).items() if name in knobs} == {
        **knobs,
        "requests": [],
        "runs": 0,
        "sessions": {},
        "threads": {},
    }
    assert has_program(done(self_hosted.run())[-1])


def test_constructor_takes_settings(http: httpx.Client) -> None:
    with ChatKitSimulator(
        messages_endpoint=False, server_headers={"x-token": "t"}, delta_size=None, notice="Hello."
    ) as made:
        events = World(http, made.server_url, {"x-token": "t"}).run()
        assert "notice" in types(events)
        made.notice = None
        made.reset()
        assert made.notice == "Hello."
