"""Sending once: a message that the server may have taken is looked for before it is sent again."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    BadRequestError,
    InternalServerError,
    InvalidInputError,
    Message,
    RateLimitError,
)
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.listing import SessionMessage as Listed
from edn360_chatkit._protocol.listing import answers_to as newer_than
from edn360_chatkit._protocol.once import send_message

from .script import Play, Scripted, answer, api_error, assistant, config, listing, user

POST, GET = "POST /sessions/cksess_1/messages", "GET /sessions/cksess_1/messages"
LOST = APIConnectionError("lost", may_have_arrived=True)
NEVER = APIConnectionError("refused", may_have_arrived=False)


def send(play: Play, session_id: str = "cksess_1", **settings: Any) -> Message:
    return play.run(send_message(config(**settings), session_id, "hello"))


def test_the_message_is_what_the_protocol_asks_for() -> None:
    play = Play([answer({"id": "msg_1", "role": "user"})])
    message = send(play)
    assert (message.id, message.session_id, message.thread_id) == ("msg_1", "cksess_1", None)
    assert play.paths == [POST]
    assert play.body(0) == {"role": "user", "content": [{"type": "input_text", "text": "hello"}]}


@pytest.mark.parametrize("body", [b"", b"OK", b"{}", b'{"id": 5}', b'{"id": ""}', b"[]"])
def test_a_2xx_means_taken_whatever_it_says(body: bytes) -> None:
    play = Play([Response(200, {}, body)])
    assert send(play).id is None
    assert play.paths == [POST]


@pytest.mark.parametrize(
    "lost",
    [LOST, APITimeoutError("late"), api_error(500), api_error(502), api_error(408)],
    ids=["connection", "timeout", "500", "502", "408"],
)
def test_a_message_that_was_taken_is_not_sent_again(lost: Scripted) -> None:
    play = Play([lost, listing(assistant("working"), user("msg_7"))])
    assert send(play).id == "msg_7"
    assert play.paths == [POST, GET]


def test_a_message_that_was_not_taken_is_sent_again() -> None:
    play = Play([LOST, listing(user("msg_0", "another")), answer({"id": "msg_1"})])
    assert send(play).id == "msg_1"
    assert play.paths == [POST, GET, POST]


def test_after_a_timeout_one_empty_look_is_not_enough() -> None:
    play = Play([APITimeoutError("late"), listing(), listing(user("msg_7"))])
    assert send(play).id == "msg_7"
    assert play.paths == [POST, GET, GET]
    again = Play([APITimeoutError("late"), listing(), listing(), answer({"id": "msg_1"})])
    assert send(again).id == "msg_1"
    assert again.paths == [POST, GET, GET, POST]


@pytest.mark.parametrize("refused", [NEVER, api_error(429)], ids=["no connection", "429"])
def test_what_was_refused_is_sent_again_without_a_look(refused: Scripted) -> None:
    play = Play([refused, answer({"id": "msg_1"})])
    assert send(play).id == "msg_1"
    assert play.paths == [POST, POST]


def test_what_can_not_be_looked_up_is_never_sent_again() -> None:
    play = Play([LOST, *[api_error(503)] * 4])
    with pytest.raises(InternalServerError, match="may have been taken") as caught:
        send(play)
    assert play.paths == [POST, GET, GET, GET, GET]
    assert "poll_response('cksess_1')" in caught.value.message


@pytest.mark.parametrize("status", [400, 401, 404, 501])
def test_a_look_that_is_refused_is_tried_again_and_never_a_reason_to_send(status: int) -> None:
    refused = api_error(status)
    found = Play([LOST, refused, refused, listing(user("msg_7"))])
    assert send(found).id == "msg_7"
    assert found.paths == [POST, GET, GET, GET]
    play = Play([LOST, *[refused] * 4])
    with pytest.raises(APIError, match="may have been taken"):
        send(play)
    assert play.paths == [POST, GET, GET, GET, GET]


def test_a_lost_answer_without_retries_says_that_it_may_have_been_taken() -> None:
    with pytest.raises(APIConnectionError, match="may have been taken"):
        send(Play([LOST]), max_retries=0)


@pytest.mark.parametrize(
    ("refused", "cls"),
    [(api_error(400), BadRequestError), (api_error(429, retry_after="999"), RateLimitError)],
)
def test_a_refusal_does_not_cast_doubt(refused: Response, cls: type[APIError]) -> None:
    with pytest.raises(cls) as caught:
        send(Play([refused]))
    assert "may have been taken" not in str(caught.value)


def test_a_gateways_time_out_is_looked_into_twice() -> None:
    play = Play([api_error(504), listing(), listing(user("msg_7"))])
    assert send(play).id == "msg_7"


def test_once_in_doubt_every_further_send_is_looked_into_first() -> None:
    play = Play([LOST, listing(), api_error(429), listing(user("msg_7"))])
    assert send(play).id == "msg_7"
    assert play.paths == [POST, GET, POST, GET]


def test_a_server_that_lists_no_user_messages_can_not_be_asked() -> None:
    play = Play([LOST, listing(assistant("a step"))])
    with pytest.raises(APIError, match="may have been taken"):
        send(play)
    assert play.paths == [POST, GET]


def test_every_loss_is_looked_into_anew() -> None:
    play = Play([LOST, listing(), LOST, listing(user("msg_8"))])
    assert send(play).id == "msg_8"
    assert play.paths == [POST, GET, POST, GET]


def date(second: int) -> str:
    return f"Mon, 05 Jan 2026 10:00:{second:02d} GMT"


NOON = 1767607200  # unix seconds of date(0)


def test_the_same_text_of_an_earlier_run_is_not_taken_for_this_one() -> None:
    # Sent at second 25 by the server's clock; the look is at 30. The other one is a minute older.
    old = user("msg_0", "hello", created_at=NOON - 35)
    look = listing(old, date=date(30))
    play = Play([LOST, look, answer({"id": "msg_1"})], seconds_per_request=2.5)
    assert send(play).id == "msg_1"
    assert play.paths == [POST, GET, POST]


def test_our_own_message_is_found_beside_the_same_text_of_an_earlier_run() -> None:
    old = user("msg_0", "hello", created_at=NOON - 35)
    ours = user("msg_1", "hello", created_at=NOON + 25)
    play = Play([LOST, listing(ours, assistant("x"), old, date=date(30))], seconds_per_request=2.5)
    assert send(play).id == "msg_1"


def test_a_slow_look_does_not_make_our_own_message_an_older_one() -> None:
    # Both requests take 40 s; the message was taken at the beginning of the first.
    ours = user("msg_1", "hello", created_at=NOON + 59 - 80)
    play = Play([LOST, listing(ours, date=date(59))], seconds_per_request=40.0)
    assert send(play).id == "msg_1"


@pytest.mark.parametrize("headers", [{}, {"date": "today"}])
def test_without_the_servers_clock_the_same_text_counts_as_ours(headers: dict[str, str]) -> None:
    look = listing(user("msg_0", "hello", created_at=NOON), **headers)
    assert send(Play([LOST, look])).id == "msg_0"


def test_a_message_in_several_parts_is_found() -> None:
    parts = [{"type": "input_text", "text": "hel"}, {"type": "input_text", "text": "lo"}]
    look = listing({"id": "msg_1", "role": "user", "content": parts})
    assert send(Play([LOST, look])).id == "msg_1"
    plain = listing({"id": "msg_1", "role": "user", "content": "hello"})
    assert send(Play([LOST, plain])).id == "msg_1"


def test_an_id_is_quoted_into_its_segment() -> None:
    play = Play([answer({"id": "msg_1"})])
    send(play, "../x/y")
    assert play.paths == ["POST /sessions/..%2Fx%2Fy/messages"]
    with pytest.raises(InvalidInputError):
        send(Play([]), "..")


def test_a_message_that_the_server_has_tidied_up_is_ours() -> None:
    text = '{"nombre": "Ana Pe\u0301rez",\r\n "notas": "sin  az\u00facar "}'
    stored = '{"nombre":"Ana P\u00e9rez","notas":"sin az\u00facar"}'
    play = Play([LOST, listing(user("msg_7", stored))])
    assert play.run(send_message(config(), "cksess_1", text)).id == "msg_7"


def test_in_a_session_of_its_own_any_message_is_ours() -> None:
    other = listing(user("msg_7", "written anew by the server"))
    play = Play([LOST, other])
    assert play.run(send_message(config(), "cksess_1", "hello", alone=True)).id == "msg_7"
    # Also where the clocks of the server's machines are far apart.
    skewed = listing(user("msg_7", created_at=NOON - 600), date=date(0))
    play = Play([LOST, skewed])
    assert play.run(send_message(config(), "cksess_1", "hello", alone=True)).id == "msg_7"
    shared = Play([LOST, other, answer({"id": "msg_8"})])
    assert shared.run(send_message(config(), "cksess_1", "hello")).id == "msg_8"


# --- which messages answer which ----------------------------------------------------------------


def ids(messages: list[Listed] | None) -> list[str | None] | None:
    return None if messages is None else [message.id for message in messages]


def u(number: int | None) -> Listed:
    return Listed(None if number is None else f"u{number}", "user", "hello")


def a(number: int) -> Listed:
    return Listed(f"a{number}", "assistant", "answer")


@pytest.mark.parametrize(
    ("newest_first", "after", "answers"),
    [
        ([], "u1", []),
        ([u(1)], "u1", []),
        ([a(2), a(1), u(1)], "u1", ["a1", "a2"]),
        ([u(2), a(1), u(1)], "u2", []),
        ([a(2), u(2), a(1), u(1)], "u2", ["a2"]),
        ([a(2), u(2), a(1), u(1)], "u1", ["a1"]),
        ([a(2), u(2), a(1), u(1)], None, ["a2"]),
        ([a(1), u(1)], "u2", None),
        ([a(2), a(1)], "u1", ["a1", "a2"]),
        ([a(2), a(1)], None, ["a1", "a2"]),
        ([a(1), u(None)], "u1", ["a1"]),
        ([Listed("s", "system", "x"), a(1), u(1)], "u1", ["a1"]),
    ],
    ids=[
        "nothing",
        "not yet",
        "two answers",
        "the first run's answer is not the second's",
        "the second run's answer",
        "the first run's answer, later",
        "the newest run",
        "a list that is behind",
        "a server that lists no user messages",
        "the same, without an id",
        "user messages without ids",
        "other roles",
    ],
)
def test_an_answer_is_newer_than_its_message_and_older_than_the_next(
    newest_first: list[Listed], after: str | None, answers: list[str] | None
) -> None:
    assert ids(newer_than(newest_first, after)) == answers
