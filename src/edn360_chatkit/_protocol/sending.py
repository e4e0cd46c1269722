"""Sending a message at most once, in either protocol.

A response that is lost (a timeout, a broken connection, a 5xx) leaves in doubt whether the server
has the message. Sent again, it could start a second, paid run. So what is in the place of the
message is read before it is sent (the baseline), and again after a loss: only a message that is new
can be ours, and only if nothing is new the message is sent again.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from .._effects import Operation
from ..errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, ChatKitError
from ..models.session import Message
from .inputs import Prepared
from .listing import SessionMessage
from .logs import log_run
from .retry import is_deadline, is_transient, retrying
from .run import Run
from .statuses import status_row

T = TypeVar("T")

LOOKS = 3
"""How often the server is read before a message is sent again: a gateway's error can come seconds
before the server stores the message. With the pauses of retries these looks take 3.5 s or more."""


class DoubtError(APIError):
    """Something new is there, and it can't be told whether it is our message."""


class Baseline:
    """The ids in a place before our message is sent."""

    def __init__(self, ids: Iterable[str | None] = ()) -> None:
        self._ids = Counter(ids)

    @classmethod
    def of(cls, messages: Sequence[SessionMessage]) -> Baseline:
        """The baseline of a list of messages.

        Raises:
            DoubtError: The server does not list the user's messages.
        """
        _check_users(messages)
        return cls(message.id for message in messages)

    def add(self, entry_id: str) -> None:
        """Note one more id from before."""
        self._ids[entry_id] += 1

    def new(self, entries: Sequence[tuple[str | None, T]]) -> list[T]:
        """What is new among entries with their ids, newest first.

        Raises:
            DoubtError: No entry has an id from before, so that the list proves nothing.
        """
        known = Counter(self._ids)
        if known and not any(entry_id in known for entry_id, _ in entries):
            raise DoubtError("The server's list has nothing of what it had before.")
        new: list[T] = []
        # From the oldest on: ids may repeat, and the first ones are those from before.
        for entry_id, entry in reversed(entries):
            if known[entry_id] > 0:
                known[entry_id] -= 1
            else:
                new.append(entry)
        return new[::-1]


def find_message(
    messages: Sequence[SessionMessage], baseline: Baseline, prepared: Prepared
) -> SessionMessage | None:
    """Our message in a place with other messages; ``None`` if it is not there.

    Raises:
        DoubtError: Something is new that can be ours, or the list proves nothing.
    """
    _check_users(messages)
    return our_message(baseline.new([(message.id, message) for message in messages]), prepared)


def _check_users(messages: Sequence[SessionMessage]) -> None:
    if messages and not any(message.role == "user" for message in messages):
        raise DoubtError("The server does not list the user's messages.")


def our_message(new: Sequence[SessionMessage], prepared: Prepared) -> SessionMessage | None:
    """Our message among messages that are new; ``None`` if there is none.

    A server may store a text with other blanks, or with accents composed otherwise.

    Raises:
        DoubtError: Several can be ours, one can't be read, or all have another text.
    """
    candidates = [message for message in new if message.role in ("user", "unknown")]
    if not candidates:
        return None
    ours = [message for message in candidates if _bare(message.text) == _bare(prepared.text)]
    if len(ours) == 1 and all(message.readable for message in candidates):
        return ours[0]
    raise DoubtError("New messages are there, and it can't be told which one is ours.")


def own_message(messages: Sequence[SessionMessage]) -> SessionMessage | None:
    """Our message in a place that was made for it; ``None`` if nothing is there.

    Raises:
        DoubtError: Something is there, but no message of the user.
    """
    for message in messages:
        if message.role == "user":
            return message
    if messages:
        raise DoubtError("The server does not list our message, but it lists something else.")
    return None


def _bare(text: str) -> str:
    """A text without what a server may change about it."""
    return "".join(unicodedata.normalize("NFC", text).split())


