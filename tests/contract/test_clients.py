"""Runs over session messages, against the simulator: sync, under asyncio, and under trio."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
import time
from typing import Any

import pytest

from edn360_chatkit import (
    ChatKitError,
    ChatSession,
    EDN360Input,
    InvalidInputError,
    InvalidResponseError,
    Message,
    MissingProgramError,
    ProgramValidationError,
    TruncatedResponseError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.testing import AnswerKind, ChatKitSimulator
from tests.contract.conftest import MakeClient, sync_only
from tests.support.patience import PATIENCE
from tests.support.samples import ATHLETE


def test_three_steps_deliver_program(client: Any, sim: ChatKitSimulator) -> None:
    session = client.create_session("athlete-1")
    message = client.send_message(session, EDN360Input.model_validate(ATHLETE))
    response = client.poll_response(session=session, after=message)
    assert (session.user, session.status) == ("athlete-1", "active")
    assert session.client_secret.startswith("ek_")
    assert response.session_id == message.session_id == session.id
    assert len(response.program.sessions) == 4
    assert response.attempts == 1
    # The client lists the messages first, so that it can recognise its message after a lost answer.
    create, baseline, send, poll = sim.requests
    assert (baseline.method, baseline.path) == ("GET", poll.path)
    assert create.json == {"workflow": {"id": "wf_demo"}, "user": "athlete-1"}
    assert json.loads(send.json["content"][0]["text"]) == ATHLETE
    assert poll.query == {"limit": "50", "order": "desc"}
    assert poll.path == f"/v1/chatkit/sessions/{session.id}/messages"


def test_run_workflow_sends_three_requests(client: Any, sim: ChatKitSimulator) -> None:
    response = client.run_workflow(ATHLETE)
    assert response.program.days_per_week == 4
    assert [request.method for request in sim.requests] == ["POST", "POST", "GET"]
    assert sim.requests[0].json["user"] == "athlete-1"


def test_user_argument_names_session_user(client: Any, sim: ChatKitSimulator) -> None:
    client.run_workflow(ATHLETE, user="team-7")
    client.run_workflow(json.dumps(ATHLETE), user="team-8")
    assert [r.json["user"] for r in sim.requests if r.path.endswith("/sessions")] == [
        "team-7",
        "team-8",
    ]
    with pytest.raises(InvalidInputError, match="user"):
        client.run_workflow("a text")


@pytest.mark.parametrize("kind", ["program", "fenced", "prose", "beside"])
@pytest.mark.parametrize("rule", ["program", "first"])
def test_wrapped_program_is_delivered(
    client: Any, sim: ChatKitSimulator, kind: AnswerKind, rule: str
) -> None:
    sim.answer = kind
    assert client.run_workflow(ATHLETE, answer=rule).program.title.startswith("Programa simulado")


@sync_only
@pytest.mark.parametrize("rule", ["program", "first"])
@pytest.mark.parametrize(
    ("kind", "cls", "at_once"),
    [
        ("invalid", ProgramValidationError, True),
        ("error", WorkflowFailedError, True),
        ("truncated", TruncatedResponseError, False),
        ("step", (WorkflowTimeoutError, MissingProgramError), False),
        ("text", (WorkflowTimeoutError, InvalidResponseError), False),
        ("nothing", WorkflowTimeoutError, False),
    ],
)
def test_answer_without_program_raises_its_error(
    client: Any,
    sim: ChatKitSimulator,
    kind: AnswerKind,
    cls: Any,
    at_once: bool,
    rule: str,
) -> None:
    sim.answer = kind
    # With answer="first", a step or prose is the answer and raises at once.
    cls = cls if isinstance(cls, type) else cls[rule == "first"]
    with pytest.raises(cls) as caught:
        client.run_workflow(ATHLETE, max_attempts=3, answer=rule)
    assert type(caught.value) is cls
    assert caught.value.session.id == caught.value.message.session_id
    assert (caught.value.text is None) == (kind == "nothing")
    polls = sum(request.method == "GET" for request in sim.requests)
    fails_fast = at_once or (rule == "first" and kind != "nothing")
    assert polls == (1 if fails_fast else 3)
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


def test_events_arrive_in_order(client: Any, sim: ChatKitSimulator) -> None:
    sim.steps, sim.empty_polls = True, 3
    with client.stream_workflow(ATHLETE) as run:
        events = list(run)
        response = run.get_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["session.created", "message.sent"]
    assert kinds.count("step") == 3
    assert kinds[-1] == "response"
    assert events[-1].response == response
    assert [e.keys for e in events if e.type == "step"] == [
        ("profile",),
        ("questionnaire_normalized",),
        ("training_plan",),
    ]
    assert [e.attempt for e in events if e.type == "waiting"] == [1, 2, 3]


def test_unread_stream_sends_no_request(client: Any, sim: ChatKitSimulator) -> None:
    with client.stream_workflow(ATHLETE) as run:
        assert sim.requests == []
        assert next(iter(run)).type == "session.created"
    assert len(sim.requests) == 1
    with pytest.raises(ChatKitError, match="poll_response"):
        run.get_response()


def test_get_response_needs_no_iteration(client: Any) -> None:
    with client.stream_workflow(ATHLETE) as run:
        first = run.get_response()
        assert run.get_response() is first


def test_get_response_raises_stream_error_again(client: Any, sim: ChatKitSimulator) -> None:
    sim.answer = "error"
    with client.stream_workflow(ATHLETE) as run:
        with pytest.raises(WorkflowFailedError):
            list(run)
        with pytest.raises(WorkflowFailedError):
            run.get_response()


def test_on_event_gets_every_event(client: Any, sim: ChatKitSimulator) -> None:
    kinds: list[str] = []
    client.run_workflow(ATHLETE, on_event=lambda event: kinds.append(event.type))
    assert kinds == ["session.created", "message.sent", "response"]


def test_client_works_after_on_event_exception(client: Any) -> None:
    def listen(event: Any) -> None:
        raise KeyError(event.type)

    with pytest.raises(KeyError, match=r"session\.created"):
        client.run_workflow(ATHLETE, on_event=listen)
    assert client.run_workflow(ATHLETE).attempts == 1


def test_runs_of_session_get_own_answers(client: Any, sim: ChatKitSimulator) -> None:
    session = client.create_session("u")
    first = client.send_message(session, ATHLETE)
    mine = client.poll_response(session, after=first)
    other = {**ATHLETE, "questionnaires": [{"payload": {"days_per_week": 2}}]}
    sim.empty_polls = 2
    second = client.send_message(session, other)
    response = client.poll_response(session, after=second)
    assert response.attempts == 3
    assert len(response.program.sessions) == 2
    assert client.poll_response(session, after=first.id).text == mine.text
    assert client.poll_response(session.id).text == response.text


def test_another_client_resumes_run(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = "nothing"
    with pytest.raises(WorkflowTimeoutError) as caught:
        make_client().run_workflow(ATHLETE, max_attempts=1)
    assert caught.value.session is not None
    assert caught.value.message is not None
    stored = (caught.value.session.model_dump_json(), caught.value.message.model_dump_json())
    sim.answer = "program"
    session = ChatSession.model_validate_json(stored[0])
    message = Message.model_validate_json(stored[1])
    again = make_client(workflow_id=None)
    again.send_message(session, ATHLETE)
    with pytest.raises(WorkflowTimeoutError):
        again.poll_response(session, after=message, max_attempts=1)
    assert again.poll_response(session).attempts == 1


@sync_only
def test_another_process_resumes_run(client: Any, sim: ChatKitSimulator) -> None:
    session = client.create_session("u")
    message = client.send_message(session, ATHLETE)
    program = textwrap.dedent(
        f"""
        from edn360_chatkit import ChatKitClient
        client = ChatKitClient(api_key={sim.api_key!r}, base_url={sim.base_url!r})
        with client:
            print(client.poll_response({session.id!r}, after={message.id!r}).program.title)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("Programa simulado"), done.stderr
    assert sum(request.method == "POST" for request in sim.requests) == 2


def test_poll_interval_can_be_zero(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.empty_polls = 2
    started = time.monotonic()
    response = make_client(poll_interval=600).run_workflow(
        ATHLETE, poll_interval=0, max_attempts=10_000
    )
    assert response.attempts == 3
    assert time.monotonic() - started < PATIENCE


def test_elapsed_ends_with_last_poll(client: Any, sim: ChatKitSimulator) -> None:
    sim.delay = 0.25
    started = time.monotonic()
    response = client.run_workflow(ATHLETE, poll_interval=0.05)
    seconds = time.monotonic() - started
    assert 0.25 <= response.elapsed <= seconds
    assert response.attempts <= seconds / 0.05 + 1
