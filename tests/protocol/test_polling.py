"""A run over session messages that is polled: its answers, its failed polls, and its end."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    InternalServerError,
    InvalidResponseError,
    MissingProgramError,
    ProgramValidationError,
    ResponseEvent,
    RunReference,
    SessionNotFoundError,
    StepEvent,
    TruncatedResponseError,
    WaitingEvent,
    WorkflowError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.answers import AnswerFormat, read_answer
from edn360_chatkit._protocol.inputs import prepare
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit.models.run import resume_call
from tests.support.samples import ANSWER, PROGRAM
from tests.support.script import Play, Scripted, answer, api_error, assistant, config, listing, user

from .message_runs import FAILED, INVALID, NOTHING, SENT, SESSION, STEP, poll, posted, run_poll


def test_poll_begins_at_once_then_waits() -> None:
    response, play = poll(NOTHING, NOTHING, posted(ANSWER), interval=3.0)
    assert play.sleeps == [3.0, 3.0]
    assert (response.attempts, response.elapsed) == (3, 6.0)
    assert play.requests[0].url.endswith("/sessions/cksess_1/messages?limit=50&order=desc")


def test_poll_limit_is_in_request() -> None:
    play = Play([posted(ANSWER)])
    waiting = Waiting(poll_interval=2.0, max_attempts=1, answer="program")
    workflow = Workflow(config(poll_limit=7))
    play.run(workflow.poll_response(SESSION, SENT, waiting, watched=True))
    assert "?limit=7&" in play.requests[0].url


def test_response_carries_program_and_ids() -> None:
    response, _ = poll(posted(ANSWER))
    assert response.program.model_dump(mode="json", exclude_unset=True) == PROGRAM
    assert (response.text, response.message_id) == (ANSWER, "msg_a1")
    assert (response.session_id, response.thread_id) == ("cksess_1", None)


@pytest.mark.parametrize("data", [[], None])
def test_empty_list_means_not_yet(data: Any) -> None:
    response, _ = poll(answer({"data": data}), answer({}), posted(ANSWER))
    assert response.attempts == 3


def test_steps_do_not_end_run() -> None:
    response, play = poll(
        posted(STEP), posted("Thinking…", STEP), posted(ANSWER, "Thinking…", STEP)
    )
    assert response.attempts == 3
    steps = [(e.keys, e.text) for e in play.events if isinstance(e, StepEvent)]
    assert steps == [(("profile",), STEP), ((), "Thinking…")]


def test_closing_words_do_not_hide_program() -> None:
    response, _ = poll(posted("That was all!", ANSWER, STEP))
    assert response.text == ANSWER


def test_shortened_list_keeps_the_program() -> None:
    assert poll(posted("x", "y", STEP), listing(assistant(ANSWER, "msg_new"), user("msg_1")))[0]


def test_message_beyond_first_page_is_read() -> None:
    later = [assistant(ANSWER, "msg_4"), user("msg_3")]
    first = answer({"data": later, "has_more": True, "last_id": "msg_3"})
    mine = ANSWER.replace("Fuerza", "Propia")
    second = answer({"data": [assistant(mine, "msg_2"), user("msg_1")], "has_more": False})
    play = Play([first, second])
    assert run_poll(play, 1).text == mine
    assert play.requests[1].url.endswith("order=desc&after=msg_3")


def test_newest_of_several_programs_counts() -> None:
    newer = ANSWER.replace("Fuerza", "Fuerza corregida")
    assert poll(posted("Done.", newer, ANSWER))[0].text == newer


def test_events_describe_the_whole_wait() -> None:
    _, play = poll(NOTHING, APIConnectionError("gone"), posted(ANSWER, STEP))
    kinds = [event.type for event in play.events]
    assert kinds == ["waiting", "waiting", "step", "response"]
    first, second = play.events[:2]
    assert isinstance(first, WaitingEvent)
    assert isinstance(second, WaitingEvent)
    assert (first.attempt, first.max_attempts, first.elapsed, first.error) == (1, 3, 0.0, None)
    assert (second.attempt, second.elapsed, second.error) == (2, 2.0, "gone")
    assert isinstance(play.events[-1], ResponseEvent)


@pytest.mark.parametrize("text", [STEP, "Sorry, no."])
def test_end_of_attempts_is_timeout_with_steps(text: str) -> None:
    play = Play([posted(text, STEP)] * 3)
    with pytest.raises(WorkflowTimeoutError, match="60 to 205 s") as caught:
        run_poll(play, 3)
    error = caught.value
    assert (error.text, error.session, error.run) == (text, SESSION, SENT)
    assert error.steps[:1] == (STEP,)
    assert len(play.requests) == 3
    assert play.sleeps == [2.0, 2.0]
    assert poll(posted(text), posted(ANSWER, text))[0].attempts == 2


@pytest.mark.parametrize(
    ("text", "cls", "says"),
    [
        (INVALID, ProgramValidationError, "sessions: Field required"),
        (FAILED, WorkflowFailedError, "no tokens"),
    ],
)
def test_final_error_ends_the_run_at_once(text: str, cls: type[WorkflowError], says: str) -> None:
    with pytest.raises(cls, match=says) as caught:
        poll(NOTHING, posted(text, STEP), attempts=60)
    assert (caught.value.text, caught.value.session, caught.value.run) == (text, SESSION, SENT)


def test_program_beside_an_error_counts() -> None:
    assert poll(posted(ANSWER, FAILED))[0].text == ANSWER


def test_invalid_program_names_each_field() -> None:
    with pytest.raises(ProgramValidationError) as caught:
        poll(posted(INVALID))
    assert [fault["path"] for fault in caught.value.errors] == ["sessions"]


@pytest.mark.parametrize(
    ("text", "cls"),
    [
        (STEP, MissingProgramError),
        ("Sorry, no.", InvalidResponseError),
        (ANSWER[:-9], TruncatedResponseError),
        (INVALID, ProgramValidationError),
        (FAILED, WorkflowFailedError),
    ],
)
def test_answer_first_ends_with_first_text(text: str, cls: type[WorkflowError]) -> None:
    with pytest.raises(cls) as caught:
        poll(NOTHING, posted(text), attempts=60, rule="first")
    assert caught.value.text == text
    with pytest.raises(cls):
        poll(posted(ANSWER, text), attempts=60, rule="first")


def test_first_text_may_be_the_program() -> None:
    assert poll(NOTHING, posted("and more", ANSWER), rule="first")[0].text == ANSWER
    assert poll(posted(ANSWER, " "), rule="first")[0].text == ANSWER


def test_timeout_carries_session_and_message() -> None:
    with pytest.raises(WorkflowTimeoutError) as caught:
        poll(NOTHING, NOTHING)
    error = caught.value
    assert (error.session, error.run, error.text) == (SESSION, SENT, None)
    assert resume_call(SENT) in str(error)
    assert "max_attempts" in str(error)


def test_timeout_without_message_id_is_explained() -> None:
    with pytest.raises(WorkflowTimeoutError, match='"session_id":"cksess_1"}'):
        poll(listing(user(None)), message=RunReference(session_id="cksess_1"))


def test_session_without_message_says_so() -> None:
    with pytest.raises(WorkflowTimeoutError, match="has no message") as caught:
        poll(listing(), listing(), message=RunReference(session_id="cksess_1"))
    assert "paid" not in str(caught.value)


def test_error_names_failure_of_every_poll() -> None:
    with pytest.raises(WorkflowTimeoutError, match=r"Every poll failed.*answered 503: No"):
        poll(api_error(503), api_error(503))


@pytest.mark.parametrize("stored", [False, True])
def test_list_without_users_gives_new_program(stored: bool) -> None:
    old, new = assistant(ANSWER, "msg_a1"), assistant(ANSWER.replace("Fuerza", "Nueva"), "msg_a2")
    workflow = Workflow(config())
    waiting = Waiting(poll_interval=2.0, max_attempts=2, answer="program")
    play = Play([listing(old), answer({"id": "msg_2"})])
    reference = play.run(workflow.send_message(SESSION, prepare("hello"), waiting))
    if stored:
        workflow, reference = Workflow(config()), RunReference.model_validate_json(str(reference))
    play = Play([listing(old), listing(new, old)])
    response = play.run(workflow.poll_response(SESSION, reference, waiting, watched=False))
    assert response.message_id == "msg_a2"


def test_run_in_doubt_is_recognised_when_listed() -> None:
    workflow = Workflow(config(max_retries=0))
    waiting = Waiting(poll_interval=2.0, max_attempts=2, answer="program")
    lost = APIConnectionError("lost")
    with pytest.raises(APIConnectionError) as caught:
        Play([listing(user("msg_0")), lost]).run(
            workflow.send_message(SESSION, prepare("hello"), waiting)
        )
    run = caught.value.run
    assert run is not None
    assert (run.message_id, run.previous_id) == (None, "msg_0")
    for listed, message_id in (
        (listing(user("msg_0")), None),
        (listing(user("msg_1"), user("msg_0")), "msg_1"),
    ):
        status = Play([listed]).run(workflow.retrieve_run(SESSION, run, waiting))
        assert (status.state, status.run.message_id) == ("running", message_id)


def test_answer_to_another_message_is_not_delivered() -> None:
    other = listing(assistant(ANSWER), user("msg_other"))
    with pytest.raises(WorkflowTimeoutError):
        poll(other, other)


@pytest.mark.parametrize(
    "failed",
    [
        APIConnectionError("gone"),
        api_error(500),
        api_error(501),
        api_error(503),
        api_error(429),
        api_error(429, code="insufficient_quota"),
        Response(200, {}, b"<html>"),
        answer({"data": "no list"}),
    ],
    ids=["connection", "500", "501", "503", "429", "quota", "no JSON", "no list"],
)
def test_failed_poll_counts_as_attempt(failed: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    response, play = poll(failed, posted(ANSWER))
    assert response.attempts == 2
    assert play.sleeps == [2.0]
    assert [r.levelname for r in caplog.records if "still waiting" in r.message] == ["WARNING"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refused_poll_carries_the_run(status: int) -> None:
    with pytest.raises(APIError) as caught:
        poll(NOTHING, api_error(status), attempts=60)
    assert (caught.value.session, caught.value.run) == (SESSION, SENT)


@pytest.mark.parametrize(
    "fault",
    [*map(api_error, (400, 405, 422, 302)), APIConnectionError("untrusted", retryable=False)],
    ids=["400", "405", "422", "302", "certificate"],
)
def test_second_refusal_in_a_row_counts(fault: Scripted) -> None:
    response, _ = poll(fault, NOTHING, fault, posted(ANSWER), attempts=60)
    assert response.attempts == 4
    with pytest.raises(APIError) as caught:
        poll(NOTHING, fault, fault, attempts=60)
    assert (caught.value.session, caught.value.run) == (SESSION, SENT)
    with pytest.raises(APIError) as caught:
        poll(NOTHING, fault)
    assert (caught.value.session, caught.value.run) == (SESSION, SENT)


def test_missing_session_raises_its_error() -> None:
    with pytest.raises(SessionNotFoundError):
        poll(api_error(404, "Chatkit Session with id 'cksess_1' not found."), attempts=60)


@pytest.mark.parametrize(("header", "pause"), [("9", 9.0), ("1", 2.0), ("100000", 120.0)])
def test_polls_wait_for_retry_after(header: str, pause: float) -> None:
    _, play = poll(api_error(429, retry_after=header), posted(ANSWER))
    assert play.sleeps == [pause]


def test_timeout_has_last_failure_as_cause() -> None:
    with pytest.raises(WorkflowTimeoutError) as caught:
        poll(NOTHING, api_error(503))
    assert isinstance(caught.value.__cause__, InternalServerError)


def test_successful_poll_clears_the_failure() -> None:
    play = Play([api_error(503), NOTHING])
    with pytest.raises(WorkflowTimeoutError) as caught:
        run_poll(play, 2)
    assert caught.value.__cause__ is None
    errors = [event.error for event in play.events if isinstance(event, WaitingEvent)]
    assert errors[0] is not None
    assert errors[1] is None


def test_messages_before_a_failed_poll_stay() -> None:
    for second in (api_error(503), listing()):
        with pytest.raises(WorkflowTimeoutError) as caught:
            poll(posted(STEP), second)
        assert (caught.value.text, caught.value.steps) == (STEP, (STEP,))


def test_growing_message_is_read_again() -> None:
    grown = [listing(assistant(ANSWER[:n], "msg_a"), user("msg_1")) for n in (9, 90, len(ANSWER))]
    assert poll(*grown)[0].attempts == 3


def test_unchanged_message_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def count(text: str, form: AnswerFormat) -> Any:
        read.append(text)
        return original(text, form)

    original = read_answer
    monkeypatch.setattr("edn360_chatkit._protocol.inbox.read_answer", count)
    poll(posted(STEP), posted(STEP), posted(STEP), posted(ANSWER, STEP))
    assert read == [STEP, ANSWER]


def test_cut_program_is_truncated_at_the_end() -> None:
    with pytest.raises(TruncatedResponseError, match="output limit") as caught:
        poll(posted("All done.", ANSWER[:40]))
    assert caught.value.text == ANSWER[:40]
    assert poll(posted(ANSWER[:-9]), posted(ANSWER, ANSWER[:-9]))[0].attempts == 2


def test_failed_poll_is_logged_with_its_status(caplog: pytest.LogCaptureFixture) -> None:
    poll(api_error(503), posted(ANSWER))
    assert "poll 1 failed (InternalServerError 503)" in caplog.text
