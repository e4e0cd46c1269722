"""What a run reports while it goes on, in ``stream_workflow`` and to ``on_event``.

More kinds of events will come: let the last branch of a ``match`` over them ignore what it
does not know.
"""

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from .models.base import OpenModel, card_html
from .models.session import ChatSession, Message
from .program.model import EnrichedTrainingProgram


class WorkflowResponse(OpenModel):
    """The answer of a run.

    Attributes:
        program: The training program, validated.
        text: The assistant text that it was read from, as it came.
        message_id: The id of the assistant's message.
        session_id: The session of the run.
        thread_id: The thread of the run; ``None`` in the session messages protocol.
        attempts: How many polls it took.
        elapsed: How long it was waited for, in seconds: since the run was started by
            ``run_workflow``, or since ``poll_response`` was called.
    """

    program: EnrichedTrainingProgram
    text: str = Field(repr=False)
    message_id: str | None = None
    session_id: str
    thread_id: str | None = None
    attempts: int
    elapsed: float

    def _repr_html_(self) -> str:
        card = card_html(
            "WorkflowResponse",
            attempts=self.attempts,
            elapsed=f"{self.elapsed:.1f} s",
            session_id=self.session_id,
            thread_id=self.thread_id,
            message_id=self.message_id,
        )
        return card + self.program.to_html()

    def _repr_markdown_(self) -> str:
        return self.program.to_markdown()


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class _ThreadEvent(_Event):
    """What comes in a stream of the thread protocol; ``data`` is the event's JSON as it came."""

    data: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)


class SessionCreatedEvent(_Event):
    """The session is there.

    Attributes:
        session: Store it to take the run up from another process.
    """

    type: Literal["session.created"] = "session.created"
    session: ChatSession


class MessageSentEvent(_Event):
    """The server has taken the athlete's data. From here on the run costs money.

    Attributes:
        message: Store it to take the run up from another process.
    """

    type: Literal["message.sent"] = "message.sent"
    message: Message


class WaitingEvent(_Event):
    """A poll brought no answer.

    Attributes:
        attempt: Which poll it was, from 1.
        max_attempts: How many there will be at most.
        elapsed: How long the run has been waited for, in seconds.
        error: What made the poll fail, where it did; ``None`` where the answer is not there yet.
    """

    type: Literal["waiting"] = "waiting"
    attempt: int
    max_attempts: int
    elapsed: float
    error: str | None = Field(default=None, repr=False)


class StepEvent(_Event):
    """The workflow posted an intermediate message: one of its agents is done.

    Attributes:
        message_id: The id of the message.
        keys: The root keys of its JSON, such as ``("profile",)``; empty where it is prose.
        text: The message, as it came.
    """

    type: Literal["step"] = "step"
    message_id: str | None = None
    keys: tuple[str, ...] = ()
    text: str = Field(repr=False)


class ResponseEvent(_Event):
    """The answer is there.

    Attributes:
        response: The same that ``run.get_response()`` gives.
    """

    type: Literal["response"] = "response"
    response: WorkflowResponse


class ProgressEvent(_ThreadEvent):
    """The workflow says what it is doing (thread protocol).

    Attributes:
        text: What it says.
        icon: The name of one of ChatKit's icons.
    """

    type: Literal["progress"] = "progress"
    text: str = Field(repr=False)
    icon: str | None = None


class TaskEvent(_ThreadEvent):
    """A task of the workflow was added, or has changed (thread protocol).

    Attributes:
        item_id: The item that it belongs to.
        index: Its place among the item's tasks, from 0.
        task: The task as the server wrote it: ``type``, ``title``, ``status_indicator`` and more.
    """

    type: Literal["task.added", "task.updated"]
    item_id: str
    index: int
    task: dict[str, Any] = Field(repr=False)


class TextDeltaEvent(_ThreadEvent):
    """A piece of a message that is being written (thread protocol).

    Attributes:
        item_id: The message that it belongs to.
        delta: The text that was added.
    """

    type: Literal["text.delta"] = "text.delta"
    item_id: str
    delta: str = Field(repr=False)


class NoticeEvent(_ThreadEvent):
    """The server has something to tell (thread protocol).

    Attributes:
        level: ``info``, ``warning`` or ``danger``.
        message: What it tells.
        title: A title, where there is one.
    """

    type: Literal["notice"] = "notice"
    level: str
    message: str = Field(repr=False)
    title: str | None = Field(default=None, repr=False)


class RawEvent(_ThreadEvent):
    """An event of the thread protocol that no other class stands for, known or not.

    Attributes:
        data: The event's JSON as it came, with its own ``type``.
    """

    type: Literal["raw"] = "raw"


WorkflowEvent: TypeAlias = (
    SessionCreatedEvent
    | MessageSentEvent
    | WaitingEvent
    | StepEvent
    | ProgressEvent
    | TaskEvent
    | TextDeltaEvent
    | NoticeEvent
    | RawEvent
    | ResponseEvent
)


def resume_call(session: ChatSession, message: Message | None = None) -> str:
    """The call that takes a run up, as Python that can be pasted into another process.

    Args:
        session: The session of the run.
        message: The message that started it; the session's newest one if it is not known.
    """
    if message is None or (message.id is None and message.thread_id is None):
        return f"poll_response({session.id!r})"
    if message.thread_id is None:
        return f"poll_response({session.id!r}, after={message.id!r})"
    # Only the message knows its thread, and only the session its user.
    known = f"ChatSession(id={session.id!r}, user={session.user!r})"
    return f"poll_response({known}, after={message!r})"
