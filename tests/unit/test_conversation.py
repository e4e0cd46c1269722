"""A run over the thread protocol, without I/O: started once, followed, found again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    ChatSession,
    ConfigurationError,
    EndpointNotFoundError,
    InvalidInputError,
    InvalidResponseError,
    Message,
    RawEvent,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.conversation import OpenRuns, follow_run, start_run
from edn360_chatkit._protocol.inbox import Inbox
from edn360_chatkit._protocol.polling import Waiting
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.listing import Listing, SessionMessage
from edn360_chatkit._protocol.once import find_ours
from edn360_chatkit._protocol.workflow import State, poll_response, send_input

from .samples import ANSWER
from .script import Play, Scene, Scripted, answer, api_error, config

HOSTED = ChatSession(id="cksess_1", client_secret="ek_1", user="ana")
LOST = APIConnectionError("lost")
CREATED = {"type": "thread.created", "thread": {"id": "thr_1"}}
TAKEN = {
    "type": "thread.item.done",
    "item": {"type": "user_message", "id": "msg_1", "thread_id": "thr_1"},
}


def done(text: str, item_id: str = "msg_2") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {
        "type": "thread.item.done",
        "item": {"type": "assistant_message", "id": item_id, "content": content},
    }


def item(kind: str, item_id: str, text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "input_text" if kind == "user_message" else "output_text", "text": text}
    return {"type": f"chatkit.{kind}", "id": item_id, "content": [part], **more}


def items(*newest_first: dict[str, Any], more: bool = False, **headers: str) -> Response:
    last = newest_first[-1]["id"] if newest_first else None
    data = {"data": list(newest_first), "has_more": more, "last_id": last, "after": last}
    return answer(data, **headers)


def start(play: Play, runs: OpenRuns | None = None, **settings: Any) -> Message:
    told = config(protocol="threads", **settings)
    return play.run(start_run(told, HOSTED, "hello", runs or OpenRuns(), 120.0))


def follow(play: Play, runs: OpenRuns, message: Message, attempts: int = 3) -> Any:
    waiting = Waiting(poll_interval=2.0, max_attempts=attempts, answer="program")
    inbox = Inbox(HOSTED, message)
    told = config(protocol="threads")
    return play.run(follow_run(told, inbox, waiting, runs, 1000.0, watched=True))


def kinds(play: Play) -> list[str]:
    """What was asked, the protocol's own requests by their type."""
    named: list[str] = []
    for path, request in zip(play.paths, play.requests, strict=True):
        own = path == "POST /conversation"
        named.append(json.loads(request.content or b"{}")["type"] if own else path)
    return named


def test_a_run_is_started_with_the_client_secret() -> None:
    play = Play([Scene([CREATED, TAKEN])])
    message = start(play)
    assert (message.id, message.thread_id, message.session_id) == ("msg_1", "thr_1", "cksess_1")
    (request,) = play.requests
    assert request.credential is not None
    assert request.credential.get_secret_value() == "ek_1"
    assert request.headers["Accept"] == "text/event-stream"
    assert "OpenAI-Beta" not in request.headers
    assert play.body(0) == {
        "type": "threads.create",
        "params": {
            "input": {
                "content": [{"type": "input_text", "text": "hello"}],
                "attachments": [],
                "quoted_text": "",
                "inference_options": {},
            }
        },
    }
    # A stream may be silent for as long as the whole waiting lasts.
    assert request.max_silence == 120.0


def test_a_self_hosted_server_gets_the_user_and_no_credential() -> None:
    told = config(api_key=None, workflow_id=None, server_url="https://own.example/chatkit")
    session = ChatSession(id="local_1", user="ana")
    play = Play([Scene([CREATED, TAKEN])])
    play.run(start_run(told, session, "hello", OpenRuns(), 120.0))
    (request,) = play.requests
    assert (request.url, request.credential) == ("https://own.example/chatkit", None)
    assert play.body(0)["metadata"] == {"user": "ana"}


def test_a_self_hosted_server_that_refuses_points_to_the_headers() -> None:
    told = config(api_key=None, server_url="https://own.example/chatkit")
    session = ChatSession(id="local_1", user="ana")
    with pytest.raises(AuthenticationError, match="headers="):
        Play([api_error(401)]).run(start_run(told, session, "hello", OpenRuns(), 120.0))


