"""Sending once: before a message is sent again, the client checks that the server lacks it."""

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
    """Send in a new session, or in a session that the caller passes."""
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    inbox = Inbox(
        ChatSession(id=session_id), RunReference(session_id=session_id), message_text=text
    )
    run = Run(inbox, waiting, 0.0, own_session=own_session)
    protocol = SessionMessages(make_api(config(**settings)))
    play.run(protocol.start(run, Prepared(text)))
    return inbox.reference


def resend(play: Play, text: str = "hello", **settings: Any) -> RunReference:
    """Send in a session that may have earlier messages."""
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
def test_2xx_with_any_body_is_success(body: bytes) -> None:
    play = Play([Response(200, {}, body)])
    assert send(play).message_id is None
    assert play.paths == [POST]


@pytest.mark.parametrize(
    "lost",
    [LOST, APITimeoutError("late"), api_error(500), api_error(502), api_error(408)],
    ids=["connection", "timeout", "500", "502", "408"],
)
def test_stored_message_is_not_resent(lost: Scripted) -> None:
    play = Play([lost, listing(assistant("working"), user("msg_7"))])
    assert send(play).message_id == "msg_7"
    assert play.paths == [POST, GET]


@pytest.mark.parametrize("status", [502, 503, 504, 520, 521, 522, 523, 524])
def test_message_stored_after_gateway_error_counts(status: int) -> None:
    play = Play([api_error(status), EMPTY, EMPTY, listing(user("msg_7"))])
    assert send(play).message_id == "msg_7"
    # The server may store the message some seconds after the error of its gateway.
    assert sum(play.sleeps) >= 3.5


def test_unstored_message_is_resent() -> None:
    play = Play([LOST, EMPTY, EMPTY, EMPTY, SENT])
    assert send(play).message_id == "msg_1"
    assert play.paths == [POST, GET, GET, GET, POST]


def test_timeout_allows_no_second_send() -> None:
    play = Play([APITimeoutError("late"), *[EMPTY] * 4])
    with pytest.raises(APITimeoutError, match="may have been stored") as caught:
        send(play)
    assert play.paths == [POST, GET, GET, GET, GET]
    assert caught.value.may_have_been_taken
    late = Play([APITimeoutError("late"), EMPTY, EMPTY, EMPTY, listing(user("msg_7"))])
    assert send(late).message_id == "msg_7"


@pytest.mark.parametrize("refused", [NEVER, api_error(429)], ids=["no connection", "429"])
def test_refused_message_is_resent_at_once(refused: Scripted) -> None:
    play = Play([refused, SENT])
    assert send(play).message_id == "msg_1"
    assert play.paths == [POST, POST]


def test_message_stays_in_doubt_during_outage() -> None:
    play = Play([LOST, *[api_error(503)] * 4])
    with pytest.raises(InternalServerError, match="may have been stored") as caught:
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
def test_response_without_list_leaves_doubt(look: Response) -> None:
    recovery = Play([LOST, look, look, listing(user("msg_7"))])
    assert send(recovery).message_id == "msg_7"
    assert recovery.paths == [POST, GET, GET, GET]
    play = Play([LOST, *[look] * 4])
    with pytest.raises(APIError, match="may have been stored"):
        send(play)
    assert play.paths == [POST, GET, GET, GET, GET]


def test_lost_answer_without_retries_leaves_doubt() -> None:
    with pytest.raises(APIConnectionError, match="may have been stored"):
        send(Play([LOST]), max_retries=0)


@pytest.mark.parametrize(
    ("refused", "cls"),
    [(api_error(400), BadRequestError), (api_error(429, retry_after="999"), RateLimitError)],
)
def test_refusal_is_not_in_doubt(refused: Response, cls: type[APIError]) -> None:
    with pytest.raises(cls) as caught:
        send(Play([refused]))
    assert "may have been stored" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 418, 460, 499, 600])
def test_unclear_status_leaves_doubt(status: int) -> None:
    play = Play([api_error(status), listing(user("msg_7"))])
    assert send(play).message_id == "msg_7"
    assert play.paths == [POST, GET]


@pytest.mark.parametrize("status", [307, 308, 402, 405, 413, 415, 422, 431])
def test_rejection_leaves_no_doubt(status: int) -> None:
    with pytest.raises(APIError) as caught:
        send(Play([api_error(status)]))
    assert not caught.value.may_have_been_taken


def test_list_is_read_before_each_resend() -> None:
    play = Play([LOST, EMPTY, EMPTY, EMPTY, api_error(429), listing(user("msg_7"))])
    assert send(play).message_id == "msg_7"
    assert play.paths == [POST, GET, GET, GET, POST, GET]


def test_list_is_read_after_second_loss() -> None:
    play = Play([LOST, EMPTY, EMPTY, EMPTY, LOST, listing(user("msg_8"))])
    assert send(play).message_id == "msg_8"
    assert play.paths == [POST, GET, GET, GET, POST, GET]


