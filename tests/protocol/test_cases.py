"""Answers like those of real models, from ``tests/cases/answers.json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

import edn360_chatkit
from edn360_chatkit import ChatSession, RunReference, WorkflowResponse
from edn360_chatkit._protocol.inbox import Inbox
from edn360_chatkit._protocol.listing import SessionMessage
from edn360_chatkit._protocol.thread_events import ThreadReader
from tests.support.samples import cases

CASES = cases("answers")


def inbox() -> Inbox:
    return Inbox(
        ChatSession(id="s"), RunReference(message_id="m", session_id="s", thread_id="thr_1")
    )


def read_texts(texts: list[str]) -> WorkflowResponse:
    """The response to a run whose polls find one more message each time."""
    box = inbox()
    messages = [SessionMessage("m", "user", "")]
    for number, text in enumerate(texts):
        assert box.response("program", number, 0.0) is None
        messages.insert(0, SessionMessage(f"a{number}", "assistant", text))
        box.take(messages)
    return box.response("program", len(texts), 0.0) or box.end_of_run()


def read_stream(events: list[dict[str, Any]]) -> WorkflowResponse:
    """The response to a stream."""
    box, reader = inbox(), ThreadReader(message_id="m")
    for event in events:
        list(reader.feed(json.dumps(event), watched=False))
    reader.end()
    box.follow(reader.messages)
    box.check_error(reader.error)
    return box.response("program", 1, 0.0) or box.end_of_run()


def value_at(program: Any, path: str) -> Any:
    value = program
    for name in path.split("."):
        value = value[int(name)] if name.isdigit() else getattr(value, name)
    return value


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_real_answer_is_read(case: dict[str, Any]) -> None:
    def read() -> WorkflowResponse:
        if "events" in case:
            return read_stream(case["events"])
        return read_texts([*case.get("before", []), case["text"]])

    if "error" in case["want"]:
        with pytest.raises(getattr(edn360_chatkit, case["want"]["error"])):
            read()
        return
    response = read()
    assert response.program.title == case["want"]["program"]
    for path, value in case.get("reads", {}).items():
        assert value_at(response.program, path) == value