def test_a_session_without_its_secret_says_what_to_do() -> None:
    stored = ChatSession.model_validate_json(HOSTED.model_dump_json())
    with pytest.raises(ConfigurationError, match="create_session"):
        Play([]).run(start_run(config(protocol="threads"), stored, "hello", OpenRuns(), 120.0))


def test_a_second_message_goes_to_the_thread_that_is_under_way() -> None:
    runs = OpenRuns()
    start(Play([Scene([CREATED, TAKEN])]), runs)
    play = Play([Scene([TAKEN])])
    assert start(play, runs).thread_id == "thr_1"
    assert play.body(0)["type"] == "threads.add_user_message"
    assert play.body(0)["params"]["thread_id"] == "thr_1"


@pytest.mark.parametrize(
    "lost",
    [LOST, api_error(502), Scene([], LOST), Scene([]), Scene([{"type": "stream_options"}], LOST)],
    ids=["no answer", "502", "cut at once", "ended at once", "cut before the thread"],
)
def test_a_message_is_looked_for_in_the_users_newest_threads(lost: Scripted) -> None:
    threads = answer({"data": [{"id": "thr_0"}, {"id": "thr_1"}]})
    other = items(item("user_message", "msg_0", "another"))
    ours = items(item("assistant_message", "msg_9", "x"), item("user_message", "msg_1", "hello"))
    play = Play([lost, threads, other, ours])
    message = start(play)
    assert (message.id, message.thread_id) == ("msg_1", "thr_1")
    assert kinds(play) == [
        "threads.create",
        "GET /threads",
        "GET /threads/thr_0/items",
        "GET /threads/thr_1/items",
    ]
    assert "user=ana" in play.requests[1].url


def test_where_the_thread_is_known_only_it_is_read() -> None:
    cut = Scene([CREATED], LOST)
    play = Play([cut, items(item("user_message", "msg_1", "hello"))])
    assert start(play).id == "msg_1"
    assert kinds(play) == ["threads.create", "GET /threads/thr_1/items"]


def test_a_look_is_for_the_message_that_was_sent_last() -> None:
    # The first thread was made and stayed empty; the second has the message.
    cut, threads = Scene([CREATED], LOST), answer({"data": [{"id": "thr_2"}, {"id": "thr_1"}]})
    play = Play([cut, items(), LOST, threads, items(item("user_message", "msg_1", "hello"))])
    message = start(play)
    assert (message.id, message.thread_id) == ("msg_1", "thr_2")
    assert kinds(play).count("threads.create") == 2


def test_a_later_message_in_its_thread_does_not_hide_ours() -> None:
    runs = OpenRuns()
    start(Play([Scene([CREATED, TAKEN])]), runs)
    ours, later = item("user_message", "msg_2", "hello"), item("user_message", "msg_3", "other")
    play = Play([LOST, items(later, ours)])
    assert start(play, runs).id == "msg_2"


def test_a_flood_before_the_message_is_taken_leaves_a_doubt_that_is_looked_into() -> None:
    flood = Scene([CREATED, {"type": "notice", "message": "x" * 2000}])
    ours = items(item("user_message", "msg_1", "hello"))
    play = Play([flood, ours])
    assert start(play, max_response_bytes=1024).id == "msg_1"


def test_only_what_is_not_there_is_sent_again() -> None:
    play = Play([LOST, answer({"data": []}), Scene([CREATED, TAKEN])])
    assert start(play).id == "msg_1"
    assert kinds(play) == ["threads.create", "GET /threads", "threads.create"]


def test_after_a_timeout_one_empty_look_is_not_enough() -> None:
    none = answer({"data": []})
    play = Play([APITimeoutError("late"), none, none, Scene([CREATED, TAKEN])])
    start(play)
    assert kinds(play).count("GET /threads") == 2


def test_in_a_thread_that_was_made_for_it_any_message_is_ours() -> None:
    other = items(item("user_message", "msg_1", "written anew by the server"))
    play = Play([Scene([CREATED], LOST), other])
    assert start(play).id == "msg_1"
    assert kinds(play) == ["threads.create", "GET /threads/thr_1/items"]


def test_what_can_not_be_looked_up_is_never_sent_again() -> None:
    play = Play([LOST, *[api_error(503)] * 4])
    with pytest.raises(APIError, match="may have been taken"):
        start(play)
    assert kinds(play).count("threads.create") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_ends_it(status: int) -> None:
    with pytest.raises(APIError):
        start(Play([api_error(status)]))


