"""A session of ChatKit, and the message that starts a run in it."""

from typing import Any

from pydantic import Field

from .base import Card


class ChatSession(Card):
    """A ChatKit session. It can be stored and loaded, but without its client secret.

    Attributes:
        id: The session's id (``cksess_…``).
        client_secret: The short-lived token of the session, for ChatKit's thread protocol. It is
            not in the repr, in ``model_dump`` and in pickles.
        user: The end user of the session.
        expires_at: The time when the session expires, in unix seconds.
        status: ``active``, ``expired`` or ``cancelled``.
    """

    id: str
    client_secret: str | None = Field(default=None, repr=False, exclude=True)
    user: str | None = None
    expires_at: int | None = Field(default=None, repr=False)
    status: str | None = None

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "client_secret": None}}


class Message(Card):
    """The message that started a run. It can be stored and loaded.

    Attributes:
        id: The message's id; ``None`` if the server gave no id. The run is then the newest run
            of its session.
        session_id: The id of the message's session.
        thread_id: The id of the message's thread; ``None`` with session messages.
        previous_id: The id of the message before it; see ``RunReference.previous_id``.
    """

    id: str | None = None
    session_id: str
    thread_id: str | None = None
    previous_id: str | None = Field(default=None, repr=False)
