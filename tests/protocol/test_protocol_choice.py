"""``protocol="auto"``: which protocol the first message chooses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edn360_chatkit import ChatSession, EndpointNotFoundError
from edn360_chatkit._effects import Now, Response
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from tests.support.script import Play, Scene, answer, api_error, config

from .thread_runs import CREATED, HOSTED, NONE, REFUSED, TAKEN, send_in


def test_auto_continues_with_threads() -> None:
    workflow = Workflow(config())
    operation, play = send_in(workflow, HOSTED, REFUSED, REFUSED, NONE, Scene([CREATED, TAKEN]))
    assert play.run(operation).thread_id == "thr_1"
    # The second session does not try session messages again.
    other = HOSTED.model_copy(update={"id": "cksess_2"})
    operation, play = send_in(workflow, other, NONE, Scene([CREATED, TAKEN]))
    assert play.run(operation).thread_id == "thr_1"


def test_auto_retries_each_concurrent_first_run() -> None:
    workflow = Workflow(config())
    plays: list[tuple[Any, Any]] = []
    for number in range(10):
        session = ChatSession(id=f"cksess_{number}", client_secret="ek_1", user="ana")
        waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
        operation = workflow.send_message(session, Prepared("hello"), waiting)
        # All runs begin before the first is refused.
        assert isinstance(next(operation), Now)
        plays.append((operation, operation.send(1000.0)))
    for operation, effect in plays:
        play = Play([REFUSED, NONE, Scene([CREATED, TAKEN])])
        refusal = replace(REFUSED, request=effect.request)
        assert play.run(operation, reply=refusal).thread_id == "thr_1"


def test_auto_ignores_a_gateways_page() -> None:
    page = Response(404, {}, b"<h1>Not Found</h1>")
    workflow = Workflow(config())
    operation, play = send_in(workflow, HOSTED, NONE, page)
    with pytest.raises(EndpointNotFoundError):
        play.run(operation)
    operation, play = send_in(workflow, HOSTED, NONE, answer({"id": "msg_1"}))
    assert play.run(operation).message_id == "msg_1"


def test_auto_ignores_page_of_proxy() -> None:
    workflow = Workflow(config())
    page = Response(200, {}, b"<h1>Welcome to the hotel</h1>")
    operation, play = send_in(workflow, HOSTED, NONE, page)
    assert play.run(operation).message_id is None
    operation, play = send_in(workflow, HOSTED, NONE, REFUSED, NONE, Scene([CREATED, TAKEN]))
    assert play.run(operation).thread_id == "thr_1"


def test_auto_keeps_the_learned_protocol() -> None:
    workflow = Workflow(config())
    operation, play = send_in(workflow, HOSTED, NONE, answer({"id": "msg_1"}))
    play.run(operation)
    operation, play = send_in(workflow, HOSTED, NONE, REFUSED)
    with pytest.raises(EndpointNotFoundError):
        play.run(operation)


def test_auto_does_not_resend_in_doubt() -> None:
    operation, play = send_in(Workflow(config()), HOSTED, NONE, api_error(502), *[REFUSED] * 4)
    with pytest.raises(EndpointNotFoundError, match="may have been taken") as caught:
        play.run(operation)
    assert caught.value.may_have_been_taken
    assert [request.method for request in play.requests] == ["GET", "POST", *["GET"] * 4]


def test_auto_explains_a_session_without_secret() -> None:
    operation, play = send_in(Workflow(config()), ChatSession(id="cksess_1"), NONE, REFUSED)
    with pytest.raises(EndpointNotFoundError, match="create_session"):
        play.run(operation)
