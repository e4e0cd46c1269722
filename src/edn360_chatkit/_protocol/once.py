"""Sending a message at most once, in either protocol.

An answer that was lost (a time-out, a broken connection, a 5xx) leaves open whether the server has
taken the message. Sent again blindly, it could start a second, paid run. So the server is asked
first, and a message of ours that is there is taken as sent.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from .._config import Config
from .._effects import Operation, now
from ..errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, ChatKitError
from ..models.session import Message
from .listing import Listing
from .messages import list_messages, post_message
from .retry import is_transient, retrying

logger = logging.getLogger("edn360_chatkit")

T = TypeVar("T")

CLOCK_SLACK = 30.0
"""How far the clocks of a server and of what stands before it may be apart, in seconds. Taking an
older message of the same text for ours is the smaller mistake; a second run is the dearer one."""
EAST, WEST = 14 * 3600.0 + CLOCK_SLACK, 12 * 3600.0 + CLOCK_SLACK
"""How far time zones are ahead of and behind UTC at most, in seconds."""
QUARTER = 900.0
"""Time zones differ by whole quarters of an hour, in seconds."""


def send_once(
    send: Callable[[], Operation[T]],
    find: Callable[[float], Operation[T | None]],
    *,
    max_retries: int,
    hint: str,
) -> Operation[T]:
    """Send a message, again only where it is sure enough that it was not taken.

    Args:
        send: Sends it.
        find: Looks whether it is there, given the time on the clock when it was first sent.
        max_retries: How often it is tried again at most, looks included.
        hint: How the caller can look for it, if it stays in doubt.

    Raises:
        APIError: It was refused, or it could not be found out whether it was taken.
    """
    sending = _Sending(send, find, (yield from now()))
    try:
        return (
            yield from retrying(
                sending.attempt, max_retries=max_retries, transient=sending.can_be_settled
            )
        )
    except ChatKitError as error:
        if sending.doubt is None:
            raise
        # What keeps us from looking, such as a client that was closed, takes no doubt away.
        told = error if isinstance(error, APIError) else sending.doubt
        told.may_have_been_taken = True
        told.message += (
            f" The message may have been taken all the same, and a run started: {hint} "
            "before you send it again."
        )
        if told is error:
            raise
        raise told from error


class _Sending(Generic[T]):
    def __init__(
        self,
        send: Callable[[], Operation[T]],
        find: Callable[[float], Operation[T | None]],
        started: float,
    ) -> None:
        self._send = send
        self._find = find
        self._started = started
        self._looks = 0
        self._was_in_doubt = False
        self.doubt: APIError | None = None

    def can_be_settled(self, error: BaseException) -> bool:
        """Whether trying again can help: as long as the message is in doubt, a look can."""
        # Whatever the status is: a gateway's page, or a look that is refused, may pass as well.
        looking = self.doubt is not None and isinstance(error, APIStatusError)
        return looking or is_transient(error)

    def attempt(self) -> Operation[T]:
        """Send the message, or find it sent."""
        if self._was_in_doubt:
            found = yield from self._find(self._started)
            if found is not None:
                return found
            self._looks -= 1
            if self.doubt is not None and self._looks > 0:
                raise self.doubt
            self.doubt = None
        try:
            return (yield from self._send())
        except APIError as error:
            if _may_have_been_taken(error):
                self.doubt, self._was_in_doubt = error, True
                # After a time-out, ours or a gateway's, the server may still be busy taking it: a
                # message that is not there yet can come later, so one look is not enough.
                self._looks = 2 if _timed_out(error) else 1
            raise


def _may_have_been_taken(error: APIError) -> bool:
    if isinstance(error, APIConnectionError):
        return error.may_have_arrived
    # 429 and the other 4xx say that it was refused. A 2xx that can't be used says the opposite.
    return isinstance(error, APIStatusError) and (
        error.status_code >= 500 or error.status_code == 408 or 200 <= error.status_code < 300
    )


def _timed_out(error: APIError) -> bool:
    gateway = isinstance(error, APIStatusError) and error.status_code in (408, 504)
    return gateway or isinstance(error, APITimeoutError)


def find_ours(
    listing: Listing, text: str, waited: float, *, alone: bool = False
) -> str | bool | None:
    """Our message among those that the server lists.

    A server may have stored it with other blanks, or with accents composed otherwise, and it is
    ours all the same. A message with our text may be from an earlier run. Only the server's clock
    tells: its time now, less the time since we began. Where it does not say, the message counts as
    ours: an answer to the same text is better than a second run.

    Args:
        listing: What the server lists, newest first.
        text: The text that was sent.
        waited: Seconds since it was first sent.
        alone: Whether nobody else can have written there, so that the text does not matter.

    Returns:
        Its id, which may be ``None``; ``False`` where it is not there.
    """
    ours = _bare(text)
    for message in listing.messages:
        if message.role == "user" and alone:
            return message.id
        if message.role == "user" and _bare(message.text) == ours:
            return message.id
    if listing.messages and not any(message.role == "user" for message in listing.messages):
        raise APIError(
            "This server does not list the user's messages, so it can't be told whether ours was "
            "taken."
        )
    return False


def _bare(text: str) -> str:
    """A text without what a server may change about it."""
    return "".join(unicodedata.normalize("NFC", text).split())


def send_message(
    config: Config, session_id: str, text: str, *, alone: bool = False
) -> Operation[Message]:
    """Send a text as the user's message of a session, once.

    Args:
        config: The client's configuration.
        session_id: The session.
        text: The text.
        alone: Whether the session was made for this message.

    Raises:
        APIError: It was refused, or it could not be found out whether it was taken.
    """

    def find(started: float) -> Operation[Message | None]:
        listing = yield from list_messages(config, session_id, limit=100)
        # Only now: the look itself may have taken long, and the server's clock went on.
        found = find_ours(listing, text, (yield from now()) - started, alone=alone)
        if found is False:
            return None
        logger.info("message found in the session: it had been taken")
        return Message(id=cast("str | None", found), session_id=session_id)

    message = yield from send_once(
        lambda: post_message(config, session_id, text),
        find,
        max_retries=config.max_retries,
        hint=f"look with poll_response({session_id!r})",
    )
    logger.info("message sent: %s", message.id or "(no id)")
    return message
