"""A whole run over session messages, without I/O: its requests, its log, foreign exceptions."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, cast

import pytest

from edn360_chatkit import AuthenticationError, MessageSentEvent, RunReference
from edn360_chatkit._effects import Emit, Now, Send
from edn360_chatkit._protocol.inputs import prepare
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit.models.run import resume_call
from tests.support.samples import ANSWER, ATHLETE
from tests.support.script import Play, Scripted, answer, api_error, config

from .message_runs import NOTHING, STEP, posted, run


def test_run_makes_three_requests() -> None:
    play = Play([answer({"id": "cksess_1"}), answer({"id": "msg_1"}), posted(ANSWER)])
    assert run(play).session_id == "cksess_1"
    messages = "/sessions/cksess_1/messages"
    assert play.paths == ["POST /sessions", f"POST {messages}", f"GET {messages}"]
    assert json.loads(play.body(1)["content"][0]["text"]) == ATHLETE
    assert [e.type for e in play.events] == ["session.created", "message.sent", "response"]


def test_elapsed_time_counts_from_start() -> None:
    play = Play(
        [answer({"id": "cksess_1"}), answer({"id": "msg_1"}), posted(ANSWER)],
        seconds_per_request=1.5,
    )
    assert run(play).elapsed == 4.5


def test_refused_message_carries_the_session() -> None:
    play = Play([answer({"id": "cksess_1"}), api_error(401)])
    with pytest.raises(AuthenticationError) as caught:
        run(play)
    assert caught.value.session is not None
    assert caught.value.session.id == "cksess_1"


def test_log_describes_a_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edn360_chatkit")
    play = Play(
        [answer({"id": "cksess_1"}), answer({"id": "msg_1"}), *[NOTHING] * 20, posted(ANSWER)]
    )
    run(play)
    size = len(prepare(ATHLETE).text.encode())
    records = [record for record in caplog.records if record.name == "edn360_chatkit"]
    assert [record.message.replace(" (session cksess_1)", "") for record in records] == [
        "session created, workflow wf_demo",
        f"input prepared: {size} bytes, questionnaires: 1",
        "message sent: msg_1",
        "waiting: attempt 10 of 60",
        "waiting: attempt 20 of 60",
        f"response received: {len(ANSWER.encode())} bytes at attempt 21",
        "training sessions: 1",
    ]
    assert all(vars(record)["session_id"] == "cksess_1" for record in records[1:])


class JobTimeLimitError(Exception):
    """An exception that a signal handler raises."""


def interrupted(*answers: Scripted) -> BaseException:
    """Interrupt the effect that follows these answers, and return the exception of the run."""
    play = Play([*answers, JobTimeLimitError()])
    with pytest.raises(JobTimeLimitError) as caught:
        run(play)
    return caught.value


@pytest.mark.skipif(sys.version_info < (3, 11), reason="add_note is new in Python 3.11")
def test_foreign_exception_gets_note_after_sending() -> None:
    session, message = answer({"id": "cksess_1"}), answer({"id": "msg_1"})
    assert not hasattr(interrupted(), "__notes__")
    (note,) = interrupted(session).__notes__  # type: ignore[attr-defined]
    assert "may have been stored" in note
    run = RunReference(session_id="cksess_1", user="athlete-1", previous_id="")
    assert resume_call(run) in note
    (note,) = interrupted(session, message).__notes__  # type: ignore[attr-defined]
    assert resume_call(run.model_copy(update={"message_id": "msg_1"})) in note
    assert "Ejemplo" not in note


@pytest.mark.skipif(sys.version_info < (3, 11), reason="add_note is new in Python 3.11")
def test_exception_in_last_event_gets_note() -> None:
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    operation = Workflow(config()).start(prepare(ATHLETE), "athlete-1", waiting)
    answers, reply = [answer({"id": "cksess_1"}), answer({"id": "msg_1"})], cast("Any", None)
    while True:
        effect = operation.send(reply)
        reply = 1.0 if isinstance(effect, Now) else None
        if isinstance(effect, Send):
            reply = answers.pop(0)
        elif isinstance(effect, Emit) and isinstance(effect.event, MessageSentEvent):
            break
    with pytest.raises(JobTimeLimitError) as caught:
        operation.throw(JobTimeLimitError())
    (note,) = caught.value.__notes__  # type: ignore[attr-defined]
    assert "msg_1" in note


@pytest.mark.skipif(sys.version_info < (3, 11), reason="add_note is new in Python 3.11")
def test_exception_before_sending_gets_no_note() -> None:
    calls: list[None] = []

    def headers() -> dict[str, str]:
        calls.append(None)
        if len(calls) == 2:
            raise JobTimeLimitError
        return {}

    with pytest.raises(JobTimeLimitError) as caught:
        run(Play([answer({"id": "cksess_1"})]), headers=headers)
    assert not hasattr(caught.value, "__notes__")


def test_log_has_no_athletes_data(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    play = Play(
        [
            answer({"id": "cksess_1", "client_secret": "ek_hidden"}),
            answer({"id": "msg_1"}),
            api_error(503),
            posted(STEP),
            posted(ANSWER, STEP),
        ]
    )
    run(play)
    for secret in ("Ejemplo", "athlete-1", "ek_hidden", "sk-simulated", "Squat", "profile"):
        assert secret not in caplog.text
