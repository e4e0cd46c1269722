"""The polling loop: ask for the messages until the answer is among them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from .._effects import Operation, emit, now, sleep
from ..errors import APIError
from ..events import ResponseEvent, WaitingEvent, WorkflowResponse
from ..models.session import resume_call
from .inbox import AnswerRule, Inbox
from .listing import Listing
from .retry import LONGEST_RETRY_AFTER, can_wait_on, is_final, retry_after

logger = logging.getLogger("edn360_chatkit")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long to wait for an answer, and for which.

    Attributes:
        poll_interval: Seconds between two polls.
        max_attempts: How many polls at most.
        answer: Which message is the answer.
        deadline: How long the call may take, in seconds.
    """

    poll_interval: float
    max_attempts: int
    answer: AnswerRule
    deadline: float = math.inf


LAST_LOOK = 1.0
"""How long before the deadline the last look at the server begins, in seconds."""


def poll(
    fetch: Callable[[], Operation[Listing]],
    inbox: Inbox,
    waiting: Waiting,
    started: float,
    failure: APIError | None = None,
) -> Operation[WorkflowResponse]:
    """Ask for the messages until the answer is among them.

    Args:
        fetch: Asks for the messages, newest first.
        inbox: Where they go.
        waiting: How long to wait, and for what.
        started: When the run began, on the driver's clock.
        failure: What ended the waiting before this, if anything did.

    Raises:
        WorkflowError: The run went wrong, or is not done yet; it carries what came.
        APIError: The server refused a poll in a way that no waiting helps.
    """
    attempt, last, refused = 0, False, False
    while True:
        attempt += 1
        try:
            listing = yield from fetch()
        except APIError as error:
            if is_final(error) or (refused and not can_wait_on(error)):
                raise
            # What a request that is as it should be is refused for may have happened to it on the
            # way: only the second refusal in a row is the server's word.
            failure, refused = error, not can_wait_on(error)
            logger.warning("poll %d failed (%s); still waiting", attempt, type(error).__name__)
        else:
            failure, refused = None, False
            for step in inbox.take(listing.messages):
                yield from emit(step)
        elapsed = (yield from now()) - started
        response = inbox.response(waiting.answer, attempt, elapsed)
        if response is not None:
            yield from deliver(response)
            return response
        if attempt % 10 == 0:
            logger.info("waiting: attempt %d of %d", attempt, waiting.max_attempts)
        yield from emit(
            WaitingEvent(
                attempt=attempt,
                max_attempts=waiting.max_attempts,
                elapsed=elapsed,
                error=None if failure is None else str(failure),
            )
        )
        if last or attempt == waiting.max_attempts:
            break
        left = started + waiting.deadline - (yield from now())
        pause, last = _pause(waiting, failure, left)
        if pause is None:
            break
        yield from sleep(pause)
    if refused and failure is not None:
        raise failure
    waited, by = f"after {attempt} attempts", "max_attempts=... or poll_interval=..."
    if attempt < waiting.max_attempts:
        waited, by = f"within the deadline of {waiting.deadline:g} s", "deadline=..."
    inbox.out_of_patience(
        f"No answer {waited}. The run goes on at the server, and is paid for: take it up with "
        f"{resume_call(inbox.session, inbox.message)}, from any process, or wait longer with {by}",
        failure,
    )


def _pause(waiting: Waiting, failure: APIError | None, left: float) -> tuple[float | None, bool]:
    """How long to wait before the next poll, and whether it is the last that there is time for.

    Args:
        waiting: How long to wait.
        failure: What made this poll fail, if it did.
        left: How much time is left, in seconds.

    Returns:
        The pause in seconds, ``None`` where there is no time for another poll.
    """
    asked = min(retry_after(failure), LONGEST_RETRY_AFTER)
    pause = max(waiting.poll_interval, asked)
    if pause + LAST_LOOK <= left:
        return pause, False
    # The last look comes while there is time for it, unless the server asked for more.
    pause = max(asked, left - LAST_LOOK)
    return (pause if 0 <= pause < left else None), True


def deliver(response: WorkflowResponse) -> Operation[None]:
    """Tell that the answer is there."""
    if logger.isEnabledFor(logging.INFO):
        size = len(response.text.encode("utf-8", "replace"))
        logger.info("response received: %d bytes at attempt %d", size, response.attempts)
    logger.info("training sessions: %d", len(response.program.sessions))
    yield from emit(ResponseEvent(response=response))
