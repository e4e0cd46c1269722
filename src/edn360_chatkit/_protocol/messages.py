"""Steps 2 and 3 of the session messages protocol: send the input, read what came back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, cast

from .._config import Config
from .._effects import Operation
from ..errors import APIError
from ..models.session import Message
from .requests import call, json_object, segment, unusable

logger = logging.getLogger("edn360_chatkit")


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """One message of a session's list.

    Attributes:
        id: Its id, where the server names one.
        role: ``user`` or ``assistant``.
        text: All of its text.
        created_at: When it was made, in unix seconds, where the server says so.
        zoneless: Whether that was written as a local time without its zone.
        partial: Whether it was being written when its stream broke.
    """

    id: str | None
    role: str
    text: str = field(repr=False)
    created_at: float | None = None
    zoneless: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of messages.

    Attributes:
        messages: Newest first.
        server_now: The server's clock when it answered, in unix seconds, where it says.
    """

    messages: Sequence[SessionMessage]
    server_now: float | None = None


def server_time(headers: Mapping[str, str]) -> float | None:
    """The ``Date`` of an answer, in unix seconds."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


MOST_PAGES = 20
"""How many pages are read for one message at most."""


def list_messages(
    config: Config, session_id: str, message_id: str | None = None, *, limit: int | None = None
) -> Operation[Listing]:
    """The newest messages of a session, newest first, back to ``message_id`` if need be."""
    path = f"/sessions/{segment('session', session_id)}/messages"
    query: dict[str, str | int] = {"limit": limit or config.poll_limit, "order": "desc"}
    messages: list[SessionMessage] = []
    pages = 0
    while True:
        response = yield from call(config, "GET", path, query=query)
        page = json_object(config, response)
        data = page.get("data")
        if data is not None and not isinstance(data, list):
            raise unusable(config, response, "a list of messages that is no list")
        items = cast("list[object]", data or [])
        found = [_read(cast("dict[str, Any]", item)) for item in items if isinstance(item, dict)]
        messages += found
        pages += 1
        last = page.get("last_id") or (found[-1].id if found else None)
        here = message_id is None or any(message.id == message_id for message in found)
        more = page.get("has_more") is True and isinstance(last, str) and last != query.get("after")
        if here or not more or pages == MOST_PAGES:
            return Listing(messages, server_time(response.headers))
        query = {**query, "after": str(last)}


def _read(fields: dict[str, Any]) -> SessionMessage:
    role = fields.get("role")
    return read_message(fields, role if isinstance(role, str) else "")


def read_message(fields: Mapping[str, Any], role: str) -> SessionMessage:
    """A message or an item of a server's list, in the role that it has."""
    message_id = fields.get("id")
    created_at, zoneless = _moment(fields.get("created_at"))
    return SessionMessage(
        id=message_id if isinstance(message_id, str) and message_id else None,
        role=role,
        text=text_of(fields.get("content")),
        created_at=created_at,
        zoneless=zoneless,
    )


def _moment(value: object) -> tuple[float | None, bool]:
    """A time in unix seconds, and whether its zone is unknown."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value), False
        except OverflowError:
            return None, False
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None, False
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc).timestamp(), True
        return moment.timestamp(), False
    return None, False


def text_of(content: object) -> str:
    """The text of a message: of all its parts, whatever their type."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = cast("Sequence[object]", content)
    texts = [cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def newer_than(
    messages: Sequence[SessionMessage], message_id: str | None
) -> list[SessionMessage] | None:
    """What answers a message: the assistant's messages between it and the next user message.

    Args:
        messages: The session's messages, newest first.
        message_id: The message that was sent; ``None`` for the newest one of the session.

    Returns:
        The answers, oldest first. ``None`` where the message is not in the list although other
        user messages are: the list is behind, and what it shows answers something else.
    """
    answers: list[SessionMessage] = []
    for message in messages:
        if message.role == "assistant":
            answers.append(message)
        elif message.role == "user":
            if message_id is None or message.id is None or message.id == message_id:
                return answers[::-1]
            # A later run of the same session: what is above answers that one.
            answers = []
    listed = any(message.role == "user" for message in messages)
    return None if listed else answers[::-1]


def post_message(config: Config, session_id: str, text: str) -> Operation[Message]:
    """Post a text as the user's message."""
    response = yield from call(
        config,
        "POST",
        f"/sessions/{segment('session', session_id)}/messages",
        body={"role": "user", "content": [{"type": "input_text", "text": text}]},
    )
    # 2xx: it is taken, whatever else the answer says.
    try:
        message_id = json_object(config, response).get("id")
    except APIError:
        message_id = None
    known = isinstance(message_id, str) and message_id
    return Message(id=message_id if known else None, session_id=session_id)
