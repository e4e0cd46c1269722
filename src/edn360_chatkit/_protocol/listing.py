"""The entries of a list, as servers write them: session messages, thread items, threads.

Ids and order are hints. Integer ids become text, and the entries' times show the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any, Literal, TypeAlias, cast

from pydantic_core import SchemaValidator, ValidationError, core_schema

from .._json import as_list, as_object, as_text, is_object
from ..errors import APIError
from ..models.run import RunReference

Role: TypeAlias = Literal["user", "assistant", "client", "other", "unknown"]
"""``client`` waits for the client, ``other`` is not a message, ``unknown`` may be a message."""

_ROLES: Mapping[str, Role] = {
    "user_message": "user",
    "assistant_message": "assistant",
    # These wait for the client while their status is "pending", or if they have no status.
    "client_tool_call": "client",
    "structured_input": "client",
    "widget": "client",
    "end_of_turn": "other",
    "generated_image": "other",
    "hidden_context_item": "other",
    "sdk_hidden_context": "other",
    "task": "other",
    "task_group": "other",
    "workflow": "other",
}


# An equal TypeAdapter would take 8 ms at import.
_MOMENT = SchemaValidator(core_schema.datetime_schema())


class DoubtError(APIError):
    """A list does not show whether our message is in it."""


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """An entry of a list, or of a stream.

    Attributes:
        text: The text of its parts; for ``client``, the name of the item that waits.
        created_at: The time of its creation, in unix seconds, if the server gives it.
        partial: Whether its stream broke before it was complete.
        readable: Whether its content is only text.
        removed: Whether the stream removes it.
        refusal: The text of its ``refusal``, or ``None``.
    """

    id: str | None
    role: Role
    text: str = field(repr=False)
    created_at: float | None = None
    partial: bool = False
    readable: bool = True
    removed: bool = False
    refusal: str | None = field(default=None, repr=False)


def read_message(entry: object) -> SessionMessage:
    """Read an entry of a list."""
    fields = as_object(entry)
    message_id, created_at = id_of(fields.get("id")), _seconds(fields.get("created_at"))
    role = role_of(fields)
    if role in ("client", "other"):
        text = name_of(fields) if role == "client" else ""
        return SessionMessage(message_id, role, text, created_at)
    text, readable = text_of(fields.get("content"))
    return SessionMessage(
        id=message_id,
        role=role,
        text=text,
        created_at=created_at,
        readable=readable and role != "unknown",
        refusal=refusal_of(fields.get("content")),
    )


def role_of(entry: Mapping[str, Any]) -> Role:
    """The role of an entry, from its ``type`` or ``role``."""
    kind = _kind(entry)
    role = "client" if "approval" in kind else _ROLES.get(kind)
    if role == "client":
        return "client" if entry.get("status") in ("pending", None) else "other"
    if role is None and entry.get("role") in ("user", "assistant"):
        role = cast("Role", entry["role"])
    return role or "unknown"


def name_of(entry: Mapping[str, Any]) -> str:
    """The name of an item for errors: ``client_tool_call 'lookup'``."""
    name = as_text(entry.get("name"))
    return f"{_kind(entry)} {name[:100]!r}" if name else _kind(entry)


def _kind(entry: Mapping[str, Any]) -> str:
    return str(entry.get("type")).removeprefix("chatkit.")


def id_of(value: object) -> str | None:
    """An id as text. Some servers number their messages."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return as_text(value)


def text_of(content: object) -> tuple[str, bool]:
    """The text of a message's content, and whether the content is only text."""
    if isinstance(content, str):
        return content, bool(content)
    parts = [as_object(part).get("text") for part in as_list(content)]
    # OpenAI's Assistants API nests the text: {"text": {"value": "..."}}.
    values = [as_object(text).get("value") if is_object(text) else text for text in parts]
    texts = [value for value in values if isinstance(value, str)]
    return "".join(texts), bool(parts) and len(texts) == len(parts)


def refusal_of(content: object) -> str | None:
    """The text with which a model refuses, from a part of type ``refusal``."""
    refusals = (as_text(as_object(part).get("refusal")) for part in as_list(content))
    return next((refusal for refusal in refusals if refusal and refusal.strip()), None)


def _seconds(value: object) -> float | None:
    """A time as unix seconds. Only times of a list are compared, so the time zone is irrelevant."""
    try:
        moment: datetime = _MOMENT.validate_python(value)
    except ValidationError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def direction(messages: Sequence[SessionMessage]) -> int:
    """Whether times rise (above 0) or fall (below 0) in a list; 0 if this is unclear."""
    times = [message.created_at for message in messages if message.role not in ("client", "other")]
    if None in times:
        return 0
    return sum((a < b) - (a > b) for a, b in pairwise(cast("list[float]", times)))


def newest_first(
    messages: Sequence[SessionMessage], message_id: str | None = None, *, complete: bool = False
) -> list[SessionMessage]:
    """Messages sorted newest first, from a list in either order.

    Without times, the position of our message shows the order, but only in a complete list: a first
    page may begin with our message and end with an older answer.
    """
    rise = direction(messages)
    oldest_first = rise > 0 or (rise == 0 and complete and _ends_with_newest(messages, message_id))
    return list(messages[::-1] if oldest_first else messages)


def _ends_with_newest(messages: Sequence[SessionMessage], message_id: str | None) -> bool:
    ends = [message for message in messages if message.role in ("user", "assistant")]
    if not ends or ends[0].role != "user":
        return False
    # If our message is the last user message, it has no answer yet.
    last = ends[-1]
    return last.role == "assistant" or (
        message_id is not None and last.id == message_id != ends[0].id
    )


def answers_to(messages: Sequence[SessionMessage], run: RunReference) -> list[SessionMessage]:
    """The answers to a run's message: the entries between it and the next user message.

    Args:
        messages: The messages, newest first.
        run: The run. Without a message id, its message is the first after ``previous_id``. Without
            both ids, it is the newest message.

    Returns:
        The assistant's messages and the items that wait for the client, oldest first.
    """
    ours, newer = message_of(messages, run), messages
    if ours is None:
        if any(message.role == "user" for message in messages):
            return []
        newer = newer_than(messages, run.previous_id) or ()
    answers: list[SessionMessage] = []
    for message in newer:
        if message is ours:
            break
        if message.role in ("assistant", "client"):
            answers.append(message)
        elif message.role == "user":
            # A later run of the session: the messages above answer its message.
            answers = []
    return answers[::-1]


def message_of(messages: Sequence[SessionMessage], run: RunReference) -> SessionMessage | None:
    """Find the message that started a run; ``None`` if the list lacks it."""
    users = [message for message in messages if message.role == "user"]
    ids = [message.id for message in users]
    if users and run.message_id is None and run.previous_id is None:
        return users[0]
    for message_id in (run.message_id, None):
        if run.message_id is not None and message_id in ids:
            return users[ids.index(message_id)]
    # The server lists our message under another id, or its response had no id.
    newer = None if run.previous_id is None else newer_than(users, run.previous_id)
    return newer[-1] if newer else None


def newer_than(
    messages: Sequence[SessionMessage], message_id: str | None
) -> Sequence[SessionMessage] | None:
    """The messages above another message; ``None`` if the list lacks that message.

    If its id is ``None`` or empty, every message is newer.
    """
    ids = [message.id for message in messages]
    if message_id and ids and message_id not in ids:
        return None
    return messages[: ids.index(message_id)] if message_id and ids else messages
