"""Steps 2 and 3 of the session messages protocol: send the input, read what came back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import cast

from .._config import Config
from .._effects import Operation
from ..errors import APIError
from ..models.session import Message
from .listing import Listing, SessionMessage, newest_first, read_message
from .requests import call, json_object, segment, unusable

logger = logging.getLogger("edn360_chatkit")


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
        found = [one for item in items if (one := read_message(item)) is not None]
        messages += found
        pages += 1
        last = page.get("last_id") or (found[-1].id if found else None)
        here = message_id is None or any(message.id == message_id for message in found)
        more = page.get("has_more") is True and isinstance(last, str) and last != query.get("after")
        if here or not more or pages == MOST_PAGES:
            return Listing(newest_first(messages, message_id, complete=not more and len(items) < int(query["limit"])))
        query = {**query, "after": str(last)}


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