def test_an_answer_that_is_no_stream_is_looked_into_and_named_where_that_does_not_help() -> None:
    page = answer({"ok": True})
    ours = items(item("user_message", "msg_1", "hello"))
    play = Play([page, page, answer({"data": [{"id": "thr_1"}]}), ours])
    assert start(play).thread_id == "thr_1"
    assert kinds(play).count("threads.create") == 1
    with pytest.raises(APIError, match="no event stream") as caught:
        start(Play([page]), max_retries=0)
    assert caught.value.may_have_been_taken
    with pytest.raises(APIError, match="no list") as caught:
        start(Play([page] * 5))
    assert caught.value.may_have_been_taken


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": "down for maintenance"}])
def test_what_is_no_list_of_threads_does_not_say_that_there_are_none(data: Any) -> None:
    play = Play([LOST, *[answer(data)] * 4])
    with pytest.raises(APIError, match="may have been taken"):
        start(play)
    assert kinds(play).count("threads.create") == 1


def test_an_error_before_the_message_is_taken_is_not_retried() -> None:
    failed = {"type": "error", "code": "stream.error", "allow_retry": True}
    with pytest.raises(WorkflowFailedError, match=r"stream\.error") as caught:
        start(Play([Scene([CREATED, failed])]))
    assert caught.value.allow_retry is True


# --- following ----------------------------------------------------------------------------------


def begun(*events: dict[str, Any], breaks_with: Any = None) -> tuple[OpenRuns, Message]:
    runs = OpenRuns()
    scene = Scene([CREATED, TAKEN, *events], breaks_with)
    return runs, start(Play([scene]), runs)


def test_the_stream_is_read_to_its_end() -> None:
    runs, message = begun(done('{"profile": 1}'), done(ANSWER, "msg_3"))
    play = Play([])
    response = follow(play, runs, message)
    assert (response.text, response.thread_id, response.attempts) == (ANSWER, "thr_1", 1)
    assert [event.type for event in play.events if event.type != "raw"] == ["step", "response"]


@pytest.mark.parametrize("after", ["msg_1", None])
def test_within_a_client_the_ids_find_the_stream(after: str | None) -> None:
    runs, _ = begun(done(ANSWER))
    response = follow(Play([]), runs, Message(id=after, session_id="cksess_1"))
    assert (response.text, response.thread_id) == (ANSWER, "thr_1")


def test_within_a_client_the_ids_find_the_thread() -> None:
    runs, _ = begun(breaks_with=LOST)
    ours = item("user_message", "msg_1", "hello")
    play = Play([items(item("assistant_message", "msg_3", ANSWER), ours)])
    assert follow(play, runs, Message(id="msg_1", session_id="cksess_1")).text == ANSWER
    again = Play([items(item("assistant_message", "msg_3", ANSWER), ours)])
    assert follow(again, runs, Message(id="msg_1", session_id="cksess_1")).text == ANSWER


@pytest.mark.parametrize(
    "said", [[], [done('{"profile": 1}')], [done(ANSWER[:-9])], [done("Working on it")]]
)
def test_what_a_stream_does_not_say_to_its_end_is_looked_for_in_the_thread(said: Any) -> None:
    """A proxy ends a stream in order where the server behind it could not."""
    runs, message = begun(*said)
    stored = items(
        item("assistant_message", "msg_3", ANSWER),
        *(item("assistant_message", "msg_2", "{}") for _ in said),
        item("user_message", "msg_1", "hello"),
    )
    play = Play([api_error(503), stored])
    assert follow(play, runs, message).text == ANSWER
    assert kinds(play) == ["GET /threads/thr_1/items"] * 2


def test_a_thread_that_can_not_be_read_does_not_hide_what_the_stream_said() -> None:
    runs, message = begun(done("Sorry."))
    with pytest.raises(InvalidResponseError) as caught:
        follow(Play([api_error(403)]), runs, message)
    assert caught.value.text == "Sorry."


def test_a_run_that_has_failed_is_not_looked_for() -> None:
    runs, message = begun(done('{"error": "no tokens"}'))
    with pytest.raises(WorkflowFailedError):
        follow(Play([]), runs, message)


