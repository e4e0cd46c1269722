"""What is tried again, and how long is waited before.

The policies are tenacity's; the loop is ours, so that a pause is an effect like any other and
retries can be tested without a clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from tenacity.wait import wait_base

from .._effects import Operation, sleep
from ..errors import APIConnectionError, APIStatusError, APITimeoutError

logger = logging.getLogger("edn360_chatkit")

T = TypeVar("T")

FIRST_WAIT = 0.5
"""The pause before the first retry, in seconds; each further one is twice as long."""
LONGEST_WAIT = 8.0
"""Where the doubling ends, in seconds."""
JITTER = 0.5
"""How much longer a pause is at most, by chance, so that clients do not come back together."""
LONGEST_RETRY_AFTER = 120.0
"""The longest ``retry-after`` that is waited for, in seconds (as OpenAI's own client, 3.54)."""

# Request timeout, conflict, too many requests, and the failures of a server or its gateway. 501
# and 505 say that the server will never do it.
_TRANSIENT_STATUS = frozenset({408, 409, 429, *range(500, 600)} - {501, 505})


def is_transient(error: BaseException) -> bool:
    """Whether the same request can succeed a little later."""
    if isinstance(error, APIStatusError):
        # An account without quota answers 429 as well, and no waiting helps it.
        return error.status_code in _TRANSIENT_STATUS and error.code != "insufficient_quota"
    return isinstance(error, APIConnectionError) and error.retryable and not is_late(error)


def is_late(error: BaseException | None) -> bool:
    """Whether it is the call's deadline that ended a request."""
    return isinstance(error, APITimeoutError) and error.deadline_passed


def is_final(error: BaseException) -> bool:
    """Whether a poll that failed like this ends the waiting: the server will not show the run.

    A body that is too large does, too: it would come again.
    """
    if isinstance(error, APIStatusError):
        return error.status_code in {401, 403, 404}
    return not isinstance(error, APIConnectionError)


def can_wait_on(error: BaseException) -> bool:
    """Whether a poll that failed like this says nothing about the run, so that waiting goes on.

    A 2xx answer that can't be read is the work of a proxy, and passes as well.
    """
    if isinstance(error, APIStatusError):
        return error.status_code in {408, 409, 429} or error.status_code // 100 in {2, 5}
    return isinstance(error, APIConnectionError)


def retry_after(error: BaseException | None) -> float:
    """How long the server asked to wait, in seconds; 0 where it did not ask."""
    return (error.retry_after or 0.0) if isinstance(error, APIStatusError) else 0.0


def _is_patient(error: BaseException) -> bool:
    # A server that asks for more patience than we have gets its error passed on at once.
    return retry_after(error) <= LONGEST_RETRY_AFTER


class _WaitAsTold(wait_base):
    """The other strategy's pause, or the server's ``retry-after`` if that is longer."""

    def __init__(self, otherwise: wait_base) -> None:
        self.otherwise = otherwise

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        return max(self.otherwise(retry_state), retry_after(error))


def retrying(
    attempt: Callable[[], Operation[T]],
    *,
    max_retries: int,
    transient: Callable[[BaseException], bool] = is_transient,
) -> Operation[T]:
    """Run an operation, and again where that can help.

    Args:
        attempt: Makes the operation anew for every attempt.
        max_retries: How often it is repeated at most.
        transient: Whether a failure can be different a little later.

    Raises:
        APIError: The last attempt's error, or one that repeating can't help.
    """
    policy = Retrying(
        stop=stop_after_attempt(max_retries + 1),
        wait=_WaitAsTold(
            wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT) + wait_random(0, JITTER)
        ),
        retry=retry_if_exception(lambda error: transient(error) and _is_patient(error)),
    )
    state = RetryCallState(policy, fn=None, args=(), kwargs={})
    while True:
        try:
            return (yield from attempt())
        except (APIConnectionError, APIStatusError) as error:
            state.set_exception((type(error), error, error.__traceback__))
            if not policy.retry(state) or policy.stop(state):
                raise
            pause = policy.wait(state)
            logger.warning(
                "%s; trying again in %.1f s (%d of %d)",
                type(error).__name__,
                pause,
                state.attempt_number,
                max_retries,
            )
            failure = error
        try:
            yield from sleep(pause)
        except APITimeoutError:
            out_of_time = True
        else:
            out_of_time = False
        if out_of_time:
            # What went wrong says more than that there is no time to try again.
            raise failure
        state.prepare_for_next_attempt()
