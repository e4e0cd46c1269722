"""What a workflow has posted for one message, and what that amounts to: the table of answers."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeAlias

from .._effects import Operation, emit, now, sleep
from .._validation import describe
from ..errors import (
    APIError,
    InvalidResponseError,
    MissingProgramError,
    ProgramValidationError,
    TruncatedResponseError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from ..events import ResponseEvent, StepEvent, WaitingEvent, WorkflowResponse, resume_call
from ..models.session import ChatSession, Message
from ..program.model import ROOT_KEY
from .answers import Answer, Failure, InvalidProgram, Program, Prose, Step, Truncated, read_answer
from .messages import Listing, SessionMessage, newer_than
from .quoting import quoted
from .retry import LONGEST_RETRY_AFTER, can_wait_on, is_final, retry_after

logger = logging.getLogger("edn360_chatkit")

AnswerRule: TypeAlias = Literal["program", "first"]
"""``"program"`` waits for a message with the program; ``"first"`` takes the first message as the
answer, whatever it is."""


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


@dataclass(slots=True)
class Inbox:
    """What the workflow has posted for one message, and what that amounts to.

    The table of answers, row by row, is here: :meth:`response` has the rows that end the waiting,
    :meth:`give_up` those that count only at the end.

    Attributes:
        session: The session of the run.
        message: The message that started it.
        posts: What came, oldest first, and what that is.
        missing: Whether the session does not list the message.
        sent: The message's text where it is known, which errors are not to repeat.
    """

    session: ChatSession
    message: Message
    posts: list[tuple[SessionMessage, Answer]] = field(default_factory=list[Any])
    missing: bool = False
    sent: str | None = field(default=None, repr=False)

    def take(self, messages: Sequence[SessionMessage]) -> list[StepEvent]:
        """Read what is new in a poll's messages and report the steps among it."""
        answers = newer_than(messages, self.message.id)
        self.missing = answers is None
        places = {post.id or post.text: place for place, (post, _) in enumerate(self.posts)}
        steps: list[StepEvent] = []
        for post in answers or ():
            if not post.text.strip():
                continue
            place = places.get(post.id or post.text)
            if place is not None and _same(self.posts[place][0], post):
                continue
            answer = read_answer(post.text)
            if place is None:
                self.posts.append((post, answer))
            else:
                self.posts[place] = (post, answer)
            if isinstance(answer, (Step, Prose)):
                keys = answer.keys if isinstance(answer, Step) else ()
                steps.append(StepEvent(message_id=post.id, keys=keys, text=post.text))
        # A list that is behind, or shorter than before, takes nothing back.
        return steps

    def response(self, rule: AnswerRule, attempt: int, elapsed: float) -> WorkflowResponse | None:
        """The answer if it is there; ``None`` to wait on."""
        posts = self.posts[:1] if rule == "first" else self.posts
        for post, answer in reversed(posts):
            if isinstance(answer, Program):
                return WorkflowResponse(
                    program=answer.program,
                    text=post.text,
                    message_id=post.id,
                    session_id=self.session.id,
                    thread_id=self.message.thread_id,
                    attempts=attempt,
                    elapsed=elapsed,
                )
        for kind in (InvalidProgram, Failure):
            for post, answer in reversed(posts):
                if isinstance(answer, kind):
                    self._fail(post, answer)
        if rule == "first" and posts and not posts[0][0].partial:
            self._fail(*posts[0])
        return None

    def give_up(self, nothing: str, failure: APIError | None = None) -> NoReturn:
        """It is the end, by the attempts or by the stream: say what came instead of the answer.

        Args:
            nothing: What to say where nothing came.
            failure: What made the last attempt fail, if it did.
        """
        text = None
        if self.posts and self.posts[-1][0].partial:
            # Its stream broke, and what it says in the end has not been seen.
            text = self.posts[-1][0].text
        elif self.posts:
            post, answer = self.posts[-1]
            cut = [known for known in self.posts if isinstance(known[1], Truncated)]
            if isinstance(answer, Prose) and cut:
                # Half a program says more than the closing words below it.
                post, answer = cut[-1]
            self._fail(post, answer)
        if self.missing:
            nothing += (
                f" The session does not list the message {self.message.id!r}: leave after= out "
                "to take the newest message's answer."
            )
        raise WorkflowTimeoutError(
            nothing, session=self.session, message=self.message, text=text
        ) from failure

    def has_program(self) -> bool:
        """Whether a program that validates is among what came."""
        return any(isinstance(answer, Program) for _, answer in self.posts)

    def is_settled(self) -> bool:
        """Whether nothing that is still to come could be a better answer."""
        return any(isinstance(answer, (Program, Failure)) for _, answer in self.posts)

    def newest_text(self) -> str | None:
        """The newest text that came."""
        return self.posts[-1][0].text if self.posts else None

    def _fail(self, post: SessionMessage, answer: Answer) -> NoReturn:
        facts: dict[str, Any] = {
            "session": self.session,
            "message": self.message,
            "text": post.text,
        }
        if isinstance(answer, InvalidProgram):
            raise ProgramValidationError(
                "The workflow's program lacks what must be there; it is in .text, and was paid "
                f"for. Correct these fields and load it with EnrichedTrainingProgram, or tell "
                f"the workflow's author:\n{describe(answer.errors)}",
                errors=answer.errors,
                **facts,
            )
        if isinstance(answer, Failure):
            words = quoted(answer.description, self.sent)
            why = "" if words is None else f": {words}"
            raise WorkflowFailedError(
                f"The workflow failed{why}. What it said is in .text; running it again is a "
                "second, paid run.",
                **facts,
            )
        if isinstance(answer, Truncated):
            raise TruncatedResponseError(
                "The answer's JSON stops in the middle: the model ran out of tokens. What came "
                "is in .text; raise the output limit of the workflow's last agent.",
                **facts,
            )
        if isinstance(answer, Step):
            came = [a.keys for _, a in self.posts if isinstance(a, Step)]
            keys = tuple(dict.fromkeys(key for some in came for key in some))
            named = ", ".join(keys[:20])
            raise MissingProgramError(
                f"The workflow answered, but without {ROOT_KEY!r}; it sent {named}. If "
                "it is still at work, take the run up with poll_response(error.session, "
                "after=error.message); otherwise check what its last agent returns.",
                keys=keys,
                **facts,
            )
        raise InvalidResponseError(
            "The workflow answered with text that is no JSON; it is in .text. If it is still at "
            "work, take the run up with poll_response(error.session, after=error.message); "
            "otherwise check what its last agent returns.",
            **facts,
        )


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
    inbox.give_up(
        f"No answer {waited}. The run goes on at the server, and is paid for: take it up with "
        f"{resume_call(inbox.session, inbox.message)}, from any process, or wait longer with {by}",
        failure,
    )


def _same(known: SessionMessage, post: SessionMessage) -> bool:
    return known.text == post.text and known.partial == post.partial


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
