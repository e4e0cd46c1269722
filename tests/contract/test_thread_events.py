"""The reader accepts every event that ``openai-chatkit`` can write, and loses no field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chatkit import types as chatkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from edn360_chatkit import NoticeEvent, ProgressEvent, RawEvent, TaskEvent, TextDeltaEvent
from edn360_chatkit._protocol.thread_events import ThreadReader
from tests.support.samples import json_objects, json_values, texts

SCHEMA = TypeAdapter[Any](chatkit.ThreadStreamEvent).json_schema(mode="serialization")
DEEPEST = 6


def classes(ref_or_union: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The members of a union in a JSON schema, by name."""
    if "$ref" in ref_or_union:
        name = ref_or_union["$ref"].rsplit("/", 1)[1]
        definition = SCHEMA["$defs"][name]
        return classes(definition) if "oneOf" in definition else {name: definition}
    members: dict[str, dict[str, Any]] = {}
    for member in ref_or_union.get("oneOf") or ref_or_union.get("anyOf") or []:
        members |= classes(member)
    return members


EVENTS = classes(SCHEMA)
ITEMS = classes(SCHEMA["$defs"]["ThreadItemDoneEvent"]["properties"]["item"])
UPDATES = classes(SCHEMA["$defs"]["ThreadItemUpdatedEvent"]["properties"]["update"])


def draw_value(draw: st.DrawFn, schema: dict[str, Any], depth: int = 0) -> Any:
    """A value that a JSON schema allows. Below ``DEEPEST`` it is small, since widgets are trees."""
    if "$ref" in schema:
        return draw_value(draw, SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]], depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    union = schema.get("oneOf") or schema.get("anyOf")
    if union:
        plain = [member for member in union if member.get("type") in ("null", "string")]
        choice = plain if plain and depth > DEEPEST else union
        return draw_value(draw, draw(st.sampled_from(choice)), depth)
    kind = schema.get("type")
    if kind == "object":
        properties: dict[str, Any] = schema.get("properties", {})
        required = schema.get("required", [])
        # The server omits keys that are null.
        value = {
            name: inner
            for name, field in properties.items()
            if (name in required or (depth <= DEEPEST and draw(st.booleans())))
            and (inner := draw_value(draw, field, depth + 1)) is not None
        }
        return value if properties else draw(json_objects)
    if kind == "array":
        count = 0 if depth > DEEPEST else draw(st.integers(0, 2))
        return [draw_value(draw, schema.get("items", {}), depth + 1) for _ in range(count)]
    if kind == "string" and schema.get("format") == "date-time":
        return draw(st.datetimes()).isoformat()
    simple = {
        "string": texts,
        "integer": st.integers(0, 2**31),
        "number": st.integers(0, 2**31),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return draw(simple.get(str(kind), json_values))


@st.composite
def values(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    """Values that a JSON schema allows."""
    return draw_value(draw, schema)


SLOW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(event: dict[str, Any]) -> None:
    results = list(ThreadReader().feed(json.dumps(event), watched=True))
    assert results
    for result in results:
        assert isinstance(result, (ProgressEvent, NoticeEvent, TaskEvent, TextDeltaEvent, RawEvent))
        assert result.data == event


@pytest.mark.parametrize("name", EVENTS)
@SLOW
@given(data=st.data())
def test_every_event_keeps_its_fields(name: str, data: st.DataObject) -> None:
    check(data.draw(values(EVENTS[name])))


KINDS = st.sampled_from(["thread.item.added", "thread.item.done", "thread.item.replaced"])


@pytest.mark.parametrize("name", ITEMS)
@SLOW
@given(data=st.data(), kind=KINDS)
def test_every_item_keeps_its_fields(name: str, data: st.DataObject, kind: str) -> None:
    check({"type": kind, "item": data.draw(values(ITEMS[name]))})


@pytest.mark.parametrize("name", UPDATES)
@SLOW
@given(data=st.data())
def test_every_update_keeps_its_fields(name: str, data: st.DataObject) -> None:
    update = data.draw(values(UPDATES[name]))
    check({"type": "thread.item.updated", "item_id": "a", "update": update})


def test_schema_lists_events_items_and_updates() -> None:
    assert set(EVENTS) >= {"ThreadCreatedEvent", "ErrorEvent", "NoticeEvent", "ClientEffectEvent"}
    assert set(ITEMS) >= {"AssistantMessageItem", "WidgetItem", "TaskItem", "EndOfTurnItem"}
    assert set(UPDATES) >= {"WorkflowTaskAdded", "WidgetRootUpdated", "GeneratedImageUpdated"}


@pytest.mark.parametrize("kind", ["thread.item.added", "thread.item.updated", "brand.new", None])
@given(fields=json_objects, item=json_values, update=json_values)
def test_unknown_event_passes_unchanged(
    kind: str | None, fields: dict[str, Any], item: Any, update: Any
) -> None:
    event = {**fields, "type": kind, "item": item, "update": update}
    for result in ThreadReader().feed(json.dumps(event), watched=True):
        assert result.data == event  # type: ignore[union-attr]  # pyright: ignore


@given(st.text() | json_values.map(json.dumps) | texts)
def test_any_data_is_accepted(data: str) -> None:
    list(ThreadReader().feed(data, watched=True))


def test_unwatched_events_are_not_returned() -> None:
    event = {"type": "progress_update", "text": "Reading"}
    assert not any(ThreadReader().feed(json.dumps(event), watched=False))


def feed(*events: dict[str, Any]) -> ThreadReader:
    reader = ThreadReader()
    for event in events:
        list(reader.feed(json.dumps(event), watched=False))
    return reader


def text_of(reader: ThreadReader) -> str:
    reader.end(is_broken=True)
    return reader.messages[0].text


def test_deltas_are_joined_by_item_and_part() -> None:
    delta = "assistant_message.content_part.text_delta"

    def update(index: int, text: str) -> dict[str, Any]:
        change = {"type": delta, "content_index": index, "delta": text}
        return {"type": "thread.item.updated", "item_id": "a", "update": change}

    assert text_of(feed(update(1, "c"), update(0, "a"), update(0, "b"))) == "abc"
    replaced = {
        "type": "thread.item.replaced",
        "item": {
            "type": "assistant_message",
            "id": "a",
            "content": [{"type": "output_text", "text": "new"}],
        },
    }
    assert text_of(feed(update(0, "old"), replaced)) == "new"
    part = {
        "type": "assistant_message.content_part.done",
        "content_index": 0,
        "content": {"type": "output_text", "text": "whole"},
    }
    done = {"type": "thread.item.updated", "item_id": "a", "update": part}
    assert text_of(feed(update(0, "part"), done, update(0, "!"))) == "whole!"
    removed = {"type": "thread.item.removed", "item_id": "a"}
    reader = feed(update(0, "x"), removed)
    reader.end(is_broken=True)
    assert reader.messages == []
