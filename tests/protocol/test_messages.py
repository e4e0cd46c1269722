"""Sending once: a message that the server may have is looked for before it is sent again."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ChatSession,
    InternalServerError,
    InvalidInputError,
    RateLimitError,
    RunReference,
)
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.inbox import Inbox
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.listing import DoubtError, SessionMessage
from edn360_chatkit._protocol.run import Run, Waiting
from edn360_chatkit._protocol.sending import Baseline
from edn360_chatkit._protocol.session_messages import SessionMessages
from tests.support.script import Play, Scripted, answer, api_error, assistant, config, listing, user

POST, GET = "POST /sessions/cksess_1/messages", "GET /sessions/cksess_1/messages"
LOST = APIConnectionError("lost", may_have_arrived=True)
NEVER = APIConnectionError("refused", may_have_arrived=False)
EMPTY = listing()
SENT = answer({"id": "msg_1"})


def send(
    play: Play,
    session_id: str = "cksess_1",
    text: str = "hello",
    own_session: bool = True,
    **settings: Any,
) -> RunReference:
    """Send in a session of the run's own, or in a session that the caller gives."""
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    inbox = Inbox(ChatSession(id=session_id), RunReference(session_id=session_id), sent=text)
    run = Run(inbox, waiting, 0.0, own_session=own_session)
    protocol = SessionMessages(make_api(config(**settings)))
    play.run(protocol.start(run, Prepared(text)))
    return inbox.run


def resend(play: Play, text: str = "hello", **settings: Any) -> RunReference:
    """Send in a session that may have other messages."""
    return send(play, text=text, own_session=False, **settings)


def test_message_has_the_form_of_the_protocol() -> None:
    play = Play([answer({"id": "msg_1", "role": "user"})])
    message = send(play)
    assert (message.message_id, message.session_id, message.thread_id) == (
        "msg_1",
        "cksess_1",
        None,
    )
    assert play.paths == [POST]
    assert play.body(0) == {"role": "user", "content": [{"type": "input_text", "text": "hello"}]}


@pytest.mark.parametrize("body", [b"", b"OK", b"{}", b'{"id": true}', b'{"id": ""}', b"[]"])
def test_2xx_means_taken_whatever_the_body(body: bytes) -> None:
    play = Play([Response(200, {}, body)])
    assert send(play).message_id is None
    assert play.paths == [POST]


@pytest.mark.parametrize(
    "lost",
    [LOST, APITimeoutError("late"), api_error(500), api_error(502), api_error(408)],
    ids=["connection", "timeout", "500", "502", "408"],
)
def test_taken_message_is_not_sent_again(lost: Scripted) -> None:
    play = Play([lost, listing(assistant("working"), user("msg_7"))])
    assert send(play).message_id == "msg_7"
    assert play.paths == [POST, GET]


@pytest.mark.parametrize("status", [502, 503, 504, 520, 521, 522, 523, 524])
def test_message_stored_after_gateway_error_is_found(status: int) -> None:
    play = Play([api_error(status), EMPTY, EMPTY, listing(user("msg_7"))])
    assert send(play).message_id == "msg_7"
    # The server may store the message some seconds after its gateway gave up.
    assert sum(play.sleeps) >= 3.5


def test_message_that_was_not_taken_is_sent_again() -> None:
    play = Play([LOST, EMPTY, EMPTY, EMPTY, SENT])
    assert send(play).message_id == "msg_1"
    assert play.paths == [POST, GET, GET, GET, POST]


def test_timeout_is_never_followed_by_a_second_send() -> None:
    play = Play([APITimeoutError("late"), *[EMPTY] * 4])
    with pytest.raises(APITimeoutError, match="may have been taken") as caught:
        send(play)
    assert play.paths == [POST, GET, GET, GET, GET]
    assert caught.value.may_have_been_taken
    found = Play([APITimeoutError("late"), EMPTY, EMPTY, EMPTY, listing(user("msg_7"))])
    assert send(found).message_id == "msg_7"


@pytest.mark.parametrize("refused", [NEVER, api_error(429)], ids=["no connection", "429"])
def test_refused_message_is_sent_again_without_a_look(refused: Scripted) -> None:
    play = Play([refused, SENT])
    assert send(play).message_id == "msg_1"
    assert play.paths == [POST, POST]


def test_message_stays_in_doubt_while_the_server_fails() -> None:
    play = Play([LOST, *[api_error(503)] * 4])
    with pytest.raises(InternalServerError, match="may have been taken") as caught:
        send(play)
    assert play.paths == [POST, GET, GET, GET, GET]
    assert "session_id" in caught.value.message