class Sender(ABC):
    """The message of a run on its way: one subclass for each protocol.

    Attributes:
        run: The run.
        prepared: Its message.
        baseline_known: Whether it is known what was there before the message was sent.
        hint: What the caller can do if the message stays in doubt.
    """

    def __init__(self, run: Run, prepared: Prepared, hint: str) -> None:
        self.run = run
        self.prepared = prepared
        self.baseline_known = True
        self.hint = hint

    @abstractmethod
    def read_baseline(self) -> Operation[None]:
        """Read what is there before the message is sent."""

    @abstractmethod
    def send(self) -> Operation[Message]:
        """Send the message."""

    def can_look(self) -> bool:
        """Whether a look can tell our message from an older one."""
        return self.baseline_known

    @abstractmethod
    def look(self) -> Operation[Message | None]:
        """Look for the message; ``None`` if nothing new is there.

        Raises:
            APIError: The server can't be read, or what is new may be ours or not.
        """


def send_once(sender: Sender, max_retries: int) -> Operation[Message]:
    """Send a message, again only if the server has proven not to have it.

    Raises:
        APIError: The message was refused, or it is in doubt whether it was taken.
    """
    session_id = sender.run.session.id
    try:
        # A list that fails once may work a moment later.
        yield from retrying(
            sender.read_baseline, max_retries=min(1, max_retries), session_id=session_id
        )
    except APIError as error:
        refused = isinstance(error, APIStatusError) and error.status_code in (401, 403)
        if refused or is_deadline(error):
            raise
        sender.baseline_known = False
        log_run(
            *(session_id, "WARNING", "the list before sending can't be read (%s)"),
            type(error).__name__,
        )
    sending = _Sending(sender)
    sender.run.sending = True
    try:
        message = yield from retrying(
            sending.attempt,
            max_retries=max_retries,
            transient=sending.can_be_settled,
            session_id=session_id,
        )
    except ChatKitError as error:
        if sending.doubt is None:
            sender.run.sending = False
            raise
        # A failed look does not end the doubt, whatever its error is.
        shown = error if isinstance(error, APIError) else sending.doubt
        shown.may_have_been_taken = True
        shown.message += (
            f" The message may have been taken all the same, and a run started: {sender.hint} "
            "before you send it again."
        )
        if shown is error:
            raise
        raise shown from error
    log_run(session_id, "INFO", "message sent: %s", message.id or "(no id)")
    return message


class _Sending:
    """The state of sending one message.

    Attributes:
        doubt: The error that leaves in doubt whether the message was taken.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._looks_left = 0
        self._was_in_doubt = False
        self._may_send = True
        self.doubt: APIError | None = None

    def can_be_settled(self, error: BaseException) -> bool:
        """Whether a retry can help. While the message is in doubt, a look can."""
        if self.doubt is None:
            return is_transient(error)
        # A look that is refused can work a moment later, whatever its status is.
        looking = isinstance(error, APIStatusError) or is_transient(error)
        return looking and self._sender.can_look()

    def attempt(self) -> Operation[Message]:
        """Send the message, or find it at the server."""
        if self._was_in_doubt:
            message = yield from self._sender.look()
            if message is not None:
                log_run(self._sender.run.session.id, "INFO", "message found: it had been taken")
                return message
            self._looks_left -= 1
            if self.doubt is not None and (self._looks_left > 0 or not self._may_send):
                raise self.doubt
            self.doubt = None
        try:
            return (yield from self._sender.send())
        except APIError as error:
            if _may_have_been_taken(error):
                self.doubt, self._was_in_doubt = error, True
                self._looks_left = LOOKS
                # A server may store the message only when the run ends: silence proves nothing.
                self._may_send = self._may_send and not isinstance(error, APITimeoutError)
            raise


def _may_have_been_taken(error: APIError) -> bool:
    if isinstance(error, APIConnectionError):
        return error.may_have_arrived
    return isinstance(error, APIStatusError) and status_row(error.status_code).taken
