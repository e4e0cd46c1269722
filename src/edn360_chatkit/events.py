"""The events of a run, and its response.

``stream_workflow`` gives the events, and ``on_event`` is called with them. Later versions will add
events: the last branch of a ``match`` should ignore other classes.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, InstanceOf, PlainSerializer, ValidationInfo

from . import errors
from ._json import is_object
from .errors import WorkflowError
from .models.base import FrozenModel, OpenModel, card_html
from .models.run import RunReference
from .models.session import ChatSession, Message
from .program.model import EnrichedTrainingProgram


class WorkflowResponse(OpenModel):
    """The response of a run.

    Attributes:
        program: The training program, validated.
        text: The assistant text with the program, unchanged.
        message_id: The id of the assistant's message.
        session_id: The id of the run's session.
        thread_id: The id of the run's thread; ``None`` with session messages.
        attempts: The number of polls.
        elapsed: The time in seconds since ``run_workflow`` or ``poll_response`` was called.
        repaired: Whether the text was malformed JSON that had to be repaired.
    """

    program: EnrichedTrainingProgram
    text: str = Field(repr=False)
    message_id: str | None = None
    session_id: str
    thread_id: str | None = None
    attempts: int
    elapsed: float
    repaired: bool = False

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


def _error_fields(error: WorkflowError) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


def _read_error(value: object, info: ValidationInfo) -> object:
    """The error of a stored status. The run is read before it."""
    run = info.data.get("run")
    if not is_object(value) or not isinstance(run, RunReference):
        return value
    kind = getattr(errors, str(value.get("type")), None)
    if not isinstance(kind, type) or not issubclass(kind, WorkflowError):
        kind = WorkflowError
    return kind(str(value.get("message")), session=run.session, message=run.message)


class RunStatus(OpenModel):
    """The state of a run, from ``retrieve_run``.

    Attributes:
        run: The reference of the run, with the id of its message if the server lists it.
        state: ``"running"`` until the server has posted a program or a failure.
        steps: The texts of the messages before the program, oldest first.
        response: The response, if the run is done.
        error: The error, if the run has failed. JSON has its ``type`` and ``message``, so a loaded
            error has no ``text``.
    """

    run: RunReference
    state: Literal["running", "done", "failed"]
    steps: tuple[str, ...] = Field(default=(), repr=False)
    response: WorkflowResponse | None = None
    error: (
        Annotated[
            InstanceOf[WorkflowError], BeforeValidator(_read_error), PlainSerializer(_error_fields)
        ]
        | None
    ) = None


class _ThreadEvent(FrozenModel):
    """An event of a thread protocol stream; ``data`` is its JSON, unchanged."""

    data: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)


class SessionCreatedEvent(FrozenModel):
    """The session was created, and the message is sent next.

    If ``protocol="auto"`` changes to threads, the event is repeated with this session.

    Attributes:
        session: The session.
        run: The reference of the run. Store it in case this process is killed while it sends.
    """

    type: Literal["session.created"] = "session.created"
    session: ChatSession
    run: RunReference


class MessageSentEvent(FrozenModel):
    """The server has stored the athlete's data. From now on the run costs money.

    Attributes:
        run: The reference of the run. Store it to resume the run from another process.
        message: The message.
    """

    type: Literal["message.sent"] = "message.sent"
    run: RunReference

    @property
    def message(self) -> Message:
        """The message, for ``poll_response(session, after=message)``."""
        return self.run.message


class WaitingEvent(FrozenModel):
    """A poll found no answer yet, or failed.

    Attributes:
        attempt: The number of the poll, from 1.
        max_attempts: The largest number of polls.
        elapsed: The time since the call started, in seconds.
        error: The reason why the poll failed, or ``None``.
    """

    type: Literal["waiting"] = "waiting"
    attempt: int
    max_attempts: int
    elapsed: float
    error: str | None = Field(default=None, repr=False)


class StepEvent(FrozenModel):
    """The workflow posted an intermediate message: an agent has finished.

    Attributes:
        message_id: The id of the message.
        keys: The root keys of its JSON; empty for prose.
        text: The text of the message, unchanged.
    """

    type: Literal["step"] = "step"
    message_id: str | None = None
    keys: tuple[str, ...] = ()
    text: str = Field(repr=False)


class ResponseEvent(FrozenModel):
    """The run has ended with a program.

    Attributes:
        response: The response that ``run.get_response()`` returns.
    """

    type: Literal["response"] = "response"
    response: WorkflowResponse


class ProgressEvent(_ThreadEvent):
    """The workflow reports its progress (thread protocol).

    Attributes:
        text: The progress text.
        icon: The name of a ChatKit icon.
    """

    type: Literal["progress"] = "progress"
    text: str = Field(repr=False)
    icon: str | None = None


class TaskEvent(_ThreadEvent):
    """A task of the workflow was added or updated (thread protocol).

    Attributes:
        item_id: The id of the task's item.
        index: The task's index in the item, from 0.
        task: The task's JSON: ``type``, ``title``, ``status_indicator`` and more.
    """

    type: Literal["task.added", "task.updated"]
    item_id: str
    index: int
    task: dict[str, Any] = Field(repr=False)


class TextDeltaEvent(_ThreadEvent):
    """A part of a message's text (thread protocol).

    Attributes:
        item_id: The id of the message.
        delta: The text to append.
    """

    type: Literal["text.delta"] = "text.delta"
    item_id: str
    delta: str = Field(repr=False)


class NoticeEvent(_ThreadEvent):
    """A notice of the server for the user (thread protocol).

    Attributes:
        level: ``info``, ``warning`` or ``danger``.
        message: The text of the notice.
        title: Its title, or ``None``.
    """

    type: Literal["notice"] = "notice"
    level: str
    message: str = Field(repr=False)
    title: str | None = Field(default=None, repr=False)


class RawEvent(_ThreadEvent):
    """An event of the thread protocol without its own class.

    Attributes:
        data: The event's JSON, unchanged, with its own ``type``.
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
