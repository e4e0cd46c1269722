"""Retries: the failures that are retried, and the pauses between attempts.

tenacity computes the pauses. The loop is ours, so that a pause is an effect.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from .._effects import Operation, sleep
from ..errors import APIConnectionError, APIStatusError, APITimeoutError
from .logs import log_warning
from .statuses import status_row

T = TypeVar("T")

LONGEST_RETRY_AFTER = 120.0
"""The longest ``retry-after`` that is waited for, in seconds (as OpenAI's own client, 3.54)."""


@cache
def pauses() -> Callable[[int], float]:
    """The seconds to wait after each attempt: 0.5, 1, 2, ... to 8, with a random part.

    The random part keeps clients from retrying together. tenacity imports asyncio, so the first
    client imports it, and not the package.
    """
    from tenacity import RetryCallState, Retrying, wait_exponential, wait_random

    wait = wait_exponential(multiplier=0.5, max=8) + wait_random(0, 0.5)

    def pause_after(attempt: int) -> float:
        state = RetryCallState(Retrying(), fn=None, args=(), kwargs={})
        state.attempt_number = attempt
        return wait(state)

    return pause_after


def is_transient(error: BaseException) -> bool:
    """Whether a retry of the request may succeed."""
    if isinstance(error, APIStatusError):
        # An account without quota also gets a 429, but a retry does not help.
        return status_row(error.status_code).retried and error.code != "insufficient_quota"
    return isinstance(error, APIConnectionError) and error.retryable and not is_deadline(error)


def is_deadline(error: BaseException | None) -> bool:
    """Whether the call's deadline ended a request."""
    return isinstance(error, APITimeoutError) and error.deadline_passed


def retry_after(error: BaseException | None) -> float:
    """The seconds that the server asked to wait; 0 if it did not ask."""
    return (error.retry_after or 0.0) if isinstance(error, APIStatusError) else 0.0


def retrying(
    attempt: Callable[[], Operation[T]],
    *,
    max_retries: int,
    transient: Callable[[BaseException], bool] = is_transient,
    session_id: str | None = None,
) -> Operation[T]:
    """Run an operation, and run it again if a retry may succeed."""
    number = 1
    while True:
        try:
            return (yield from attempt())
        except (APIConnectionError, APIStatusError) as error:
            # If the server asks for a pause that is too long, there is no retry.
            hopeless = retry_after(error) > LONGEST_RETRY_AFTER or not transient(error)
            if hopeless or number > max_retries:
                raise
            failure = error
        pause = max(pauses()(number), retry_after(failure))
        name = type(failure).__name__
        log_warning(session_id, "%s; retry in %.1f s (%d of %d)", name, pause, number, max_retries)
        try:
            yield from sleep(pause)
        except APITimeoutError:
            break
        number += 1
    # The failure tells more than the deadline, which leaves no time for a retry.
    raise failure
