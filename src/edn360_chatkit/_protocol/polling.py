"""Polling: ask for a run's messages until the answer is among them."""

from __future__ import annotations

from .._effects import Emitting, emit, now, sleep
from ..errors import APIConnectionError, APIError, APIStatusError
from ..events import WaitingEvent, WorkflowEvent, WorkflowResponse
from ..models.session import resume_call
from .inbox import Inbox
from .logs import log_run
from .retry import LONGEST_RETRY_AFTER, retry_after
from .run import Protocol, Run, Waiting, deliver
from .statuses import Polling, status_row

LAST_LOOK = 1.0
"""How long before the deadline the last poll begins, in seconds."""


def poll(
    protocol: Protocol, run: Run, inbox: Inbox, failure: APIError | None = None
) -> Emitting[WorkflowEvent, WorkflowResponse]:
    """Ask for the run's messages until the answer is among them.

    Args:
        protocol: How to ask.
        run: The run.
        inbox: Where the messages go.
        failure: What has ended the run's stream, if it had one.

    Raises:
        WorkflowError: The run went wrong, or is not done yet; it carries what came.
        APIError: The server refused a poll, and no waiting helps.
    """
    waiting = run.waiting
    attempt, read, listed, last, refused = 0, 0, False, False, False
    while True:
        attempt += 1
        try:
            listing = yield from protocol.look(run)
        except APIError as error:
            verdict = poll_verdict(error)
            # A proxy may refuse a good request once: only the second refusal in a row counts.
            if verdict == "final" or (refused and verdict == "twice"):
                raise
            failure, refused = error, verdict == "twice"
            log_run(
                *(run.session.id, "WARNING", "poll %d failed (%s); still waiting"),
                *(attempt, _kind(error)),
            )
        else:
            failure, refused, read = None, False, read + 1
            listed = listed or bool(listing.messages)
            for step in inbox.take(listing.messages):
                yield from emit(step)
        elapsed = (yield from now()) - run.started
        response = inbox.response(waiting.answer, attempt, elapsed)
        if response is not None:
            return (yield from deliver(run, response))
        if attempt % 10 == 0:
            log_run(
                *(run.session.id, "INFO", "waiting: attempt %d of %d"),
                *(attempt, waiting.max_attempts),
            )
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
        pause, last = _pause(waiting, failure, run.started + waiting.deadline - (yield from now()))
        if pause is None:
            break
        yield from sleep(pause)
    if refused and failure is not None:
        raise failure
    unknown = run.sent_text is None and inbox.message.id is None
    if read and not listed and unknown:
        reason = (
            f"The session {run.session.id!r} has no message, so there is no run to wait for: send "
            "one with send_message(...)."
        )
    else:
        reason = _reason(run, inbox, attempt, None if read else failure)
    inbox.out_of_patience(reason, failure)


def _reason(run: Run, inbox: Inbox, attempt: int, failure: APIError | None) -> str:
    """Why the waiting ended, and how to go on."""
    waited, setting = f"after {attempt} attempts", "max_attempts=... or poll_interval=..."
    if attempt < run.waiting.max_attempts:
        waited, setting = f"within the deadline of {run.waiting.deadline:g} s", "deadline=..."
    failed = "" if failure is None else f" Every poll failed, the last one so: {failure}"
    return (
        f"No answer {waited}.{failed} Real runs take 60 to 205 s, and the default of 60 polls ends "
        "after 2 minutes: the run may still be at work, and is paid for. Take it up with "
        f"{resume_call(inbox.session, inbox.message)}, from any process, or wait longer with "
        f"{setting}"
    )


def poll_verdict(error: APIError) -> Polling:
    """What a poll's failure says about the run."""
    if isinstance(error, APIStatusError):
        return status_row(error.status_code).polling
    # A body that is too large would come again.
    return "wait" if isinstance(error, APIConnectionError) else "final"


def _kind(error: APIError) -> str:
    name = type(error).__name__
    return f"{name} {error.status_code}" if isinstance(error, APIStatusError) else name


def _pause(waiting: Waiting, failure: APIError | None, left: float) -> tuple[float | None, bool]:
    """The pause before the next poll, and whether that poll is the last.

    Args:
        waiting: How long to wait.
        failure: What made this poll fail, if it did.
        left: How much time is left, in seconds.

    Returns:
        The pause in seconds; ``None`` if there is no time for another poll.
    """
    asked = min(retry_after(failure), LONGEST_RETRY_AFTER)
    pause = max(waiting.poll_interval, asked)
    if pause + LAST_LOOK <= left:
        return pause, False
    # The last poll comes while there is time for it, unless the server asked for more.
    pause = max(asked, left - LAST_LOOK)
    return (pause if 0 <= pause < left else None), True
