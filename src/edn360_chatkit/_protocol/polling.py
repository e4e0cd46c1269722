"""Polling: ask for a run's messages until the answer is among them."""

from __future__ import annotations

from .._effects import Emitting, emit, now, sleep
from ..errors import APIConnectionError, APIError, APIStatusError
from ..events import WaitingEvent, WorkflowEvent, WorkflowResponse
from .durations import PART_OF_PAUSE, SHORTEST_PART, RunTiming
from .listing import DoubtError
from .logs import log_info, log_warning
from .retry import LONGEST_RETRY_AFTER, is_deadline, retry_after
from .run import Protocol, Run, deliver
from .statuses import Polling, status_row

LAST_LOOK = 1.0
"""How long before the deadline the last poll begins, in seconds."""


def poll(
    protocol: Protocol, run: Run, failure: APIError | None = None
) -> Emitting[WorkflowEvent, WorkflowResponse]:
    """Ask for the run's messages until the answer is among them."""
    waiting, inbox = run.waiting, run.inbox
    # Whether the polls begin when the message is sent: not after a stream or another process.
    is_new = inbox.sent is not None and not run.sent_before and inbox.run.thread_id is None
    # A run of this call starts here: sending its message may have waited for a place.
    timing = RunTiming(waiting.durations, (yield from now()) - waiting.age, is_new=is_new)
    last: bool | None = False
    attempt, reads, has_messages, refused = 0, 0, False, False
    if is_new and waiting.poll_interval is None:
        last = yield from _sleep(run, timing)
    while True:
        attempt += 1
        begin = yield from now()
        try:
            messages = yield from protocol.look(run)
        except APIError as error:
            verdict = poll_verdict(error)
            # A proxy may refuse a good request once: only the second refusal in a row counts.
            if verdict == "final" or (refused and verdict == "twice"):
                raise
            failure, refused = error, verdict == "twice"
            name = type(error).__name__
            if isinstance(error, APIStatusError):
                name += f" {error.status_code}"
            log_warning(run.session.id, "poll %d failed (%s); still waiting", attempt, name)
        else:
            failure, refused, reads = None, False, reads + 1
            has_messages = has_messages or bool(messages)
            steps = inbox.take(messages)
            timing.look(begin, (yield from now()), len(steps) if is_new else 0)
            for step in steps:
                yield from emit(step)
        moment = yield from now()
        elapsed = moment - run.started
        response = inbox.response(waiting.answer, attempt, elapsed)
        if response is not None:
            if is_new:
                timing.learn()
            return (yield from deliver(run, response))
        if attempt % 10 == 0:
            log_info(run.session.id, "waiting: attempt %d of %d", attempt, waiting.max_attempts)
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
        last = yield from _sleep(run, timing, failure)
        if last is None:
            break
    if refused and failure is not None:
        raise failure
    if inbox.run.message_digest is not None and not has_messages:
        # The thread was not found, which would have taken the digest's place.
        user, why = run.session.user, "The user has no new one with the message."
        if failure is not None and not is_deadline(failure):
            why = str(failure)
        inbox.out_of_patience(
            f"The run's thread was not found. {why} The message was not taken, or the server "
            "stores it only when the run ends. Look at the user's newest threads with "
            f"client.threads.list(user={user!r}), or wait on with "
            f"{run.resume_call()}",
            failure,
        )
    if reads and not has_messages and inbox.sent is None and inbox.run.message_id is None:
        inbox.out_of_patience(
            f"The session {run.session.id!r} has no message, so there is no run to wait for: send "
            "one with send_message(...)."
        )
    waited, setting = f"within the deadline of {waiting.deadline:g} s", "deadline=..."
    if attempt == waiting.max_attempts:
        waited, setting = f"in {attempt} polls", "max_attempts=... or poll_interval=..."
    failed = ""
    if failure is not None and not reads and not is_deadline(failure):
        failed = f" Every poll failed, the last one so: {failure}"
    inbox.out_of_patience(
        f"No answer {waited}.{failed} Real runs take 60 to 205 s, and the default of 60 polls ends "
        "after 2 minutes: the run may still be at work, and is paid for. Take it up with "
        f"{run.resume_call()}, from any process, or wait longer with "
        f"{setting}",
        failure,
    )


def _sleep(
    run: Run, timing: RunTiming, failure: APIError | None = None
) -> Emitting[WorkflowEvent, bool | None]:
    """Sleep until the next poll.

    Returns:
        Whether it is the last one; ``None`` if there is no time for it.
    """
    since = moment = yield from now()
    interval, deadline = run.waiting.poll_interval, run.started + run.waiting.deadline
    earliest = since + min(retry_after(failure), LONGEST_RETRY_AFTER)
    while True:
        pause = interval if interval is not None else timing.pause(moment, since)
        pause = max(pause, earliest - moment)
        if last := moment + pause + LAST_LOOK > deadline:
            # The last poll comes while there is time for it, unless the server asked for more.
            pause = max(earliest, deadline - LAST_LOOK) - moment
            if not 0 <= pause < deadline - moment:
                return None
        part = pause
        if interval is None:
            part = min(pause, max(pause * PART_OF_PAUSE, SHORTEST_PART))
        if part > 0:
            yield from sleep(part)
        if part == pause:
            return last
        moment = yield from now()


def poll_verdict(error: APIError) -> Polling:
    """What a poll's failure says about the run."""
    if isinstance(error, APIStatusError):
        return status_row(error.status_code).polling
    # A body that is too large would come again.
    return "wait" if isinstance(error, (APIConnectionError, DoubtError)) else "final"
