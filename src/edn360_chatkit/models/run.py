"""A reference to a run. It finds the run again from any process."""

from __future__ import annotations

import hashlib
import unicodedata

from .base import OpenModel, card_html
from .session import ChatSession, Message

_SHOWN = {"session_id", "message_id", "thread_id", "user"}


class RunReference(OpenModel):
    """A run as ids, without a secret. Store ``str(run)`` or ``run.model_dump_json()``.

    Attributes:
        session_id: The id of the run's session.
        message_id: The id of the message that started the run; ``None`` if the server gave no id.
        thread_id: The id of the run's thread; ``None`` with session messages.
        user: The end user. A self-hosted server keeps the threads of its users apart.
        previous_id: The id of the message before the run's message, as the server lists it: the
            user's newest one, or the assistant's if no message of the user is listed. Empty for
            the first message, ``None`` if unknown. It finds the answer where the run's message is
            not listed, or is listed under another id (``adk-chatkit``).
        previous_thread_id: While the run's thread is not known: the id of the user's newest thread
            before it, empty if there was none. Its message is then looked for in newer threads.
        message_digest: While the run's thread is not known: :func:`digest` of the message's text.
    """

    session_id: str
    message_id: str | None = None
    thread_id: str | None = None
    user: str | None = None
    previous_id: str | None = None
    previous_thread_id: str | None = None
    message_digest: str | None = None

    def __str__(self) -> str:
        return self.model_dump_json(exclude_none=True)

    def _repr_html_(self) -> str:
        return card_html("RunReference", **self.model_dump(include=_SHOWN))

    @classmethod
    def of(cls, message: Message, user: str | None = None) -> RunReference:
        """The run that a message of ``send_message`` has started."""
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
    """A short digest of a message, without what a server may change about it.

    That is blanks, and how accents are composed.
    """
    bare = "".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(bare.encode("utf-8", "replace")).hexdigest()[:32]


def resume_call(run: RunReference, *, awaited: bool = False) -> str:
    """The Python call that takes a run up, from any process; ``awaited`` by an async client."""
    return f"{'await ' if awaited else ''}client.poll_response({str(run)!r})"
