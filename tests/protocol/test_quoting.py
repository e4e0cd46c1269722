"""Error texts quote the messages of servers, without the athlete's data."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from edn360_chatkit._protocol.quoting import LONGEST, quoted, server_words

SENT = json.dumps(
    {
        "name": "Eva Prueba",
        "email": "eva@example.com",
        "sport": "remo",
        "injuries": "rodilla izquierda",
    }
)


@pytest.mark.parametrize(
    ("words", "quote"),
    [
        ("The server is busy", "The server is busy"),
        ("No coach for eva@example.com today", "No coach for … today"),
        ("sport 'remo' is unknown", "sport '…' is unknown"),
        ("remodelling", "remodelling"),
        ("injuries: RODILLA izquierda!", "injuries: …!"),
        ("eva@example.com", None),
    ],
)
def test_athletes_data_is_replaced(words: str, quote: str | None) -> None:
    assert quoted(words, SENT) == quote


def test_text_without_message_is_only_cut() -> None:
    assert quoted("x" * 500, None) == "x" * LONGEST


def test_data_at_length_limit_is_replaced() -> None:
    quote = quoted("x" * (LONGEST - 4) + " eva@example.com", SENT)
    assert quote is not None
    assert "eva" not in quote


def test_quoting_takes_linear_time() -> None:
    def seconds(count: int) -> float:
        message = json.dumps({str(n): f"value {n} of many" for n in range(count)})
        started = time.thread_time()
        quoted("The value is not accepted here. " * 20, message)
        return time.thread_time() - started

    assert seconds(50_000) < 40 * (seconds(5_000) + 0.01)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "Bad key", "code": "x"}}, "Bad key"),
        ({"error": "Thread not found"}, "Thread not found"),
        ({"detail": "Not authenticated"}, "Not authenticated"),
        (
            {"detail": [{"loc": ["body", "user"], "msg": "Field required", "input": "secret"}]},
            "body.user: Field required",
        ),
        ({"message": "Busy"}, "Busy"),
        ({"error": None, "message": "Busy"}, "Busy"),
        ({"error": {"code": 5}}, None),
        (["Busy"], None),
        ("Busy", None),
    ],
)
def test_reason_is_read_from_error_bodies(body: Any, words: str | None) -> None:
    assert server_words(body) == words
