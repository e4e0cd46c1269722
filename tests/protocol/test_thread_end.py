"""The end of a run over the thread protocol: its stream ends or breaks, and its thread is read."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    AuthenticationError,
    InvalidInputError,
    InvalidResponseError,
    MissingProgramError,
    PermissionDeniedError,
    RunReference,
    TruncatedResponseError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from tests.support.samples import ANSWER
from tests.support.script import Play, Scene, Scripted, api_error, config

from .thread_runs import (
    CREATED,
    HOSTED,
    LOST,
    NONE,
    OURS,
    TAKEN,
    begun,
    done,
    follow,
    item,
    items,
    kinds,
    send_in,
    threads_of,
)


def test_ids_find_known_thread() -> None:
    runs, _ = begun(breaks_with=LOST)
    ours = item("user_message", "msg_1", "hello")
    run = RunReference(message_id="msg_1", session_id="cksess_1")
    for _ in range(2):
        play = Play([items(item("assistant_message", "msg_3", ANSWER), ours)])
        assert follow(play, runs, run).text == ANSWER


@pytest.mark.parametrize(
    "events", [[], [done('{"profile": 1}')], [done(ANSWER[:-9])], [done("Working on it")]]
)
def test_answer_missing_in_stream_is_looked_up(events: Any) -> None:
    """A proxy ends the stream without an error after its server has failed."""
    runs, message = begun(*events)
    stored = items(
        item("assistant_message", "msg_3", ANSWER),
        *(item("assistant_message", "msg_2", "{}") for _ in events),
        item("user_message", "msg_1", "hello"),
    )
    play = Play([api_error(503), stored])
    assert follow(play, runs, message).text == ANSWER
    assert kinds(play) == ["GET /threads/thr_1/items"] * 2


def test_refused_thread_does_not_confirm_the_end() -> None:
    workflow = Workflow(config(protocol="threads"))
    operation, play = send_in(workflow, HOSTED, NONE, Scene([CREATED, TAKEN, done("Sorry.")]))
    run = play.run(operation)
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    operation = workflow.poll_response(HOSTED, run, waiting, watched=False)
    with pytest.raises(PermissionDeniedError) as caught:
        Play([api_error(403)] * 2).run(operation)
    assert (caught.value.text, caught.value.run) == ("Sorry.", run)


def test_failed_run_is_not_looked_up() -> None:
    runs, message = begun(done('{"error": "no tokens"}'))
    with pytest.raises(WorkflowFailedError):
        follow(Play([]), runs, message)


def test_stream_without_answer_ends_the_run() -> None:
    runs, message = begun()
    with pytest.raises(WorkflowTimeoutError, match="stream ended") as caught:
        follow(Play([items(item("user_message", "msg_1", "hello"))]), runs, message)
    # Users paste the call from the text into another process.
    text = str(caught.value)
    call = text[text.index("poll_response(") :].rstrip(".")
    references: list[str] = []
    exec(call, {"poll_response": references.append})
    assert [RunReference.model_validate_json(text) for text in references] == [message]


def test_broken_stream_continues_with_the_thread() -> None:
    runs, message = begun(done('{"profile": 1}'), breaks_with=LOST)
    ours = item("user_message", "msg_1", "hello")
    step = item("assistant_message", "msg_2", '{"profile": 1}')
    answered = items(item("assistant_message", "msg_3", ANSWER), step, ours)
    play = Play([items(step, ours), api_error(503), answered])
    response = follow(play, runs, message)
    assert (response.text, response.attempts, play.sleeps) == (ANSWER, 3, [2.0, 2.0])
    assert sum(event.type == "step" for event in play.events) == 1


def test_thread_is_read_page_after_page() -> None:
    message = RunReference(message_id="msg_1", session_id="cksess_1", thread_id="thr_1")
    task = {"type": "chatkit.task", "id": "t"}
    first = items(item("assistant_message", "msg_3", ANSWER), task, more=True)
    play = Play([first, items(item("user_message", "msg_1", "hello"))])
    assert follow(play, threads_of(), message).text == ANSWER
    assert "after=t" in play.requests[1].url


def test_repeated_page_ends_the_list() -> None:
    message = RunReference(message_id="msg_1", session_id="cksess_1", thread_id="thr_1")
    page = items(item("assistant_message", "msg_3", ANSWER), more=True)
    assert follow(Play([page, page]), threads_of(), message).text == ANSWER


def test_refused_list_error_has_run() -> None:
    message = RunReference(message_id="msg_1", session_id="cksess_1", thread_id="thr_1")
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    workflow = Workflow(config(protocol="threads"))
    operation = workflow.poll_response(HOSTED, message, waiting, watched=True)
    with pytest.raises(AuthenticationError) as caught:
        Play([api_error(401)]).run(operation)
    assert (caught.value.session, caught.value.run) == (HOSTED, message)


def test_id_alone_does_not_find_its_thread() -> None:
    with pytest.raises(InvalidInputError, match="RunReference with its thread_id"):
        follow(Play([]), threads_of(), RunReference(message_id="msg_1", session_id="cksess_9"))


def test_program_before_broken_stream_counts() -> None:
    runs, message = begun(done(ANSWER), breaks_with=LOST)
    assert follow(Play([]), runs, message).text == ANSWER
    failed = {"type": "error", "message": "no capacity", "allow_retry": True}
    runs, message = begun(failed, breaks_with=LOST)
    with pytest.raises(WorkflowFailedError, match="no capacity"):
        follow(Play([]), runs, message)
    half = {"type": "assistant_message", "id": "msg_2", "content": []}
    delta = {"type": "assistant_message.content_part.text_delta", "delta": ANSWER[:30]}
    runs, message = begun(
        {"type": "thread.item.added", "item": half},
        {"type": "thread.item.updated", "item_id": "msg_2", "update": delta},
        breaks_with=LOST,
    )
    ours = items(item("user_message", "msg_1", "hello"))
    # The stream broke, so it is unknown whether the model cut the answer.
    with pytest.raises(WorkflowTimeoutError) as caught:
        follow(Play([ours] * 3), runs, message)
    assert caught.value.text == ANSWER[:30]


def test_error_after_a_program_keeps_it() -> None:
    failed = {"type": "error", "code": "custom", "message": "late", "allow_retry": False}
    runs, message = begun(done(ANSWER), failed)
    assert follow(Play([]), runs, message).text == ANSWER


@pytest.mark.parametrize(
    ("texts", "cls"),
    [
        (['{"profile": 1}', '{"training_plan": 1}'], MissingProgramError),
        (["Sorry, no."], InvalidResponseError),
        ([ANSWER[:-9]], TruncatedResponseError),
        ([ANSWER[:-9], "All done."], TruncatedResponseError),
    ],
)
def test_end_of_stream_ends_run(texts: list[str], cls: type[Exception]) -> None:
    runs, message = begun(*(done(text, f"msg_{n}") for n, text in enumerate(texts, 2)))
    with pytest.raises(cls) as caught:
        follow(Play([OURS]), runs, message)
    assert type(caught.value) is cls
    if isinstance(caught.value, MissingProgramError):
        assert caught.value.keys == ("profile", "training_plan")


@pytest.mark.parametrize("failed", [api_error(502), api_error(404), APIConnectionError("refused")])
def test_unreadable_thread_is_waited_for(failed: Scripted) -> None:
    """A proxy ends the stream without an error while its server restarts."""
    runs, message = begun(done('{"profile": 1}'))
    ours = item("user_message", "msg_1", "hello")
    answered = items(item("assistant_message", "msg_3", ANSWER), ours)
    play = Play([failed, failed, items(ours), answered])
    assert follow(play, runs, message, attempts=5).text == ANSWER
    runs, message = begun(done('{"profile": 1}'))
    with pytest.raises(WorkflowTimeoutError) as caught:
        follow(Play([failed] * 4), runs, message)
    assert caught.value.steps == ('{"profile": 1}',)
