"""A ChatKit thread and its items, as the official endpoints return them."""

from typing import Any

from pydantic import Field

from .base import OpenModel


class Thread(OpenModel):
    """A thread of the ChatKit API. Unknown keys are kept.

    Attributes:
        id: The thread's id (``cthr_…``).
        created_at: The time when it was created, in unix seconds.
        status: Its status, unchanged.
        title: Its title, or ``None``.
        user: Its end user.
    """

    id: str
    created_at: int | float | str | None = None
    status: Any = None
    title: str | None = Field(default=None, repr=False)
    user: str | None = None


class ThreadItem(OpenModel):
    """An item of a thread, of any type. Unknown keys are kept.

    Attributes:
        id: The item's id.
        type: ``chatkit.user_message``, ``chatkit.assistant_message``, ``chatkit.task`` or another.
        created_at: The time when it was created, in unix seconds.
        thread_id: The id of its thread.
        content: The content, if the item is a message.
    """

    id: str
    type: str | None = None
    created_at: int | float | str | None = Field(default=None, repr=False)
    thread_id: str | None = None
    content: Any = Field(default=None, repr=False)


class ThreadDeleted(OpenModel):
    """The response to a deletion.

    Attributes:
        id: The thread's id.
        deleted: Whether the thread was deleted.
    """

    id: str
    deleted: bool = True
