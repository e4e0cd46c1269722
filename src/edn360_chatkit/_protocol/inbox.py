"""The messages of a run, and what they amount to: the table of answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeAlias

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
from .thread_events import StreamError

logger = logging.getLogger("edn360_chatkit")

AnswerRule: TypeAlias = Literal["program", "first"]
"""``"program"`` waits for a message with the program; ``"first"`` takes the first message."""


@dataclass(slots=True, eq=False)
class _Post:
    """A message of the run, and its classification."""

    message: SessionMessage
    answer: Answer


@dataclass(slots=True)
class Inbox:
    """The messages of a run. Ids are hints: a text is known by itself, and is never replaced.

    Attributes:
        session: The session of the run.
        message: The message that started it.
        format: The format of the answer.
        sent: The text of the message, if it is known. Errors do not repeat it.
        pending: The item that waits for the client, such as ``widget``; ``None`` if none does.
        missing: Whether the server lists other messages of the user, but not ours.
    """

    session: ChatSession
    message: Message
    format: AnswerFormat = TRAINING_PROGRAM
    sent: str | None = field(default=None, repr=False)
    pending: str | None = None
    missing: bool = False
    # In the order of arrival, by text. A dict keeps the order, and a removal takes no search.
    _posts: dict[str, _Post] = field(default_factory=dict[str, _Post], repr=False)
    _programs: dict[str, _Post] = field(default_factory=dict[str, _Post], repr=False)
    _failures: dict[str, _Post] = field(default_factory=dict[str, _Post], repr=False)
    _partial: str | None = field(default=None, repr=False)
    _removed: set[str] = field(default_factory=set[str], repr=False)

    def take(self, messages: Sequence[SessionMessage]) -> list[StepEvent]:
        """Add messages, newest first, and return the new steps.

        A list may repeat earlier messages. A message that is missing in a later list stays.
        """
        answers = answers_to(messages, self.message.id, self.message.previous_id)
        self.missing = answers is None
        return [step for message in answers or () for step in self._add(message)]

    def _add(self, message: SessionMessage) -> list[StepEvent]:
        text = message.text if message.text.strip() else message.refusal or ""
        if message.role == "client":
            self.pending = message.text
            return []
        if message.removed:
            self._remove(text)
            self._removed.add(text)
            return []
        if not text or text in self._removed:
            return []
        self.pending = None
        known = self._posts.get(text)
        if known is not None:
            if known.message.partial and not message.partial:
                known.message, self._partial = message, None
            return []
        if self._partial is not None and text.startswith(self._partial):
            # The rest of the message whose stream broke.
            self._remove(self._partial)
        self._partial = text if message.partial else self._partial
        answer = read_answer(text, self.format)
        if message.refusal and not isinstance(answer, (Program, InvalidProgram)):
            answer = Failure(message.refusal)
        post = self._posts[text] = _Post(message, answer)
        if isinstance(answer, Program):
            self._programs[text] = post
        elif isinstance(answer, (InvalidProgram, Failure)):
            self._failures[text] = post
        if not isinstance(answer, (Step, Prose)):
            return []
        keys = answer.keys if isinstance(answer, Step) else ()
        return [StepEvent(message_id=message.id, keys=keys, text=text)]

    def _remove(self, text: str) -> None:
        for posts in (self._posts, self._programs, self._failures):
            posts.pop(text, None)
        if text == self._partial:
            self._partial = None

    def response(self, rule: AnswerRule, attempt: int, elapsed: float) -> WorkflowResponse | None:
        """The response; ``None`` to wait on.

        Raises:
            WorkflowError: The answer is invalid, or the workflow reports a failure.
        """
        first = next(iter(self._posts.values()), None)
        if rule == "first":
            if first is None:
                return None
            if not isinstance(first.answer, Program):
                if first.message.partial and not isinstance(
                    first.answer, (InvalidProgram, Failure)
                ):
                    return None
                self._fail(first)
            program = first
        elif self._programs:
            program = _last(self._programs)
        else:
            # What the workflow paid for says more than its words about a failure.
            for kind in (InvalidProgram, Failure):
                for post in reversed(self._failures.values()):
                    if isinstance(post.answer, kind):
                        self._fail(post)
            return None
        assert isinstance(program.answer, Program)
        if program.answer.repaired:
            logger.warning(
                "session %s: the answer is malformed JSON and was repaired; compare the program "
                "with response.text",
                self.session.id,
                extra={"session_id": self.session.id},
            )
        return WorkflowResponse(
            program=program.answer.program,
            text=program.message.text,
            message_id=program.message.id,
            session_id=self.session.id,
            thread_id=self.message.thread_id,
            attempts=attempt,
            elapsed=elapsed,
            repaired=program.answer.repaired,
        )

    def end_of_run(self) -> NoReturn:
        """Raise the error for a run that the server has ended without a program."""
        self._fail_if_pending()
        if self._posts:
            self._fail(self._most_telling())
        self._time_out(
            "The stream ended without an answer, which is the end of the run. Read the thread's "
            f"items with {resume_call(self.session, self.message)}.",
            None,
        )

    def out_of_patience(self, reason: str, failure: APIError | None = None) -> NoReturn:
        """Raise the error for a run that may go on at the server, after the last attempt.

        Args:
            reason: Why the waiting ends, and how to wait on.
            failure: The error of the last attempt, if it failed.
        """
        self._fail_if_pending()
        if self._posts and self._partial is None:
            post = self._most_telling()
            if isinstance(post.answer, Truncated):
                self._fail(post)
        if self.missing:
            reason += (
                f" The server does not list the message {self.message.id!r}: leave after= out "
                "to take the answer of the newest message."
            )
        self._time_out(reason, failure)

    def given_up(self, error: StreamError) -> NoReturn:
        """Raise the server's ``error`` event. A cut answer before it says why it came."""
        words = quoted(error.message or error.code or "no reason given", self.sent)
        reason = "" if words is None else f": {words.rstrip('.')}"
        if self._posts:
            post = _last(self._posts)
            if isinstance(post.answer, Truncated):
                self._fail(post, f" The server ended the run{reason}.")
        raise WorkflowFailedError(
            f"The server ended the run{reason}. Running it again is a second, paid run.",
            allow_retry=error.allow_retry,
            **self._facts(self.newest_text()),
        )

    def has_program(self) -> bool:
        """Whether there is a valid program."""
        return bool(self._programs)

    def is_settled(self) -> bool:
        """Whether no later message could be a better answer."""
        failed = any(isinstance(post.answer, Failure) for post in self._failures.values())
        return failed or self.has_program()

    def newest_text(self) -> str | None:
        """The text of the newest message."""
        return next(reversed(self._posts), None)

    def steps(self) -> list[str]:
        """The texts of the steps, oldest first."""
        return [t for t, post in self._posts.items() if isinstance(post.answer, (Step, Prose))]

    def _most_telling(self) -> _Post:
        """The newest message; the cut one if only prose came after it."""
        for post in reversed(self._posts.values()):
            if not isinstance(post.answer, Prose):
                return post if isinstance(post.answer, Truncated) else _last(self._posts)
        return _last(self._posts)

    def _facts(self, text: str | None) -> dict[str, Any]:
        return {"session": self.session, "message": self.message, "text": text}

    def _facts_of(self, post: _Post) -> dict[str, Any]:
        return self._facts(post.message.text or post.message.refusal)

    def _time_out(self, reason: str, failure: APIError | None) -> NoReturn:
        raise WorkflowTimeoutError(
            reason, steps=self.steps(), **self._facts(self.newest_text())
        ) from failure

    def _fail_if_pending(self) -> None:
        if self.pending is not None:
            raise WorkflowFailedError(
                f"The run waits for the client: {self.pending}. This client can't answer; change "
                "the workflow so that it runs without it. Running it again is a second, paid run.",
                **self._facts(self.newest_text()),
            )

    def _fail(self, post: _Post, cause: str = "") -> NoReturn:
        # No variable here holds the text: a traceback shows the variables.
        answer = post.answer
        if isinstance(answer, InvalidProgram):
            raise ProgramValidationError(
                "The program's structure is invalid. It is in .text, and was paid for. Correct "
                "these fields and load it with EnrichedTrainingProgram, or tell the workflow's "
                f"author:\n{describe(answer.errors)}",
                errors=answer.errors,
                **self._facts_of(post),
            )
        if isinstance(answer, Failure):
            words = quoted(answer.description, self.sent)
            reason = "" if words is None else f": {words}"
            raise WorkflowFailedError(
                f"The workflow failed{reason}. Its message is in .text; running it again is a "
                "second, paid run.",
                **self._facts_of(post),
            )
        if isinstance(answer, Truncated):
            raise TruncatedResponseError(
                f"The answer's JSON is cut ({answer.place}): the model reached its output limit."
                f"{cause} The text is in .text; raise the limit of the workflow's last agent.",
                **self._facts_of(post),
            )
        if isinstance(answer, Step):
            steps = [post.answer for post in self._posts.values()]
            keys = dict.fromkeys(key for s in steps if isinstance(s, Step) for key in s.keys)
            raise MissingProgramError(
                f"The workflow answered without {self.format.root_key!r}; its messages have the "
                f"keys {', '.join(list(keys)[:20])}. Check what its last agent returns.",
                keys=tuple(keys),
                **self._facts_of(post),
            )
        place = answer.place if isinstance(answer, Prose) else None
        malformed = f"malformed JSON ({place})" if place else "text that is not JSON"
        raise InvalidResponseError(
            f"The workflow answered with {malformed}. It is in .text; check what its last agent "
            "returns.",
            **self._facts_of(post),
        )


def _last(posts: dict[str, _Post]) -> _Post:
    return posts[next(reversed(posts))]