def test_a_client_does_not_remember_without_end() -> None:
    runs = OpenRuns()
    for number in range(1500):
        session = ChatSession(id=f"cksess_{number}")
        runs.remember(session, Message(session_id=session.id, thread_id="thr"))
    assert runs.known(ChatSession(id="cksess_1499"))[1] == "thr"
    assert runs.known(ChatSession(id="cksess_0"))[1] is None
    assert len(runs._threads) == 1000


def test_a_client_secret_that_has_expired_is_pointed_out() -> None:
    with pytest.raises(AuthenticationError, match="create_session"):
        start(Play([api_error(401)]))


def test_a_stream_that_ends_without_an_answer_is_the_end() -> None:
    runs, message = begun()
    with pytest.raises(WorkflowTimeoutError, match="stream ended") as caught:
        follow(Play([items(item("user_message", "msg_1", "hello"))]), runs, message)
    # What is told can be pasted into another process.
    told = str(caught.value)
    call = told[told.index("poll_response(") :].rstrip(".")
    taken_up: list[tuple[Any, Any]] = []
    names = {
        "ChatSession": ChatSession,
        "Message": Message,
        "poll_response": lambda session, after: taken_up.append((session, after)),
    }
    exec(call, names)
    assert taken_up == [(ChatSession(id="cksess_1", user="ana"), message)]


def test_a_broken_stream_is_taken_up_by_reading_the_thread() -> None:
    runs, message = begun(done('{"profile": 1}'), breaks_with=LOST)
    ours = item("user_message", "msg_1", "hello")
    step = item("assistant_message", "msg_2", '{"profile": 1}')
    answered = items(item("assistant_message", "msg_3", ANSWER), step, ours)
    play = Play([items(step, ours), api_error(503), answered])
    response = follow(play, runs, message)
    assert (response.text, response.attempts, play.sleeps) == (ANSWER, 3, [2.0, 2.0])
    assert sum(event.type == "step" for event in play.events) == 1


def test_a_thread_is_read_page_after_page() -> None:
    message = Message(id="msg_1", session_id="cksess_1", thread_id="thr_1")
    task = {"type": "chatkit.task", "id": "t"}
    first = items(item("assistant_message", "msg_3", ANSWER), task, more=True)
    play = Play([first, items(item("user_message", "msg_1", "hello"))])
    assert follow(play, OpenRuns(), message).text == ANSWER
    assert "after=t" in play.requests[1].url


def test_a_server_that_repeats_its_page_does_not_hold_us() -> None:
    message = Message(id="msg_1", session_id="cksess_1", thread_id="thr_1")
    page = items(item("assistant_message", "msg_3", ANSWER), more=True)
    assert follow(Play([page, page]), OpenRuns(), message).text == ANSWER


def test_a_refused_look_ends_it_and_carries_the_run() -> None:
    message = Message(id="msg_1", session_id="cksess_1", thread_id="thr_1")
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    operation = poll_response(
        config(protocol="threads"), State(), HOSTED, message, waiting, watched=True
    )
    with pytest.raises(AuthenticationError) as caught:
        Play([api_error(401)]).run(operation)
    assert (caught.value.session, caught.value.sent_message) == (HOSTED, message)


def test_an_id_alone_does_not_know_its_thread() -> None:
    with pytest.raises(InvalidInputError, match="stored Message"):
        follow(Play([]), OpenRuns(), Message(id="msg_1", session_id="cksess_9"))


def test_what_came_before_a_stream_broke_counts() -> None:
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
    # What it says in the end has not been seen: that is no answer that was cut by the model.
    with pytest.raises(WorkflowTimeoutError) as caught:
        follow(Play([ours] * 3), runs, message)
    assert caught.value.text == ANSWER[:30]


def test_events_from_before_the_run_is_followed_are_told() -> None:
    runs, message = begun(done(ANSWER))
    play = Play([])
    follow(play, runs, message)
    raw = [event.data["type"] for event in play.events if isinstance(event, RawEvent)]
    assert raw == ["thread.created", "thread.item.done", "thread.item.done"]


def test_no_secret_that_a_server_echoes_gets_out() -> None:
    hosted = config(protocol="threads")
    headers = {"Authorization": "Bearer own-token-1"}
    own = config(api_key=None, server_url="https://own.example/chatkit", headers=headers)
    session = ChatSession(id="cksess_1", client_secret="ek_hidden_1", user="ana")
    for told, secret in ((hosted, "ek_hidden_1"), (own, "own-token-1")):
        operation = start_run(told, session, "hello", OpenRuns(), 120.0)
        with pytest.raises(APIError) as caught:
            Play([api_error(401, f"Incorrect token {secret}")]).run(operation)
        assert secret not in str(caught.value) + str(vars(caught.value))