@pytest.mark.parametrize(
    "look",
    [
        *(api_error(status) for status in (400, 401, 404, 501)),
        answer({}),
        answer({"error": "down"}),
        answer({"data": None}),
        answer({"data": "none"}),
        Response(200, {}, b"<html>"),
    ],
    ids=["400", "401", "404", "501", "no data", "error", "null", "text", "page"],
)
def test_look_without_a_list_is_no_look(look: Response) -> None:
    found = Play([LOST, look, look, listing(user("msg_7"))])
    assert send(found).message_id == "msg_7"
    assert found.paths == [POST, GET, GET, GET]
    play = Play([LOST, *[look] * 4])
    with pytest.raises(APIError, match="may have been taken"):
        send(play)
    assert play.paths == [POST, GET, GET, GET, GET]


def test_lost_answer_without_retries_is_in_doubt() -> None:
    with pytest.raises(APIConnectionError, match="may have been taken"):
        send(Play([LOST]), max_retries=0)


@pytest.mark.parametrize(
    ("refused", "cls"),
    [(api_error(400), BadRequestError), (api_error(429, retry_after="999"), RateLimitError)],
)
def test_refusal_is_not_in_doubt(refused: Response, cls: type[APIError]) -> None:
    with pytest.raises(cls) as caught:
        send(Play([refused]))
    assert "may have been taken" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 418, 460, 499, 600])
def test_status_that_proves_nothing_leaves_doubt(status: int) -> None:
    play = Play([api_error(status), listing(user("msg_7"))])
    assert send(play).message_id == "msg_7"
    assert play.paths == [POST, GET]


@pytest.mark.parametrize("status", [307, 308, 402, 405, 413, 415, 422, 431])
def test_rejection_leaves_no_doubt(status: int) -> None:
    with pytest.raises(APIError) as caught:
        send(Play([api_error(status)]))
    assert not caught.value.may_have_been_taken


def test_every_send_after_a_doubt_is_preceded_by_a_look() -> None:
    play = Play([LOST, EMPTY, EMPTY, EMPTY, api_error(429), listing(user("msg_7"))])
    assert send(play).message_id == "msg_7"
    assert play.paths == [POST, GET, GET, GET, POST, GET]


def test_second_loss_is_looked_into_anew() -> None:
    play = Play([LOST, EMPTY, EMPTY, EMPTY, LOST, listing(user("msg_8"))])
    assert send(play).message_id == "msg_8"
    assert play.paths == [POST, GET, GET, GET, POST, GET]


@pytest.mark.parametrize(
    "entry",
    [assistant("a step"), {"type": "x", "id": "1"}, {}, "text", None],
    ids=["reply", "other type", "empty", "text", "null"],
)
def test_own_session_with_anything_else_is_in_doubt(entry: Any) -> None:
    play = Play([LOST, answer({"data": [entry]})])
    with pytest.raises(APIError, match="may have been taken"):
        send(play)
    assert play.paths == [POST, GET]


def test_any_message_in_an_own_session_is_ours() -> None:
    for content in ("written anew", [], None, [{"type": "input_text", "text": "hel"}]):
        look = answer({"data": [{"id": 7, "role": "user", "content": content}]})
        assert send(Play([LOST, look])).message_id == "7"


# --- a session that the caller gives: the baseline ---------------------------------------------


def test_given_session_is_read_before_sending() -> None:
    play = Play([listing(user("msg_0")), SENT])
    assert resend(play).message_id == "msg_1"
    assert play.paths == [GET, POST]
    assert "limit=100&order=desc" in play.requests[0].url


def test_equal_text_from_before_is_not_ours() -> None:
    old = user("msg_0", "hello")
    play = Play([listing(old), LOST, *[listing(old)] * 3, SENT])
    assert resend(play).message_id == "msg_1"
    new = Play([listing(old), LOST, listing(old, assistant("x"), user("msg_5", "hello"))])
    assert resend(new).message_id == "msg_5"


@pytest.mark.parametrize(
    "new",
    [
        [user("msg_5", "another")],
        [user("msg_5"), user("msg_6")],
        [{"id": "msg_5", "role": "user", "content": None}],
        [{"id": "msg_5", "role": "user", "content": [{"type": "image"}]}],
        [user("msg_5", "hel…")],
        [{"id": "msg_5", "type": "card"}],
        [user("msg_5"), {"id": "msg_6", "type": "card"}],
    ],
    ids=["other", "two", "empty", "image", "shortened", "other type", "ours and another"],
)
def test_new_message_that_may_be_ours_is_in_doubt(new: list[dict[str, Any]]) -> None:
    play = Play([listing(user("msg_0")), LOST, listing(*new, user("msg_0"))])
    with pytest.raises(DoubtError, match="may have been taken") as caught:
        resend(play)
    assert caught.value.may_have_been_taken
    assert play.paths == [GET, POST, GET]


def test_earlier_runs_reply_is_not_our_message() -> None:
    old = user("msg_0", "another")
    replied = listing(assistant("reply"), old)
    play = Play([listing(old), LOST, *[replied] * 3, SENT])
    assert resend(play).message_id == "msg_1"


def test_list_without_what_it_had_proves_nothing() -> None:
    for look in (EMPTY, listing(user("msg_9", "another"))):
        play = Play([listing(user("msg_0")), LOST, look])
        with pytest.raises(DoubtError):
            resend(play)


