"""The inbox collects the messages of a run, and decides on its response or its error."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from edn360_chatkit import (
    ChatSession,
    InvalidResponseError,
    MissingProgramError,
    ProgramValidationError,
    RunReference,
    TruncatedResponseError,
    WorkflowError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit._protocol.inbox import Inbox
from edn360_chatkit._protocol.listing import (
    SessionMessage,
    answers_to,
    newest_first,
    read_message,
)
from edn360_chatkit._protocol.thread_events import ThreadReader
from edn360_chatkit.program.model import ROOT_KEY
from tests.support.samples import ANSWER, PROGRAM

STEP = '{"profile": {}}'
CUT = ANSWER[:-40]
USER = SessionMessage("m", "user", "")


def inbox(**fields: Any) -> Inbox:
    return Inbox(
        ChatSession(id="s"), RunReference(message_id="m", session_id="s", thread_id="t"), **fields
    )


def run_of(message_id: str | None) -> RunReference:
    return RunReference(session_id="s", message_id=message_id)


def reply(text: str, message_id: str = "a", **fields: Any) -> SessionMessage:
    return SessionMessage(message_id, "assistant", text, **fields)


def item(text: str, message_id: str = "a", kind: str = "done", **fields: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}] if text else []
    message = {"type": "assistant_message", "id": message_id, "content": content, **fields}
    return {"type": f"thread.item.{kind}", "item": message}


def delta(text: str, message_id: str = "a") -> dict[str, Any]:
    update = {
        "type": "assistant_message.content_part.text_delta",
        "content_index": 0,
        "delta": text,
    }
    return {"type": "thread.item.updated", "item_id": message_id, "update": update}


def removal(message_id: str = "a") -> dict[str, Any]:
    return {"type": "thread.item.removed", "item_id": message_id}


ERROR = {"type": "error", "code": "custom", "message": "It broke.", "allow_retry": False}


def follow(*events: dict[str, Any], each: bool = False) -> tuple[Inbox, ThreadReader]:
    """An inbox after a stream; ``each``: it is filled after each event."""
    box, reader = inbox(), ThreadReader(message_id="m")
    for event in events:
        list(reader.feed(json.dumps(event), watched=False))
        if each:
            box.follow(reader.messages)
    reader.end(is_broken=True)
    box.follow(reader.messages)
    return box, reader


@pytest.mark.parametrize("each", [False, True])
def test_program_survives_later_text(each: bool) -> None:
    fake = "__fake_id__"
    box, _ = follow(
        item("", fake, "added"),
        delta(ANSWER, fake),
        item(ANSWER, fake),
        item("", fake, "added"),
        delta("Good", fake),
        item("Good luck!", fake),
        item("Good luck!", fake),
        each=each,
    )
    response = box.response("program", 1, 0.0)
    assert response is not None
    assert response.text == ANSWER
    assert box.newest_text() == "Good luck!"


def test_listed_program_survives_later_text() -> None:
    box = inbox()
    box.take([reply(ANSWER), USER])
    assert [step.text for step in box.take([reply("Bye"), reply(ANSWER), USER])] == ["Bye"]
    box.take([USER])
    assert box.has_program()


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize(
    "events",
    [
        [item(ANSWER), removal()],
        [item(ANSWER), removal("other"), ERROR],
        [item(STEP), item(ANSWER), removal()],
        [item(ANSWER), item("Sorry", kind="replaced")],
        [delta(ANSWER), removal()],
    ],
    ids=["removed", "removed by another id, then an error", "newest", "replaced", "unfinished"],
)
def test_removed_program_is_not_delivered(events: list[dict[str, Any]], each: bool) -> None:
    box, _ = follow(*events, each=each)
    assert not box.has_program()
    # A list that is behind still has the program.
    if not any(event["type"].endswith("updated") for event in events):
        box.take([reply(ANSWER, "other"), USER])
        assert not box.has_program()


def test_listed_refusal_that_was_removed_is_ignored() -> None:
    refusal = item("")
    refusal["item"]["content"] = [{"type": "refusal", "refusal": "I can't."}]
    box, _ = follow(refusal, removal())
    box.take([reply("", refusal="I can't."), USER])
    assert box.response("program", 1, 0.0) is None


@pytest.mark.parametrize("each", [False, True])
def test_program_with_new_id_is_delivered(each: bool) -> None:
    box, _ = follow(item(ANSWER, "tmp"), removal("tmp"), item(ANSWER, "final"), each=each)
    assert box.has_program()


def test_removal_of_another_item_keeps_the_program() -> None:
    box, reader = follow(item(ANSWER), item(STEP, "b"), removal("b"), removal("c"))
    assert box.has_program()
    assert box.newest_text() == ANSWER
    assert reader.error is None


def test_error_after_a_program_keeps_it() -> None:
    assert follow(item(ANSWER), ERROR)[0].has_program()


def test_done_without_text_ends_no_message() -> None:
    cut = len(ANSWER) // 2
    box, _ = follow(delta(ANSWER[:cut]), item(""), delta(ANSWER[cut:]), item(""), each=True)
    assert box.has_program()
    assert box.newest_text() == ANSWER


def test_listed_text_completes_broken_text() -> None:
    box, _ = follow(delta(CUT))
    with pytest.raises(WorkflowTimeoutError):
        box.out_of_patience("No answer.")
    box.take([reply(ANSWER, "another id"), USER])
    response = box.response("first", 1, 0.0)
    assert response is not None
    assert response.text == ANSWER


def test_error_after_a_cut_answer_is_truncated() -> None:
    box, reader = follow(delta(CUT), ERROR)
    assert reader.error is not None
    with pytest.raises(TruncatedResponseError, match="It broke") as caught:
        box.check_error(reader.error)
    assert caught.value.text == CUT


def test_error_event_without_answer_fails_run() -> None:
    box, reader = follow(item(STEP), ERROR)
    assert reader.error is not None
    with pytest.raises(WorkflowFailedError, match="It broke") as caught:
        box.check_error(reader.error)
    assert (caught.value.text, caught.value.allow_retry) == (STEP, False)


def test_list_of_events_is_read() -> None:
    box, reader = inbox(), ThreadReader()
    events = [{"type": "progress_update", "text": "Reading"}, item(ANSWER)]
    assert len(list(reader.feed(json.dumps(events), watched=True))) == 2
    box.follow(reader.messages)
    assert box.has_program()


@pytest.mark.parametrize(
    ("texts", "error"),
    [
        ([STEP], MissingProgramError),
        ([CUT], TruncatedResponseError),
        ([CUT, "Good luck!"], TruncatedResponseError),
        (["Hello"], InvalidResponseError),
        ([f"The {ROOT_KEY} is broken"], InvalidResponseError),
        ([], WorkflowTimeoutError),
    ],
)
def test_end_of_run_raises_matching_error(texts: list[str], error: type[WorkflowError]) -> None:
    box = inbox()
    box.take([*(reply(text) for text in reversed(texts)), USER])
    assert box.response("program", 1, 0.0) is None
    with pytest.raises(error) as caught:
        box.end_of_run()
    assert caught.value.text in [*texts, None]
    assert caught.value.session.id == "s"


def test_missing_program_names_the_keys() -> None:
    box = inbox()
    box.take([reply('{"plan": 1, "profile": 2}'), reply("prose"), reply(STEP), USER])
    with pytest.raises(MissingProgramError, match="profile, plan") as caught:
        box.end_of_run()
    assert caught.value.keys == ("profile", "plan")


@pytest.mark.parametrize("texts", [[STEP, '{"plan": 1}'], ["Hello"], []])
def test_timeout_error_has_steps(texts: list[str]) -> None:
    box = inbox()
    box.take([*(reply(text) for text in reversed(texts)), USER])
    with pytest.raises(WorkflowTimeoutError) as caught:
        box.out_of_patience("No answer.")
    assert list(caught.value.steps) == texts
    assert caught.value.text == (texts[-1] if texts else None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (json.dumps({ROOT_KEY: {"title": "x"}}), ProgramValidationError),
        ('{"error": "no tokens"}', WorkflowFailedError),
    ],
)
def test_final_errors_are_raised_at_once(text: str, error: type[WorkflowError]) -> None:
    box = inbox()
    box.take([reply(text), USER])
    with pytest.raises(error):
        box.response("program", 1, 0.0)


def test_refusal_is_a_failure() -> None:
    entry = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I can't."}]}
    box = inbox()
    box.take([read_message(entry), USER])
    with pytest.raises(WorkflowFailedError, match="I can't") as caught:
        box.response("program", 1, 0.0)
    assert caught.value.text == "I can't."


@pytest.mark.parametrize("end", [Inbox.end_of_run, lambda box: box.out_of_patience("No answer.")])
@pytest.mark.parametrize(
    ("waiting", "name"),
    [
        ({"type": "client_tool_call", "status": "pending", "name": "lookup"}, "'lookup'"),
        ({"type": "structured_input"}, "structured_input"),
        ({"type": "widget"}, "widget"),
        ({"type": "tool_approval"}, "approval"),
    ],
)
def test_run_that_waits_for_client_fails(
    waiting: dict[str, Any], name: str, end: Callable[[Inbox], None]
) -> None:
    live, _ = follow({"type": "thread.item.done", "item": {"id": "w", **waiting}})
    later = inbox()
    later.take([read_message({"id": "w", **waiting}), USER])
    for box in (live, later):
        with pytest.raises(WorkflowFailedError, match=name):
            end(box)


def test_answered_tool_call_does_not_wait() -> None:
    done = {"type": "client_tool_call", "id": "w", "status": "completed", "name": "lookup"}
    assert follow({"type": "thread.item.done", "item": done})[0].pending is None
    assert read_message(done).role == "other"


def test_answer_after_a_widget_ends_the_wait() -> None:
    box, _ = follow({"type": "thread.item.done", "item": {"type": "widget"}}, item(STEP))
    assert box.pending is None


def test_repair_is_logged_with_the_session(caplog: pytest.LogCaptureFixture) -> None:
    box = inbox()
    box.take([reply(ANSWER[:-1]), USER])
    with caplog.at_level(logging.WARNING):
        response = box.response("program", 1, 0.0)
    assert response is not None
    assert response.repaired
    [record] = caplog.records
    assert (record.levelname, vars(record)["session_id"]) == ("WARNING", "s")


def test_small_messages_take_linear_time() -> None:
    def seconds(count: int) -> float:
        box, reader = inbox(), ThreadReader(message_id="m")
        started = time.thread_time()
        for number in range(count):
            list(reader.feed(json.dumps(item(f"Step {number}", str(number))), watched=False))
            box.follow(reader.messages)
        assert box.response("program", 1, 0.0) is None
        return time.thread_time() - started

    assert seconds(10_000) < 40 * (seconds(500) + 0.01)


def entry(message_id: str, role: str, created_at: Any = None) -> dict[str, Any]:
    times = {} if created_at is None else {"created_at": created_at}
    return {"id": message_id, "role": role, "content": [{"text": "x"}], **times}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "times",
    [[1, 2, 3, 4], [1, 2, 2, 3], [f"2026-01-05T10:00:0{n}" for n in range(4)], [None] * 4, [5] * 4],
    ids=["seconds", "equal ones", "ISO 8601", "no times", "constant"],
)
def test_order_is_read_off_the_list(times: list[Any], backwards: bool) -> None:
    roles = {"m1": "user", "a1": "assistant", "m2": "user", "a2": "assistant"}
    entries = [entry(i, role, t) for (i, role), t in zip(roles.items(), times, strict=True)]
    listed = [read_message(message) for message in (entries[::-1] if backwards else entries)]
    messages = newest_first(listed, "m2", complete=True)
    assert [message.id for message in messages] == ["a2", "m2", "a1", "m1"]
    for ours, answer in (("m1", "a1"), ("m2", "a2")):
        assert [reply.id for reply in answers_to(messages, run_of(ours))] == [answer]


@pytest.mark.parametrize("order", [["m1", "a1", "m2"], ["m2", "a1", "m1"]])
def test_older_answer_never_answers_our_message(order: list[str]) -> None:
    listed = [read_message(entry(i, "user" if i[0] == "m" else "assistant")) for i in order]
    assert answers_to(newest_first(listed, "m2", complete=True), run_of("m2")) == []


def test_cut_page_keeps_its_order() -> None:
    listed = [read_message(entry("m2", "user")), read_message(entry("a1", "assistant"))]
    assert answers_to(newest_first(listed, "m2"), run_of("m2")) == []


@pytest.mark.parametrize(
    ("content", "text", "readable"),
    [
        ("text", "text", True),
        ([{"text": "a"}, {"text": "b"}], "ab", True),
        ([{"text": {"value": "nested"}}], "nested", True),
        (None, "", False),
        ([], "", False),
        ([{"text": "a"}, {"image": "b"}], "a", False),
        ({"text": "a"}, "", False),
    ],
)
def test_unreadable_content_is_flagged(content: Any, text: str, readable: bool) -> None:
    message = read_message({"id": 7, "type": "chatkit.user_message", "content": content})
    assert (message.id, message.role, message.text) == ("7", "user", text)
    assert message.readable is readable


@pytest.mark.parametrize("thing", ["text", {"type": "hologram", "content": "x"}, {"id": "x"}])
def test_unknown_entry_is_unreadable(thing: Any) -> None:
    message = read_message(thing)
    assert message.role == "unknown"
    assert not message.readable


def test_repr_of_inbox_hides_texts() -> None:
    box = inbox(message_text="secret")
    box.take([reply(json.dumps({ROOT_KEY: PROGRAM, "note": "secret"})), USER])
    assert "secret" not in repr(box)
    assert PROGRAM["title"] not in repr(box)


def test_item_replaced_with_equal_text_stays() -> None:
    box, _ = follow(item(ANSWER), item(ANSWER, kind="replaced"))
    assert box.has_program()


def test_item_replaced_with_another_text_is_removed() -> None:
    box, _ = follow(item(ANSWER), item("No.", kind="replaced"))
    assert not box.has_program()
