"""Which failures are retried, and after what pause.

The policies are tenacity's. The loop is ours, so that a pause is an effect like any other.
"""

from __future__ import annotations

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
from .logs import log_run
from .statuses import status_row

T = TypeVar("T")

FIRST_WAIT = 0.5
"""The pause before the first retry, in seconds. Each further pause is twice as long."""
LONGEST_WAIT = 8.0
"""The longest of these pauses, in seconds."""
JITTER = 0.5
"""The largest random addition to a pause, in seconds, so that clients do not retry together."""
LONGEST_RETRY_AFTER = 120.0
"""The longest ``retry-after`` that is waited for, in seconds (as OpenAI's own client, 3.54)."""


def is_transient(error: BaseException) -> bool:
    """Whether the same request can succeed a little later."""
    if isinstance(error, APIStatusError):
        # An account without quota also answers 429, and no retry helps.
        return status_row(error.status_code).retried and error.code != "insufficient_quota"
    return isinstance(error, APIConnectionError) and error.retryable and not is_deadline(error)


def is_deadline(error: BaseException | None) -> bool:
    """Whether the call's deadline ended a request."""
    return isinstance(error, APITimeoutError) and error.deadline_passed


def retry_after(error: BaseException | None) -> float:
    """The seconds that the server asked to wait; 0 if it did not ask."""
    return (error.retry_after or 0.0) if isinstance(error, APIStatusError) else 0.0


class _WaitAtLeastRetryAfter(wait_base):
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
    session_id: str | None = None,
) -> Operation[T]:
    """Run an operation, and run it again if that can help.

    Args:
        attempt: Makes the operation anew for every attempt.
        max_retries: The largest number of retries.
        transient: Whether a failure can be different a little later.
        session_id: The session of the run, for the log.

    Raises:
        APIError: The error of the last attempt, or an error that no retry helps.
    """
    policy = Retrying(
        stop=stop_after_attempt(max_retries + 1),
        wait=_WaitAtLeastRetryAfter(
            wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT) + wait_random(0, JITTER)
        ),
        # A server that asks for a longer pause than we wait gets no retry.
        retry=retry_if_exception(
            lambda error: transient(error) and retry_after(error) <= LONGEST_RETRY_AFTER
        ),
    )
    state = RetryCallState(policy, fn=None, args=(), kwargs={})
    while True:
        try:
            return (yield from attempt())
        except (APIConnectionError, APIStatusError) as error:
            state.set_exception((type(error), error, error.__traceback__))
            if not policy.retry(state) or policy.stop(state):
                raise
            failure = error
        pause = policy.wait(state)
        log_run(
            *(session_id, "WARNING", "%s; retry in %.1f s (%d of %d)"),
            *(type(failure).__name__, pause, state.attempt_number, max_retries),
        )
        if not (yield from _sleep_in_time(pause)):
            # The failure says more than the deadline that leaves no time for a retry.
            raise failure
        state.prepare_for_next_attempt()


def _sleep_in_time(seconds: float) -> Operation[bool]:
    """Wait; ``False`` if the deadline leaves no time for that."""
    try:
        yield from sleep(seconds)
    except APITimeoutError:
        return False
    return True