@pytest.mark.parametrize("failed", [api_error(503), api_error(404), answer({})])
def test_lost_answer_without_a_baseline_is_in_doubt(failed: Scripted) -> None:
    tries = 1 if _is_final(failed) else 5
    sent = Play([*[failed] * tries, SENT])
    assert resend(sent).message_id == "msg_1"
    play = Play([*[failed] * tries, LOST])
    with pytest.raises(APIConnectionError, match="may have been taken"):
        resend(play)
    assert play.paths.count(POST) == 1


def _is_final(scripted: Scripted) -> bool:
    return isinstance(scripted, Response) and scripted.status in (200, 404)


def test_unreachable_server_ends_the_call_before_sending() -> None:
    play = Play([APIConnectionError("reset")] * 5)
    with pytest.raises(APIConnectionError) as caught:
        resend(play)
    assert not caught.value.may_have_been_taken
    assert set(play.paths) == {GET}


@pytest.mark.parametrize("status", [401, 403])
def test_refused_baseline_ends_the_call_before_sending(status: int) -> None:
    play = Play([api_error(status)])
    with pytest.raises(APIError) as caught:
        resend(play)
    assert not caught.value.may_have_been_taken
    assert play.paths == [GET]


def test_deadline_before_sending_leaves_no_doubt() -> None:
    late = APITimeoutError("late")
    late.deadline_passed = True
    with pytest.raises(APITimeoutError) as caught:
        resend(Play([late]))
    assert not caught.value.may_have_been_taken


def test_message_that_the_server_has_tidied_up_is_ours() -> None:
    text = '{"nombre": "Ana Pe\u0301rez",\r\n "notas": "sin  az\u00facar "}'
    stored = '{"nombre":"Ana P\u00e9rez","notas":"sin az\u00facar"}'
    assert resend(Play([EMPTY, LOST, listing(user("msg_7", stored))]), text).message_id == "msg_7"


def test_message_in_several_parts_is_ours() -> None:
    parts = [{"type": "input_text", "text": "hel"}, {"type": "input_text", "text": "lo"}]
    for content in (parts, "hello"):
        look = listing({"id": "msg_1", "role": "user", "content": content})
        assert resend(Play([EMPTY, LOST, look])).message_id == "msg_1"


def test_oldest_first_list_is_read_to_its_end() -> None:
    old = [user(f"msg_{n}", "hello", created_at=n) for n in range(4)]
    first = answer({"data": old[:2], "has_more": True, "last_id": "msg_1"})
    second = answer({"data": old[2:3], "has_more": False})
    both = answer({"data": old[2:], "has_more": False})
    play = Play([first, second, LOST, first, both])
    assert resend(play).message_id == "msg_3"
    assert "after=msg_1" in play.requests[1].url


def test_newest_first_list_is_not_read_further() -> None:
    new = [user(f"msg_{n}", "x", created_at=n) for n in (9, 8)]
    play = Play([answer({"data": new, "has_more": True, "last_id": "msg_8"}), SENT])
    assert resend(play).message_id == "msg_1"


def test_baseline_counts_ids_that_repeat() -> None:
    def entries(*ids: str | None) -> list[SessionMessage]:
        return [SessionMessage(entry_id, "assistant", "") for entry_id in ids]

    baseline, before = Baseline(entries("same", None, "a")), entries("a", None, "same")
    assert baseline.new(before) == []
    new = entries("same", None)
    assert baseline.new([*new, *before]) == new


def test_id_is_quoted_into_its_segment() -> None:
    play = Play([SENT])
    send(play, "../x/y")
    assert play.paths == ["POST /sessions/..%2Fx%2Fy/messages"]
    with pytest.raises(InvalidInputError):
        send(Play([]), "..")


def test_refused_key_is_an_authentication_error() -> None:
    with pytest.raises(AuthenticationError):
        send(Play([api_error(401)]))


def test_number_as_id_becomes_text() -> None:
    # Without it, the answer of the session's newest message would be taken.
    assert send(Play([answer({"id": 7})])).message_id == "7"


def test_first_message_is_known_by_its_place() -> None:
    # A server may list it under another id than it gave it.
    assert send(Play([SENT])).previous_id == ""
    for baseline in (EMPTY, listing(user("msg_0"))):
        assert resend(Play([baseline, SENT])).previous_id is None
    # Servers exist that list only the assistant's messages.
    assert resend(Play([listing(assistant("x", "msg_0")), SENT])).previous_id == "msg_0"


def test_doubt_of_a_later_look_is_in_the_error() -> None:
    unreadable = {"id": "msg_9", "role": "user", "content": []}
    looks = [EMPTY] * 3
    play = Play([EMPTY, api_error(503), *looks, api_error(429), listing(unreadable)])
    with pytest.raises(DoubtError) as caught:
        resend(play, max_retries=8)
    assert caught.value.may_have_been_taken
    assert play.paths.count(POST) == 2
