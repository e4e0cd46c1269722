"""What a workflow has posted for one message, and what that amounts to: the table of answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

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
from ..events import StepEvent, WorkflowResponse
from ..models.session import ChatSession, Message, resume_call
from ..program.model import ROOT_KEY
from .answers import (
    TRAINING_PROGRAM,
    Answer,
    AnswerFormat,
    Failure,
    InvalidProgram,
    Program,
    Prose,
    Step,
    Truncated,
    read_answer,
)
from .listing import SessionMessage, answers_to
from .quoting import quoted

logger = logging.getLogger("edn360_chatkit")


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
    format: AnswerFormat = TRAINING_PROGRAM
    sent: str | None = field(default=None, repr=False)
    posts: list[tuple[SessionMessage, Answer]] = field(default_factory=list[Any])
    missing: bool = False
    pending: str | None = None

    def take(self, messages: Sequence[SessionMessage]) -> list[StepEvent]:
        """Read what is new in a poll's messages and report the steps among it."""
        answers = answers_to(messages, self.message.id)
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

    def response(self, rule: str, attempt: int, elapsed: float) -> WorkflowResponse | None:
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

    def end_of_run(self) -> NoReturn:
        """The server said that the run is over."""
        self.give_up(
            "The stream ended without an answer, which is the end of the run. What its thread "
            f"holds can be read with {resume_call(self.session, self.message)}."
        )

    def out_of_patience(self, reason: str, failure: APIError | None = None) -> NoReturn:
        """The attempts or the deadline ended."""
        steps = tuple(post.text for post, _ in self.posts)
        if self.missing:
            reason += (
                f" The session does not list the message {self.message.id!r}: leave after= out "
                "to take the newest message's answer."
            )
        raise WorkflowTimeoutError(
            reason,
            session=self.session,
            message=self.message,
            text=self.newest_text(),
            steps=steps,
        ) from failure

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


def _same(known: SessionMessage, post: SessionMessage) -> bool:
    return known.text == post.text and known.partial == post.partial
