"""Messages as a server lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """One message of a list."""

    id: str | None
    role: str
    text: str = field(repr=False)
    created_at: float | None = None
    partial: bool = False
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of messages, newest first."""

    messages: Sequence[SessionMessage]


def read_listing(page: Mapping[str, Any]) -> Listing | None:
    """The messages of a page, newest first."""
    data = page.get("data")
    if not isinstance(data, list):
        return None
    messages: list[SessionMessage] = []
    for entry in cast("list[object]", data):
        if isinstance(entry, dict):
            fields = cast("dict[str, Any]", entry)
            role = str(fields.get("role") or fields.get("type") or "")
            role = role.removeprefix("chatkit.").removesuffix("_message")
            if role in ("user", "assistant"):
                messages.append(read_message(fields, role))
    return Listing(newest_first(messages))


def newest_first(messages: Sequence[SessionMessage]) -> list[SessionMessage]:
    """The messages by their times, if those say something."""
    times = [message.created_at for message in messages]
    known = [time for time in times if time is not None]
    if len(known) == len(times) and len(set(known)) > 1 and known[0] < known[-1]:
        return list(messages)[::-1]
    return list(messages)


def read_message(fields: Mapping[str, Any], role: str) -> SessionMessage:
    """A message or an item of a server's list, in the role that it has."""
    message_id = fields.get("id")
    content = fields.get("content")
    text = text_of(content)
    return SessionMessage(
        id=str(message_id) if isinstance(message_id, (str, int)) and message_id else None,
        role=role,
        text=text,
        created_at=_moment(fields.get("created_at")),
        readable=isinstance(content, (str, list)) and bool(text),
    )


def _moment(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return None
    return None


def text_of(content: object) -> str:
    """The text of a message: of all its parts, whatever their type."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = cast("Sequence[object]", content)
    texts = [cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def answers_to(
    messages: Sequence[SessionMessage], message_id: str | None
) -> list[SessionMessage] | None:
    """The answers to a message, oldest first; ``None`` where the list does not hold it."""
    answers: list[SessionMessage] = []
    for message in messages:
        if message.role == "assistant":
            answers.append(message)
        elif message.role == "user":
            if message_id is None or message.id is None or message.id == message_id:
                return answers[::-1]
            answers = []
    listed = any(message.role == "user" for message in messages)
    return None if listed else answers[::-1]