@pytest.mark.parametrize(
    "entry",
    [assistant("a step"), {"type": "x", "id": "1"}, {}, "text", None],
    ids=["reply", "other type", "empty", "text", "null"],
)
def test_unclear_entry_in_own_session_leaves_doubt(entry: Any) -> None:
    play = Play([LOST, answer({"data": [entry]})])
    with pytest.raises(APIError, match="may have been stored"):
        send(play)
    assert play.paths == [POST, GET]


def test_any_message_in_own_session_is_ours() -> None:
    for content in ("written anew", [], None, [{"type": "input_text", "text": "hel"}]):
        look = answer({"data": [{"id": 7, "role": "user", "content": content}]})
        assert send(Play([LOST, look])).message_id == "7"


# --- a session that the caller gives: the baseline ---------------------------------------------


def test_callers_session_is_read_before_sending() -> None:
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
def test_unclear_new_message_leaves_doubt(new: list[dict[str, Any]]) -> None:
    play = Play([listing(user("msg_0")), LOST, listing(*new, user("msg_0"))])
    with pytest.raises(DoubtError, match="may have been stored") as caught:
        resend(play)
    assert caught.value.may_have_been_taken
    assert play.paths == [GET, POST, GET]


def test_earlier_runs_reply_is_not_ours() -> None:
    old = user("msg_0", "another")
    replied = listing(assistant("reply"), old)
    play = Play([listing(old), LOST, *[replied] * 3, SENT])
    assert resend(play).message_id == "msg_1"


def test_list_without_earlier_messages_leaves_doubt() -> None:
    for look in (EMPTY, listing(user("msg_9", "another"))):
        play = Play([listing(user("msg_0")), LOST, look])
        with pytest.raises(DoubtError):
            resend(play)


@pytest.mark.parametrize("failed", [api_error(503), api_error(404), answer({})])
def test_lost_answer_without_baseline_leaves_doubt(failed: Scripted) -> None:
    tries = 1 if _is_final(failed) else 5
    success = Play([*[failed] * tries, SENT])
    assert resend(success).message_id == "msg_1"
    play = Play([*[failed] * tries, LOST])
    with pytest.raises(APIConnectionError, match="may have been stored"):
        resend(play)
    assert play.paths.count(POST) == 1


def _is_final(scripted: Scripted) -> bool:
    return isinstance(scripted, Response) and scripted.status in (200, 404)


def test_unreachable_server_stops_call_before_sending() -> None:
    play = Play([APIConnectionError("reset")] * 5)
    with pytest.raises(APIConnectionError) as caught:
        resend(play)
    assert not caught.value.may_have_been_taken
    assert set(play.paths) == {GET}


@pytest.mark.parametrize("status", [401, 403])
def test_refused_baseline_stops_call_before_sending(status: int) -> None:
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


def test_message_with_normalised_text_is_ours() -> None:
    text = '{"nombre": "Ana Pe\u0301rez",\r\n "notas": "sin  az\u00facar "}'
    stored = '{"nombre":"Ana P\u00e9rez","notas":"sin az\u00facar"}'
    assert resend(Play([EMPTY, LOST, listing(user("msg_7", stored))]), text).message_id == "msg_7"


def test_message_in_several_parts_is_ours() -> None:
    parts = [{"type": "input_text", "text": "hel"}, {"type": "input_text", "text": "lo"}]
    for content in (parts, "hello"):
        look = listing({"id": "msg_1", "role": "user", "content": content})
        assert resend(Play([EMPTY, LOST, look])).message_id == "msg_1"


def test_oldest_first_list_is_read_completely() -> None:
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


def test_refused_key_raises_authentication_error() -> None:
    with pytest.raises(AuthenticationError):
        send(Play([api_error(401)]))


def test_number_as_id_becomes_text() -> None:
    # Without an id, the answer to the session's newest message would be returned.
    assert send(Play([answer({"id": 7})])).message_id == "7"


def test_reference_has_id_of_previous_message() -> None:
    # A server may list the message with another id.
    assert send(Play([SENT])).previous_id == ""
    for baseline in (EMPTY, listing(user("msg_0"))):
        assert resend(Play([baseline, SENT])).previous_id is None
    # A message without an id is not the first one.
    bare = Response(200, {}, b"OK")
    assert resend(Play([listing(user(None)), bare])).previous_id is None
    # Some servers list only the messages of the assistant.
    assert resend(Play([listing(assistant("x", "msg_0")), SENT])).previous_id == "msg_0"


def test_doubt_of_later_list_is_in_error() -> None:
    unreadable = {"id": "msg_9", "role": "user", "content": []}
    looks = [EMPTY] * 3
    play = Play([EMPTY, api_error(503), *looks, api_error(429), listing(unreadable)])
    with pytest.raises(DoubtError) as caught:
        resend(play, max_retries=8)
    assert caught.value.may_have_been_taken
    assert play.paths.count(POST) == 2
