"""Which failures of a request are retried, how often, and after which pause."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    RateLimitError,
)
from edn360_chatkit._effects import Response
from tests.support.script import Play, answer, api_error

from .test_requests import SESSION, create


@pytest.mark.parametrize(
    "first",
    [
        api_error(408),
        api_error(409),
        api_error(429),
        api_error(500),
        api_error(502),
        api_error(529),
        APIConnectionError("x"),
        APITimeoutError("x"),
    ],
    ids=["408", "409", "429", "500", "502", "529", "connection", "timeout"],
)
def test_transient_failure_is_retried(first: Any) -> None:
    play = Play([first, answer(SESSION)])
    assert create(play).id == "cksess_1"
    assert len(play.sleeps) == 1


@pytest.mark.parametrize(
    "first",
    [
        *map(api_error, (301, 400, 401, 403, 404, 422, 501, 505)),
        api_error(429, code="insufficient_quota"),
    ],
    ids=["301", "400", "401", "403", "404", "422", "501", "505", "quota"],
)
def test_final_failure_is_not_retried(first: Response) -> None:
    play = Play([first])
    with pytest.raises(APIStatusError):
        create(play)
    assert not play.sleeps


def test_retries_are_bounded_with_growing_pauses() -> None:
    play = Play([api_error(503)] * 5)
    with pytest.raises(InternalServerError):
        create(play, max_retries=4)
    # The pause starts at 0.5 s and doubles, with up to 0.5 s of jitter.
    for pause, least in zip(play.sleeps, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert least <= pause <= least + 0.5


def test_jitter_differs_between_clients() -> None:
    pauses: set[float] = set()
    for _ in range(5):
        play = Play([api_error(503), answer(SESSION)])
        create(play)
        pauses.add(play.sleeps[0])
    assert len(pauses) > 1


def test_pause_between_retries_is_bounded() -> None:
    play = Play([api_error(503)] * 9)
    with pytest.raises(InternalServerError):
        create(play, max_retries=8)
    assert all(8.0 <= pause <= 8.5 for pause in play.sleeps[4:])


def test_retry_after_sets_the_pause() -> None:
    play = Play([api_error(429, retry_after="20"), answer(SESSION)])
    create(play)
    assert play.sleeps == [20.0]


def test_short_retry_after_keeps_our_pause() -> None:
    play = Play([api_error(429, retry_after="0.1"), answer(SESSION)])
    create(play)
    assert play.sleeps[0] >= 0.5


def test_long_retry_after_is_not_retried() -> None:
    play = Play([api_error(429, retry_after="121")])
    with pytest.raises(RateLimitError) as caught:
        create(play)
    assert caught.value.retry_after == 121
    assert not play.sleeps


def test_zero_retries_raise_at_once() -> None:
    play = Play([api_error(503)])
    with pytest.raises(InternalServerError):
        create(play, max_retries=0)
