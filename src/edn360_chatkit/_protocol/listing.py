"""Lists of messages, as servers write them: session messages and thread items.

Ids and order are hints. Integer ids become text, and the order is read off the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise, takewhile
from typing import Any, Literal, TypeAlias, cast

Role: TypeAlias = Literal["user", "assistant", "client", "unknown"]

_ITEM_ROLES: Mapping[str, Role] = {"user_message": "user", "assistant_message": "assistant"}
# Items that wait for the client while their status is "pending", or if they have no status.
_CLIENT_ITEMS = frozenset({"client_tool_call", "structured_input", "widget"})
_OTHER_ITEMS = frozenset(
    {
        "end_of_turn",
        "generated_image",
        "hidden_context_item",
        "sdk_hidden_context",
        "task",
        "task_group",
        "workflow",
    }
)


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """A message of a list, or of a stream.

    Attributes:
        id: Its id, if the server gives one.
        role: ``client`` is an item that waits for the client, ``unknown`` an item of another kind.
        text: The text of all its parts; for ``client``, the name of what waits.
        created_at: The time of its creation, in unix seconds, if the server gives it.
        partial: Whether its stream broke before it was complete.
        readable: Whether the text is all of its content.
        removed: Whether the server removed it. Only a stream says so.
        refusal: The text of its ``refusal``, if it has one.
    """

    id: str | None
    role: Role
    text: str = field(repr=False)
    created_at: float | None = None
    partial: bool = False
    readable: bool = True
    removed: bool = False
    refusal: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of messages.

    Attributes:
        messages: The messages, newest first.
    """

    messages: Sequence[SessionMessage]

    @property
    def readable(self) -> bool:
        """Whether each message could be read."""
        return all(message.readable for message in self.messages)


def read_listing(page: Mapping[str, Any]) -> Listing | None:
    """The messages of a page, in the page's order; ``None`` if its ``data`` is not a list.

    Join the pages of a list and pass them through :func:`newest_first`.
    """
    data = page.get("data")
    if page.get("error") or not isinstance(data, list):
        return None
    entries = [read_message(entry) for entry in cast("list[object]", data)]
    return Listing([message for message in entries if message is not None])


def read_message(entry: object) -> SessionMessage | None:
    """One entry of a list; ``None`` for an item without a message, such as a task."""
    if not isinstance(entry, dict):
        return SessionMessage(None, "unknown", "", readable=False)
    fields = cast("dict[str, Any]", entry)
    message_id = id_of(fields.get("id"))
    kind = str(fields.get("type")).removeprefix("chatkit.")
    waits = waits_for_client(fields)
    if waits is not None:
        return SessionMessage(message_id, "client", waits)
    if kind in _OTHER_ITEMS or kind in _CLIENT_ITEMS:
        return None
    role = _ITEM_ROLES.get(kind) or fields.get("role")
    text, readable = text_of(fields.get("content"))
    return SessionMessage(
        id=message_id,
        role=role if role in ("user", "assistant") else "unknown",
        text=text,
        created_at=_seconds(fields.get("created_at")),
        readable=readable and role in ("user", "assistant"),
        refusal=refusal_of(fields.get("content")),
    )


def waits_for_client(item: Mapping[str, Any]) -> str | None:
    """The name of an item that waits for the client, such as ``client_tool_call 'lookup'``."""
    kind = str(item.get("type")).removeprefix("chatkit.")
    if kind not in _CLIENT_ITEMS and "approval" not in kind:
        return None
    if item.get("status", "pending") not in ("pending", None):
        return None
    name = item.get("name")
    return f"{kind} {name[:100]!r}" if isinstance(name, str) and name else kind


def id_of(value: object) -> str | None:
    """An id as text. Some servers number their messages."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def text_of(content: object) -> tuple[str, bool]:
    """The text of a message's content, and whether it is all of the content."""
    if isinstance(content, str):
        return content, bool(content)
    if not isinstance(content, list) or not content:
        return "", False
    texts = [_part_text(part) for part in cast("list[object]", content)]
    return "".join(text or "" for text in texts), None not in texts


def _part_text(part: object) -> str | None:
    if not isinstance(part, dict):
        return None
    text = cast("dict[str, Any]", part).get("text")
    if isinstance(text, dict):
        # OpenAI's Assistants API nests it: {"text": {"value": "..."}}.
        text = cast("dict[str, Any]", text).get("value")
    return text if isinstance(text, str) else None


def refusal_of(content: object) -> str | None:
    """The text with which a model refuses, from a part of type ``refusal``."""
    for part in cast("list[object]", content) if isinstance(content, list) else ():
        refusal = cast("dict[str, Any]", part).get("refusal") if isinstance(part, dict) else None
        if isinstance(refusal, str) and refusal.strip():
            return refusal
    return None


def _seconds(value: object) -> float | None:
    """A time as unix seconds. Only times of the same list are compared, so a zone is not needed."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
        return None if isinstance(value, bool) else float(cast("Any", value))
    except (ValueError, TypeError, OverflowError):
        return None


def newest_first(
    messages: Sequence[SessionMessage], message_id: str | None = None, *, complete: bool = False
) -> list[SessionMessage]:
    """Messages in the order newest first, whatever order the server lists them in.

    The order is read from the times. Without times, or if they are equal, it is read from the place
    of our message, but only in a complete list: a first page may begin with our message and end
    with an older answer.

    Args:
        messages: The messages in the server's order.
        message_id: The id of our message; default the newest one.
        complete: Whether the list has all messages.
    """
    times = [message.created_at for message in messages if message.role in ("user", "assistant")]
    if None not in times:
        seconds = cast("list[float]", times)
        pairs = list(pairwise(seconds))
        rising, falling = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
        if rising != falling:
            return list(messages[::-1] if rising > falling else messages)
    if complete and _ends_with_newest(messages, message_id):
        return list(messages[::-1])
    return list(messages)


def _ends_with_newest(messages: Sequence[SessionMessage], message_id: str | None) -> bool:
    """Whether the places of the messages say that the list is oldest first."""
    ends = [message for message in messages if message.role in ("user", "assistant")]
    if not ends or ends[0].role != "user":
        return False
    if ends[-1].role == "assistant":
        return True
    # Our message was sent last, and has no answer yet.
    return message_id is not None and ends[-1].id == message_id != ends[0].id


def answers_to(
    messages: Sequence[SessionMessage], message_id: str | None, previous_id: str | None = None
) -> list[SessionMessage] | None:
    """The answers to a message: what stands between it and the next user message.

    Args:
        messages: The messages, newest first.
        message_id: The id of our message; ``None`` for the newest one.
        previous_id: The id of the user message before ours, for a list without our id; empty if
            ours is the first one, ``None`` if it is unknown.

    Returns:
        The assistant's messages and the items that wait for the client, oldest first. ``None`` if
        the list has other user messages but not ours: it shows the answers to other messages.
    """
    users = [message for message in messages if message.role == "user"]
    ours = next((m for m in users if None in (message_id, m.id) or m.id == message_id), None)
    if ours is None and previous_id is not None:
        newer = list(takewhile(lambda message: message.id != previous_id, users))
        if newer and (len(newer) < len(users) or not previous_id):
            ours = newer[-1]
    answers: list[SessionMessage] = []
    for message in messages:
        if message is ours:
            break
        if message.role in ("assistant", "client"):
            answers.append(message)
        elif message.role == "user":
            # A later run of the same session: the messages above answer that one.
            answers = []
    return None if users and ours is None else answers[::-1]
