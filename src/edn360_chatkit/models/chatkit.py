"""What ChatKit gives: sessions, messages, and the response of a run."""

from typing import Any

from pydantic import Field

from ._open import OpenModel
from .program import EnrichedTrainingProgram


class ChatSession(OpenModel):
    """A ChatKit session. It can be stored and loaded; the client secret is not stored with it.

    Attributes:
        id: Its id (``cksess_…``).
        client_secret: The short-lived token of the session, for ChatKit's thread protocol. Only
            this attribute gives it: it is in no repr, no ``model_dump`` and no pickle.
        user: The end user that the session is for.
        expires_at: When the session ends, in unix seconds.
        status: ``active``, ``expired`` or ``cancelled``.
    """

    id: str
    client_secret: str | None = Field(default=None, repr=False, exclude=True)
    user: str | None = None
    expires_at: int | None = None
    status: str | None = None

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "client_secret": None}}

    def _repr_html_(self) -> str:
        from ..rendering.html import card_html

        return card_html("ChatSession", id=self.id, user=self.user, status=self.status)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", self.id), ("user", self.user), ("status", self.status)]


class Message(OpenModel):
    """The message that started a run. It can be stored and loaded.

    Attributes:
        id: Its id; ``None`` where the server named none. The run is then the newest of its session.
        session_id: The session that it was sent in.
        thread_id: The thread that it belongs to; ``None`` in the session messages protocol.
    """

    id: str | None = None
    session_id: str
    thread_id: str | None = None

    def _repr_html_(self) -> str:
        from ..rendering.html import card_html

        ids = {"id": self.id, "session_id": self.session_id, "thread_id": self.thread_id}
        return card_html("Message", **ids)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", self.id), ("session_id", self.session_id), ("thread_id", self.thread_id)]


class Thread(OpenModel):
    """A thread of the ChatKit API. Keys that are not known are kept.

    Attributes:
        id: Its id (``cthr_…``).
        created_at: When it was made, in unix seconds.
        status: What state it is in, as the server wrote it.
        title: Its title, where it has one.
        user: The end user that it belongs to.
    """

    id: str
    created_at: int | float | str | None = None
    status: Any = None
    title: str | None = Field(default=None, repr=False)
    user: str | None = None


class ThreadItem(OpenModel):
    """An item of a thread, of any type; what is particular to its type is kept as it came.

    Attributes:
        id: Its id.
        type: ``chatkit.user_message``, ``chatkit.assistant_message``, ``chatkit.task`` or another.
        created_at: When it was made, in unix seconds.
        thread_id: The thread that it belongs to.
        content: A message's content, where it is one.
    """

    id: str
    type: str | None = None
    created_at: int | float | str | None = None
    thread_id: str | None = None
    content: Any = Field(default=None, repr=False)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", self.id), ("type", self.type), ("thread_id", self.thread_id)]


class ThreadDeleted(OpenModel):
    """The answer to a deletion.

    Attributes:
        id: The thread's id.
        deleted: Whether it is gone.
    """

    id: str
    deleted: bool = True


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
        from ..rendering.html import response_html

        return response_html(self)

    def _repr_markdown_(self) -> str:
        return self.program.to_markdown()


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