def test_headers_that_can_not_be_had_are_asked_for_again() -> None:
    tries: list[int] = []

    def headers() -> dict[str, str]:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("token endpoint down: hidden")
        return {"X-Token": "t"}

    told = config(api_key=None, server_url="https://own.example/chatkit", headers=headers)
    play = Play([Scene([CREATED, TAKEN])])
    assert play.run(start_run(told, HOSTED, "hello", OpenRuns(), 120.0)).id == "msg_1"
    assert len(tries) == 2


def run_in(state: State, session: ChatSession, *answers: Scripted) -> tuple[Any, Play]:
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    play = Play(answers)
    return send_input(config(), state, session, Prepared("hello"), waiting), play


REFUSED = api_error(404, "Invalid URL (POST /v1/chatkit/sessions/x/messages)")


def test_auto_goes_on_with_threads_where_the_api_says_so() -> None:
    state = State()
    operation, play = run_in(state, HOSTED, REFUSED, Scene([CREATED, TAKEN]))
    assert play.run(operation).thread_id == "thr_1"
    assert state.protocol == "threads"


def test_auto_does_not_believe_a_gateways_page() -> None:
    state = State()
    operation, play = run_in(state, HOSTED, Response(404, {}, b"<h1>Not Found</h1>"))
    with pytest.raises(EndpointNotFoundError):
        play.run(operation)
    assert state.protocol is None


def test_auto_learns_nothing_from_a_proxys_page() -> None:
    state = State()
    operation, play = run_in(state, HOSTED, Response(200, {}, b"<h1>Welcome to the hotel</h1>"))
    assert play.run(operation).id is None
    assert state.protocol is None


def test_auto_does_not_change_its_mind() -> None:
    state = State(protocol="messages")
    operation, play = run_in(state, HOSTED, REFUSED)
    with pytest.raises(EndpointNotFoundError):
        play.run(operation)


def test_auto_does_not_send_over_threads_what_is_in_doubt() -> None:
    operation, play = run_in(State(), HOSTED, api_error(502), *[REFUSED] * 4)
    with pytest.raises(EndpointNotFoundError, match="may have been taken") as caught:
        play.run(operation)
    assert caught.value.may_have_been_taken
    assert [request.method for request in play.requests] == ["POST", "GET", "GET", "GET", "GET"]


def test_auto_says_that_a_stored_session_has_no_secret() -> None:
    operation, play = run_in(State(), ChatSession(id="cksess_1"), REFUSED)
    with pytest.raises(EndpointNotFoundError, match="create_session"):
        play.run(operation)


def test_an_error_after_the_program_does_not_take_it_back() -> None:
    failed = {"type": "error", "code": "custom", "message": "late", "allow_retry": False}
    runs, message = begun(done(ANSWER), failed)
    assert follow(Play([]), runs, message).text == ANSWER


# --- whose message it is ----------------------------------------------------------------------

HALF_PAST = 1_767_607_230.0


def listed(created_at: float | None, *, zoneless: bool = False) -> Listing:
    message = SessionMessage("msg_1", "user", "hello", created_at, zoneless)
    return Listing([message], HALF_PAST)


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        (listed(HALF_PAST - 5), "msg_1"),
        (listed(HALF_PAST + 1), "msg_1"),
        (listed(HALF_PAST - 60), False),
        (listed(None), "msg_1"),
        (listed(HALF_PAST - 5 + 2 * 3600, zoneless=True), "msg_1"),
        (listed(HALF_PAST - 5 - 5.5 * 3600, zoneless=True), "msg_1"),
        (listed(HALF_PAST - 300 + 2 * 3600, zoneless=True), False),
        (listed(HALF_PAST - 24 * 3600, zoneless=True), False),
    ],
    ids=[
        "ours",
        "by a second",
        "older",
        "no time",
        "zone +2",
        "zone -5:30",
        "older, zone +2",
        "yesterday",
    ],
)
def test_an_older_message_with_the_same_text_is_not_ours(listing: Listing, found: Any) -> None:
    assert find_ours(listing, "hello", 10.0) == found
    assert find_ours(listing, "other", 10.0) is False
