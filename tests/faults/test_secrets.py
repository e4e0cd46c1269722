"""Logs, reprs, pickles and warnings show no key, no client secret and no data of the athlete."""

from __future__ import annotations

import copy
import logging
import pickle
from multiprocessing import get_context
from queue import Queue
from typing import Any

import pytest
from rich.pretty import pretty_repr

import edn360_chatkit
from edn360_chatkit import (
    APITimeoutError,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    InvalidInputError,
    ProgramValidationError,
    WorkflowError,
)
from edn360_chatkit.events import TaskEvent, TextDeltaEvent
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient
from tests.support.calls import call
from tests.support.patience import PATIENCE
from tests.support.secrets import PRIVATE, TOKEN, USER, all_secrets, athlete, options, secrets_in

FAULTS: dict[str, tuple[Any, int]] = {"protocol": ("conversation", 1), "server_url": ("server", 2)}


def test_logs_at_all_levels_show_no_secret(
    make_client: MakeClient, sim: ChatKitSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The logs of httpcore, asyncio and this package, of runs, faults and lists."""
    caplog.set_level(1)
    secrets = list(all_secrets(sim))
    for more in ({}, {"protocol": "threads"}, {"server_url": sim.server_url}):
        client = make_client(**options(sim, **more))
        session = client.create_session(USER)
        client.poll_response(session, after=client.send_message(session, athlete()))
        secrets.append(session.client_secret or TOKEN)
        # The client reads a self-hosted server before it sends the message.
        endpoint, times = FAULTS.get(next(iter(more), ""), ("send_message", 1))
        sim.fail_next(endpoint, status=500, taken=True, times=times)
        with pytest.raises(ChatKitError):
            client.run_workflow(athlete())
        with pytest.raises(ChatKitError):
            client.poll_response("nope")
    call(make_client(**options(sim)), "threads.list", user=USER)
    records = [(record.getMessage(), repr(record.args)) for record in caplog.records]
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert loggers >= {"httpcore", "edn360_chatkit"}
    assert "response received" in caplog.text
    assert secrets_in(repr(records), (*secrets, USER)) == []


def public_values() -> list[Any]:
    data = athlete(subscription={"plan": PRIVATE[0]}, unknown=PRIVATE[1])
    data["context"] = {"previous_training_plan": {"plan_data": PRIVATE[2]}, "unknown": PRIVATE[0]}
    model_input = edn360_chatkit.EDN360Input.model_validate({**data, "unknown": PRIVATE[0]})
    exercise = {"name": "Squat", "notes": PRIVATE[2], "unknown": PRIVATE[2]}
    days = [{"session_notes": PRIVATE[2], "blocks": [{"exercises": [exercise]}]}]
    program = edn360_chatkit.EnrichedTrainingProgram.model_validate(
        {"title": "t", "summary": PRIVATE[2], "general_notes": PRIVATE[0], "sessions": days}
    )
    event = {"type": "x", "text": PRIVATE[2]}
    item = {"id": "i", "content": PRIVATE[2], "unknown": PRIVATE[2]}
    response = edn360_chatkit.WorkflowResponse(
        program=program, text=PRIVATE[2], session_id="s", attempts=1, elapsed=0.0
    )
    return [
        *[
            model_input,
            model_input.user_profile,
            model_input.user_profile.subscription,
            model_input.questionnaires,
        ],
        *[model_input.context, model_input.context and model_input.context.previous_training_plan],
        *[program, program.sessions, program.sessions[0].blocks, response],
        edn360_chatkit.Thread.model_validate({"id": "t", "title": PRIVATE[0], "more": PRIVATE[0]}),
        edn360_chatkit.ThreadItem.model_validate(item),
        edn360_chatkit.ChatSession.model_validate({"id": "s", "client_secret": TOKEN, "x": TOKEN}),
        edn360_chatkit.StepEvent(text=PRIVATE[2]),
        edn360_chatkit.ResponseEvent(response=response),
        edn360_chatkit.ProgressEvent(text=PRIVATE[2], data=event),
        edn360_chatkit.NoticeEvent(level="info", message=PRIVATE[2], title=PRIVATE[0], data=event),
        edn360_chatkit.RawEvent(data=event),
        TaskEvent(type="task.added", item_id="i", index=0, task=event, data=event),
        TextDeltaEvent(item_id="i", delta=PRIVATE[2], data=event),
        edn360_chatkit.WaitingEvent(attempt=1, max_attempts=2, elapsed=0.0, error=PRIVATE[2]),
        InvalidInputError("x"),
    ]


@pytest.mark.parametrize("value", public_values(), ids=lambda value: type(value).__name__)
def test_reprs_show_no_secret(value: Any) -> None:
    pretty = pretty_repr(value), pretty_repr([value], expand_all=True)
    for text in (repr(value), str(value), *pretty):
        assert secrets_in(text, (*PRIVATE, TOKEN)) == []


SESSION = ChatSession(id="cksess_1", client_secret=TOKEN, user=USER)
MESSAGE = edn360_chatkit.Message(id="msg_1", session_id="cksess_1")
FIELD = {"path": "a", "loc": ("a",), "msg": "m", "type": "missing"}


def filled(cls: type[ChatKitError]) -> ChatKitError:
    """An error with a value in every field."""
    run = {"session": SESSION, "message": MESSAGE} if issubclass(cls, WorkflowError) else {}
    error = cls("what to do", **run)
    values = {
        "session": SESSION,
        "sent_message": MESSAGE,
        "may_have_been_taken": True,
        "errors": (FIELD,),
        "keys": ("profile",),
        "status_code": 418,
        "retry_after": 1.5,
        "body": {"error": [1]},
        "text": "the program, half of it",
        "allow_retry": True,
        "may_have_arrived": False,
        "steps": ("a step",),
        "retryable": False,
        "deadline_passed": True,
    }
    for name in [*vars(error), "session", "sent_message"]:
        value = values.get(name, f"the {name}")
        setattr(error, name, MESSAGE if name == "message" and "text" in vars(error) else value)
    return error


def every_error() -> list[type[ChatKitError]]:
    public = (getattr(edn360_chatkit, name) for name in edn360_chatkit.__all__)
    return [cls for cls in public if isinstance(cls, type) and issubclass(cls, ChatKitError)]


@pytest.mark.parametrize("protocol", [*range(2, pickle.HIGHEST_PROTOCOL + 1)])
@pytest.mark.parametrize("cls", every_error())
def test_copied_error_keeps_fields_without_secret(cls: type[ChatKitError], protocol: int) -> None:
    error = filled(cls)
    error.__cause__ = ValueError(TOKEN)
    pickled = pickle.dumps(error, protocol)
    assert TOKEN.encode() not in pickled
    copies = [pickle.loads(pickled), copy.copy(error), copy.deepcopy(error)]
    for duplicate in copies:
        assert type(duplicate) is cls
        assert str(duplicate) == str(error)
        assert [*vars(duplicate)] == [*vars(error)]
        for name, value in vars(error).items():
            copied = getattr(duplicate, name)
            if name == "session":
                # The copy has no client secret.
                copied, value = copied.id, value.id
            assert copied == value
    assert copies[0].session is not None
    assert copies[0].session.client_secret is None


def put_errors(queue: Queue[Any]) -> None:
    queue.put(filled(ProgramValidationError))
    queue.put(filled(APITimeoutError))


def test_errors_pass_between_processes() -> None:
    context = get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=put_errors, args=(queue,))
    process.start()
    first, second = queue.get(timeout=PATIENCE), queue.get(timeout=PATIENCE)
    process.join()
    assert (type(first), first.errors) == (ProgramValidationError, (FIELD,))
    assert (type(second), second.deadline_passed) == (APITimeoutError, True)
    queue.close()
    queue.join_thread()


def test_warnings_quote_no_value(recwarn: pytest.WarningsRecorder) -> None:
    model_input = edn360_chatkit.EDN360Input.model_validate(athlete())
    odd = model_input.model_copy(
        update={"questionnaires": PRIVATE[2], "user_profile": [PRIVATE[0]]}
    )
    with (
        ChatKitClient(api_key="sk-simulated-key", workflow_id="wf_demo") as client,
        pytest.raises(InvalidInputError),
    ):
        client.run_workflow(odd)
    assert secrets_in(repr([*map(str, recwarn)]), PRIVATE) == []
    assert logging.getLogger("edn360_chatkit").handlers
