"""The reference of a run. It finds the run from any process."""

from __future__ import annotations

import hashlib
import unicodedata

from pydantic import Field

from .base import Card
from .session import ChatSession, Message


class RunReference(Card):
    """A run as ids, without a secret. Store ``str(run)`` or ``run.model_dump_json()``.

    Attributes:
        session_id: The id of the run's session.
        message_id: The id of the message that started the run; ``None`` if the server gave no id.
        thread_id: The id of the run's thread; ``None`` with session messages.
        user: The end user. A self-hosted server keeps the threads of its users apart.
        previous_id: The id of the message before the run's message in the server's list: the
            newest user message, or the newest message if the list has no user message. Empty for
            the first message, ``None`` if unknown. It finds the answer if the list lacks the run's
            message, or has it under another id (``adk-chatkit``).
        previous_thread_id: While the run's thread is unknown: the id of the user's newest thread
            before it, empty for the first thread. The message is then in a newer thread.
        message_digest: While the run's thread is unknown: :func:`digest` of the message's text.
    """

    session_id: str
    message_id: str | None = None
    thread_id: str | None = None
    user: str | None = None
    previous_id: str | None = Field(default=None, repr=False)
    previous_thread_id: str | None = Field(default=None, repr=False)
    message_digest: str | None = Field(default=None, repr=False)

    def __str__(self) -> str:
        return self.model_dump_json(exclude_none=True)

    @classmethod
    def of(cls, message: Message, user: str | None = None) -> RunReference:
        """The reference of the run that a message has started."""
        return cls(
            session_id=message.session_id,
            message_id=message.id,
            thread_id=message.thread_id,
            user=user,
            previous_id=message.previous_id,
        )

    @property
    def message(self) -> Message:
        """The message that started the run."""
        return Message(
            id=self.message_id,
            session_id=self.session_id,
            thread_id=self.thread_id,
            previous_id=self.previous_id,
        )

    @property
    def session(self) -> ChatSession:
        """The session of the run, without its client secret."""
        return ChatSession(id=self.session_id, user=self.user)


def digest(text: str) -> str:
    """A short digest of a message. It ignores blanks and the composition of accents.

    A server may change these.
    """
    bare = "".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(bare.encode("utf-8", "replace")).hexdigest()[:32]


def resume_call(run: RunReference, *, awaited: bool = False) -> str:
    """The Python call that resumes a run, from any process; ``awaited`` for an async client."""
    return f"{'await ' if awaited else ''}client.poll_response({str(run)!r})"
