"""Steps 2 and 3 of the session messages protocol: send the input, read what came back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, cast

from .._config import Config
from .._effects import Operation, Response, now
from .._retry import retrying
from ..errors import APIConnectionError, APIError, APIStatusError, APITimeoutError
from ..models.chatkit import Message
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
    """

    id: str | None
    role: str
    text: str = field(repr=False)
    created_at: float | None = None


def list_messages(
    config: Config, session_id: str
) -> Operation[tuple[list[SessionMessage], Response]]:
    """The newest messages of a session, newest first."""
    response = yield from call(
        config,
        "GET",
        f"/sessions/{segment('session', session_id)}/messages",
        query={"limit": config.poll_limit, "order": "desc"},
    )
    data = json_object(config, response).get("data")
    if data is None:
        return [], response
    if not isinstance(data, list):
        raise unusable(config, response, "a list of messages that is no list")
    items = cast("list[object]", data)
    return [
        _read(cast("dict[str, Any]", item)) for item in items if isinstance(item, dict)
    ], response


def _read(fields: dict[str, Any]) -> SessionMessage:
    message_id, role, created_at = (fields.get(k) for k in ("id", "role", "created_at"))
    return SessionMessage(
        id=message_id if isinstance(message_id, str) and message_id else None,
        role=role if isinstance(role, str) else "",
        text=_text_of(fields.get("content")),
        created_at=float(created_at) if isinstance(created_at, (int, float)) else None,
    )


def _text_of(content: object) -> str:
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


class _Sending:
    """Sending one message at most once.

    An answer that was lost (a time-out, a broken connection, a 5xx) leaves open whether the
    server has taken the message. Sent again blindly, it could start a second, paid run. So the
    session is read first, and a message of ours that is there is taken as sent.
    """

    def __init__(self, config: Config, session_id: str, text: str, started: float) -> None:
        self.config = config
        self.session_id = session_id
        self.text = text
        self.started = started
        self.doubt: APIError | None = None
        self._looks = 0

    def attempt(self) -> Operation[Message]:
        """Send the message, or find it sent."""
        if self.doubt is not None:
            found = yield from self._find()
            if found is not None:
                logger.info("message found in the session: it had been taken")
                return found
            self._looks -= 1
            if self._looks > 0:
                raise self.doubt
            self.doubt = None
        try:
            return (yield from self._send())
        except (APIConnectionError, APIStatusError) as error:
            if _may_have_been_taken(error):
                self.doubt = error
                # After a time-out the server may still be busy taking it: a message that is not
                # there yet can come later, so one look is not enough.
                self._looks = 2 if isinstance(error, APITimeoutError) else 1
            raise

    def _send(self) -> Operation[Message]:
        response = yield from call(
            self.config,
            "POST",
            f"/sessions/{segment('session', self.session_id)}/messages",
            body={"role": "user", "content": [{"type": "input_text", "text": self.text}]},
        )
        # 2xx: it is taken, whatever else the answer says.
        try:
            message_id = json_object(self.config, response).get("id")
        except APIStatusError:
            message_id = None
        known = isinstance(message_id, str) and message_id
        return Message(id=message_id if known else None, session_id=self.session_id)

    def _find(self) -> Operation[Message | None]:
        messages, response = yield from list_messages(self.config, self.session_id)
        waited = (yield from now()) - self.started
        for message in messages:
            if message.role == "user" and message.text == self.text:
                if _is_older(message, response.headers, waited):
                    return None
                return Message(id=message.id, session_id=self.session_id)
        return None


def _may_have_been_taken(error: APIError) -> bool:
    if isinstance(error, APIConnectionError):
        return error.may_have_arrived
    # 429 and the other 4xx say that it was refused.
    return isinstance(error, APIStatusError) and (
        error.status_code >= 500 or error.status_code == 408
    )


def _is_older(message: SessionMessage, headers: Mapping[str, str], waited: float) -> bool:
    """Whether a message with our text was there before we sent ours.

    Only the server's clock is used: its ``Date`` now, less the time since we began. Both are
    whole seconds. Where the server does not say, the message counts as ours: an answer to the
    same text is better than a second run.
    """
    if message.created_at is None:
        return False
    try:
        server_now = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return False
    return message.created_at < server_now - waited - 2.0


def send_message(config: Config, session_id: str, text: str) -> Operation[Message]:
    """Send a text as the user's message, once.

    Raises:
        APIError: It was refused, or it could not be found out whether it was taken.
    """
    sending = _Sending(config, session_id, text, (yield from now()))
    try:
        message = yield from retrying(sending.attempt, max_retries=config.max_retries)
    except APIError as error:
        if sending.doubt is not None:
            error.message += (
                f" The message may have been taken all the same, and a run started: look with "
                f"poll_response({session_id!r}) before you send it again."
            )
        raise
    logger.info("message sent: %s", message.id or "(no id)")
    return message
