"""The answers to a message in a list of messages."""

from __future__ import annotations

import pytest

from edn360_chatkit import RunReference
from edn360_chatkit._protocol.listing import SessionMessage as Listed
from edn360_chatkit._protocol.listing import answers_to, direction, read_message


def ids(messages: list[Listed]) -> list[str | None]:
    return [message.id for message in messages]


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
        ([a(1), u(1)], "u2", []),
        ([a(2), a(1)], "u1", ["a1", "a2"]),
        ([a(2), a(1)], None, ["a1", "a2"]),
        ([a(1), u(None)], "u1", ["a1"]),
        ([Listed("s", "unknown", "x"), a(1), u(1)], "u1", ["a1"]),
    ],
    ids=[
        "an empty list",
        "no answer yet",
        "two answers",
        "the first run's answer is not the second's",
        "the second run's answer",
        "the first run's answer, later",
        "the newest run",
        "a list that is behind",
        "a server that lists no user messages",
        "no user messages, no id",
        "user messages without ids",
        "other roles",
    ],
)
def test_answers_precede_next_user_message(
    newest_first: list[Listed], after: str | None, answers: list[str]
) -> None:
    assert ids(answers_to(newest_first, RunReference(session_id="s", message_id=after))) == answers


@pytest.mark.parametrize(
    ("previous_id", "answers"),
    [("", ["a1"]), ("u1", ["a2"]), ("u2", ["a3"]), ("u3", []), ("other", []), (None, [])],
)
def test_previous_id_identifies_message(previous_id: str | None, answers: list[str]) -> None:
    newest_first = [a(3), u(3), a(2), u(2), a(1), u(1)]
    for message_id in ("id of the stream", None) if previous_id is not None else ("id",):
        run = RunReference(session_id="s", message_id=message_id, previous_id=previous_id)
        assert ids(answers_to(newest_first, run)) == answers


def test_times_may_have_any_number_of_digits() -> None:
    # .NET writes 1 to 7 digits of a second, which Python 3.10 does not read.
    digits = ["1", "12", "123", "1234567"]
    times = [f"2026-01-02T03:04:05.{fraction}Z" for fraction in digits]
    messages = [read_message({"role": "user", "created_at": time}) for time in times]
    assert direction(messages) == len(digits) - 1
