"""Polling: ask for a run's messages until the answer is among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from .._effects import Emitting, emit, now, sleep
from ..errors import APIConnectionError, APIError, APIStatusError
from ..events import WaitingEvent, WorkflowEvent, WorkflowResponse
from .durations import PART_OF_PAUSE, SHORTEST_PART, RunTiming
from .listing import DoubtError
from .logs import log_info, log_warning
from .retry import LONGEST_RETRY_AFTER, is_deadline, retry_after
from .run import Protocol, Run, deliver
from .statuses import Polling, status_row

LAST_POLL = 1.0
"""The seconds from the start of the last poll to the deadline."""


def poll(
    protocol: Protocol, run: Run, failure: APIError | None = None
) -> Emitting[WorkflowEvent, WorkflowResponse]:
    """Ask for the run's messages until the answer is among them.

    ``failure`` is the error that broke the run's stream.
    """
    waiting, inbox = run.waiting, run.inbox
    # Whether the polls begin when the message is sent: not after a stream or in another process.
    is_here = inbox.message_text is not None and run.earlier_attempt is None
    is_new = is_here and inbox.reference.thread_id is None
    # A run of this call starts now: sending its message may have waited for a place.
    timing = RunTiming(waiting.durations, (yield from now()) - waiting.age, is_new=is_new)
    polls = _Polls(protocol, run, timing, failure)
    last: bool | None = False
    if is_new and waiting.poll_interval is None:
        last = yield from polls.sleep()
    while True:
        yield from polls.read()
        elapsed = (yield from now()) - run.started
        response = inbox.response(waiting.answer, polls.attempt, elapsed)
        if response is not None:
            timing.learn()
            return (yield from deliver(run, response))
        if polls.attempt % 10 == 0:
            text = "waiting: attempt %d of %d"
            log_info(run.session.id, text, polls.attempt, waiting.max_attempts)
        yield from emit(
            WaitingEvent(
                attempt=polls.attempt,
                max_attempts=waiting.max_attempts,
                elapsed=elapsed,
                error=None if polls.failure is None else str(polls.failure),
            )
        )
        if last or polls.attempt == waiting.max_attempts:
            break
        last = yield from polls.sleep()
        if last is None:
            break
    polls.give_up()


@dataclass(slots=True)
class _Polls:
    """The polls of one call.

    Attributes:
        failure: The error of the last poll, or ``None``.
        attempt: The number of polls.
        reads: The number of polls without an error.
        refused: Whether the last poll was refused. A proxy may refuse a good request once: only
            the second refusal in a row counts.
        has_messages: Whether a poll has found messages.
    """

    protocol: Protocol
    run: Run
    timing: RunTiming
    failure: APIError | None
    attempt: int = 0
    reads: int = 0
    refused: bool = False
    has_messages: bool = False

    def read(self) -> Emitting[WorkflowEvent, None]:
        """Read the run's messages once."""
        self.attempt += 1
        begin = yield from now()
        try:
            messages = yield from self.protocol.read_messages(self.run)
        except APIError as error:
            verdict = poll_verdict(error)
            if verdict == "final" or (self.refused and verdict == "twice"):
                raise
            self.failure, self.refused = error, verdict == "twice"
            name = type(error).__name__
            if isinstance(error, APIStatusError):
                name += f" {error.status_code}"
            text = "poll %d failed (%s); still waiting"
            log_warning(self.run.session.id, text, self.attempt, name)
            return
        self.failure, self.refused, self.reads = None, False, self.reads + 1
        self.has_messages = self.has_messages or bool(messages)
        steps = self.run.inbox.take(messages)
        self.timing.note_poll(begin, (yield from now()), len(steps))
        for step in steps:
            yield from emit(step)

    def sleep(self) -> Emitting[WorkflowEvent, bool | None]:
        """Sleep until the next poll.

        Returns:
            Whether it is the last one; ``None`` if there is no time for it.
        """
        waiting = self.run.waiting
        since = moment = yield from now()
        interval, deadline = waiting.poll_interval, self.run.started + waiting.deadline
        earliest = since + min(retry_after(self.failure), LONGEST_RETRY_AFTER)
        while True:
            pause = interval if interval is not None else self.timing.pause(moment, since)
            pause = max(pause, earliest - moment)
            if last := moment + pause + LAST_POLL > deadline:
                # The last poll comes while there is time for it, unless the server wants a pause.
                pause = max(earliest, deadline - LAST_POLL) - moment
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

    def give_up(self) -> NoReturn:
        """Raise the error for a run without an answer after the last poll."""
        run, failure = self.run, self.failure
        inbox, waiting, resume = run.inbox, run.waiting, run.resume_call()
        if failure is not None and self.refused:
            raise failure
        if inbox.reference.message_digest is not None and not self.has_messages:
            # The thread was not found: with its id, the reference has no digest.
            user, why = run.session.user, "The user has no new thread with the message."
            if failure is not None and not is_deadline(failure):
                why = str(failure)
            inbox.out_of_patience(
                f"The run's thread was not found. {why} The message was not stored, or the server "
                "stores it only when the run ends. See the user's newest threads with "
                f"client.threads.list(user={user!r}), or keep waiting with {resume}",
                failure,
            )
        unknown = inbox.message_text is None and inbox.reference.message_id is None
        if self.reads and unknown and not self.has_messages:
            inbox.out_of_patience(
                f"The session {run.session.id!r} has no message, so there is no run to wait for: "
                "send one with send_message(...)."
            )
        limit, setting = f"within the deadline of {waiting.deadline:g} s", "deadline=..."
        if self.attempt == waiting.max_attempts:
            polls = "1 poll" if self.attempt == 1 else f"{self.attempt} polls"
            limit, setting = f"in {polls}", "max_attempts=... or poll_interval=..."
        reason = ""
        if failure is not None and not self.reads and not is_deadline(failure):
            reason = f" Every poll failed, the last one with: {failure}"
        inbox.out_of_patience(
            f"No answer {limit}.{reason} Real runs take 60 to 205 s, and the default of 60 polls "
            "ends after 2 minutes: the run may still be at work, and is paid for. Resume it with "
            f"{resume}, from any process, or wait longer with {setting}",
            failure,
        )


def poll_verdict(error: APIError) -> Polling:
    """What to do after a failed poll."""
    if isinstance(error, APIStatusError):
        return status_row(error.status_code).polling
    # No retry helps against an untrusted certificate, or a proxy that refuses.
    if isinstance(error, APIConnectionError) and not error.retryable:
        return "twice"
    # A retry would get the large body again.
    return "wait" if isinstance(error, (APIConnectionError, DoubtError)) else "final"
