"""What a run reports while it goes on, in ``stream_workflow`` and to ``on_event``.

More kinds of events will come: let the last branch of a ``match`` over them ignore what it
does not know.
"""

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from .chatkit import ChatSession, Message, WorkflowResponse


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class SessionCreatedEvent(_Event):
    """The session is there.

    Attributes:
        session: Store it, or its id, to take the run up from another process.
    """

    type: Literal["session.created"] = "session.created"
    session: ChatSession


class MessageSentEvent(_Event):
    """The server has taken the athlete's data. From here on the run costs money.

    Attributes:
        message: Store it, or its id, to take the run up from another process.
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
    error: str | None = None


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


WorkflowEvent: TypeAlias = (
    SessionCreatedEvent | MessageSentEvent | WaitingEvent | StepEvent | ResponseEvent
)
