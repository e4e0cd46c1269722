"""A session of ChatKit, and the message that starts a run in it."""

from typing import Any

from pydantic import Field

from .base import OpenModel, card_html


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
        ids = {"id": self.id, "session_id": self.session_id, "thread_id": self.thread_id}
        return card_html("Message", **ids)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", self.id), ("session_id", self.session_id), ("thread_id", self.thread_id)]
