"""A thread of ChatKit and its items, as the official endpoints give them."""

from typing import Any

from pydantic import Field

from .base import OpenModel


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
