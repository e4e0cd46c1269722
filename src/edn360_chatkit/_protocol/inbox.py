"""The messages of a run, and their meaning: a response, an error, or a reason to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .._config import AnswerRule
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
from ..models.run import RunReference, resume_call
from ..models.session import ChatSession
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
from .listing import SessionMessage, answers_to, message_of
from .logs import log_warning
from .quoting import quoted
from .thread_events import StreamError


@dataclass(slots=True, eq=False)
class _Classified:
    """A message of the run, and its classification."""

    message: SessionMessage
    answer: Answer


@dataclass(slots=True)
class Inbox:
    """The messages of a run. Ids are hints: a message is found by its text, and never replaced.

    Attributes:
        reference: The reference of the run.
        message_text: The text of the run's message, if it is known. Errors do not repeat it.
        pending: The item that waits for the client, such as ``widget``, or ``None``.
    """

    session: ChatSession
    reference: RunReference
    format: AnswerFormat = TRAINING_PROGRAM
    message_text: str | None = field(default=None, repr=False)
    pending: str | None = None
    _streamed: int = 0
    # By text, in the order of arrival.
    _posts: dict[str, _Classified] = field(default_factory=dict[str, _Classified], repr=False)
    _partial: str | None = field(default=None, repr=False)
    _removed: set[str] = field(default_factory=set[str], repr=False)

    def follow(self, streamed: Sequence[SessionMessage]) -> list[StepEvent]:
        """Add the messages of the run's stream since the last call, and return the new steps."""
        new = streamed[self._streamed :]
        self._streamed += len(new)
        return self._add_all(new)

    def take(self, messages: Sequence[SessionMessage]) -> list[StepEvent]:
        """Add messages of a list, newest first, and return the new steps.

        A list can have answers to other messages. It repeats old messages, also those that the
        stream has removed. A message that a later list lacks stays.
        """
        answers = answers_to(messages, self.reference)
        if self.reference.message_id is None and self.reference.previous_id is not None:
            # The response to the message was lost or had no id: the list has it.
            ours = message_of(messages, self.reference)
            update = {"message_id": None if ours is None else ours.id}
            self.reference = self.reference.model_copy(update=update)
        return self._add_all([m for m in answers if _text_of(m) not in self._removed])

    def steps(self) -> tuple[str, ...]:
        """The texts of the messages that have no program, oldest first."""
        # A copy, since another thread may follow the run.
        posts = list(self._posts.items())
        return tuple(text for text, post in posts if isinstance(post.answer, (Step, Prose)))

    def _add_all(self, messages: Sequence[SessionMessage]) -> list[StepEvent]:
        steps = [self._add(message) for message in messages]
        return [step for step in steps if step is not None]

    def _add(self, message: SessionMessage) -> StepEvent | None:
        text = _text_of(message)
        if message.role == "client":
            self.pending = message.text
        elif message.removed:
            self._remove(text)
            self._removed.add(text)
        elif text in self._posts:
            self.pending = None
            post = self._posts[text]
            if post.message.partial and not message.partial:
                post.message, self._partial = message, None
        elif text:
            self.pending = None
            if self._partial is not None and text.startswith(self._partial):
                # The rest of the message whose stream broke.
                self._remove(self._partial)
            self._partial = text if message.partial else self._partial
            answer = read_answer(text, self.format)
            if message.refusal and not isinstance(answer, (Program, InvalidProgram)):
                answer = Failure(message.refusal)
            self._posts[text] = _Classified(message, answer)
            if isinstance(answer, (Step, Prose)):
                keys = answer.keys if isinstance(answer, Step) else ()
                return StepEvent(message_id=message.id, keys=keys, text=text)
        return None

    def _remove(self, text: str) -> None:
        self._posts.pop(text, None)
        if text == self._partial:
            self._partial = None

    def response(self, rule: AnswerRule, attempt: int, elapsed: float) -> WorkflowResponse | None:
        """The response, or ``None`` to keep waiting."""
        if rule == "first":
            post = next(iter(self._posts.values()), None)
            final = (Program, InvalidProgram, Failure)
            if post is not None and post.message.partial and not isinstance(post.answer, final):
                post = None
        else:
            # A program that was paid for outweighs a failure.
            post = self._last(Program) or self._last(InvalidProgram) or self._last(Failure)
        if post is None:
            return None
        if not isinstance(post.answer, Program):
            self._fail(post)
        if post.answer.repaired:
            log_warning(
                self.session.id,
                "the answer is malformed JSON and was repaired; compare the program with "
                "response.text",
            )
        return WorkflowResponse(
            program=post.answer.program,
            text=post.message.text,
            message_id=post.message.id,
            session_id=self.session.id,
            thread_id=self.reference.thread_id,
            attempts=attempt,
            elapsed=elapsed,
            repaired=post.answer.repaired,
        )

    def end_of_run(self, *, awaited: bool = False) -> NoReturn:
        """Raise the error for a run that the server has ended without a program."""
        self._fail_if_pending()
        if self._posts:
            self._fail(self._most_telling())
        raise WorkflowTimeoutError(
            "The stream ended without an answer, which is the end of the run. Read the thread's "
            f"items with {resume_call(self.reference, awaited=awaited)}.",
            **self._facts(),
        )

    def out_of_patience(self, reason: str, failure: APIError | None = None) -> NoReturn:
        """Raise the error after the last attempt. The run may continue on the server.

        A cut answer has the timeout as its cause: the program may still follow.
        """
        self._fail_if_pending()
        timeout = WorkflowTimeoutError(reason, steps=self.steps(), **self._facts())
        if self._posts and self._partial is None:
            post = self._most_telling()
            if isinstance(post.answer, Truncated):
                try:
                    self._fail(post)
                except TruncatedResponseError as error:
                    raise error from timeout
        raise timeout from failure

    def check_error(self, error: StreamError | None) -> None:
        """Raise the stream's ``error`` event, unless a program came before it.

        It is not retried, even if it has ``allow_retry``: that would be a second, paid run. If the
        answer before it is cut, this is the cause of the error.
        """
        if error is None or self.has_program():
            return
        reason = self._quoted(error.words or "no reason given")
        newest = self._last(object)
        if newest is not None and isinstance(newest.answer, Truncated):
            self._fail(newest, f" The server ended the run{reason}.")
        raise WorkflowFailedError(
            f"The server ended the run{reason}. Running it again is a second, paid run.",
            allow_retry=error.allow_retry,
            **self._facts(),
        )

    def has_program(self) -> bool:
        """Whether there is a valid program."""
        return self._last(Program) is not None

    def is_settled(self) -> bool:
        """Whether no later message could be a better answer."""
        return self._last(Program, Failure) is not None

    def newest_text(self) -> str | None:
        """The text of the newest message."""
        return next(reversed(self._posts), None)

    def _last(self, *kinds: type[object]) -> _Classified | None:
        """The newest message with an answer of these kinds."""
        posts = reversed(self._posts.values())
        return next((post for post in posts if isinstance(post.answer, kinds)), None)

    def _most_telling(self) -> _Classified:
        """The newest message, or a cut answer that is newer than everything but prose."""
        posts = list(self._posts.values())
        answers = (post for post in posts[::-1] if not isinstance(post.answer, Prose))
        newest = next(answers, posts[-1])
        return newest if isinstance(newest.answer, Truncated) else posts[-1]

    def _facts(self, post: _Classified | None = None) -> dict[str, Any]:
        text = post.message.text or post.message.refusal if post else self.newest_text()
        return {"session": self.session, "message": self.reference.message, "text": text}

    def _quoted(self, reason: str) -> str:
        words = quoted(reason, self.message_text)
        return "" if words is None else f": {words.rstrip('.')}"

    def _fail_if_pending(self) -> None:
        if self.pending is not None:
            raise WorkflowFailedError(
                f"The run waits for the client: {self.pending}. This client can't answer; change "
                "the workflow so that it runs without it. Running it again is a second, paid run.",
                **self._facts(),
            )

    def _fail(self, post: _Classified, cause: str = "") -> NoReturn:
        """Raise the error for a message without a valid program."""
        # No variable here holds the text, since tracebacks can show variables.
        answer = post.answer
        if isinstance(answer, InvalidProgram):
            raise ProgramValidationError(
                "The program's structure is invalid. It is in .text, and was paid for. Correct "
                "these fields and load it with EnrichedTrainingProgram, or tell the workflow's "
                f"author:\n{describe(answer.errors)}",
                **self._facts(post),
                errors=answer.errors,
            )
        if isinstance(answer, Failure):
            raise WorkflowFailedError(
                f"The workflow failed{self._quoted(answer.description)}. Its message is in .text; "
                "running it again is a second, paid run.",
                **self._facts(post),
            )
        if isinstance(answer, Truncated):
            raise TruncatedResponseError(
                f"The answer's JSON is cut ({answer.place}): the model reached its output limit."
                f"{cause} The text is in .text; raise the limit of the workflow's last agent.",
                **self._facts(post),
            )
        if isinstance(answer, Step):
            steps = [p.answer for p in self._posts.values() if isinstance(p.answer, Step)]
            keys = tuple(dict.fromkeys(key for step in steps for key in step.keys))
            raise MissingProgramError(
                f"The workflow answered without {self.format.root_key!r}; its messages have the "
                f"keys {', '.join(keys[:20])}. Check what its last agent returns.",
                **self._facts(post),
                keys=keys,
            )
        place = answer.place if isinstance(answer, Prose) else None
        malformed = f"malformed JSON ({place})" if place else "text that is not JSON"
        raise InvalidResponseError(
            f"The workflow answered with {malformed}. It is in .text; check what its last agent "
            "returns.",
            **self._facts(post),
        )


def _text_of(message: SessionMessage) -> str:
    return message.text if message.text.strip() else message.refusal or ""
