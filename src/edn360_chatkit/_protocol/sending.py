"""Sending a message at most once, in either protocol.

If the response is lost, the server may have stored the message. A second message would start a
second, paid run. So the list is read before sending (the baseline) and after a loss.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from .._effects import Emitting, Operation, emit, now, sleep
from ..errors import APIConnectionError, APIError, APIStatusError, APITimeoutError, ChatKitError
from ..events import SessionCreatedEvent
from ..models.run import RunReference, digest
from .api import Api
from .inputs import Prepared
from .listing import DoubtError, SessionMessage, newer_than
from .logs import log_info, log_warning
from .retry import is_transient, retry_after, retrying
from .run import Run
from .statuses import status_row

LOOKS = 3
"""How often the server is read before a message is sent again: a gateway's error can come seconds
before the server stores the message. With the pauses of retries these looks take 3.5 s or more."""


class Baseline:
    """What is in a place before our message is sent: the ids of its entries.

    Attributes:
        previous_id: The id of the newest message, as ``RunReference`` has it.
        hides_users: Whether the place lists messages, but not the user's.
    """

    def __init__(self, entries: Sequence[SessionMessage] = ()) -> None:
        self._ids = Counter(entry.id for entry in entries)
        users = [entry.id for entry in entries if entry.role == "user"]
        self.hides_users = bool(entries) and not users
        self.previous_id: str | None = next(iter(users or self._ids), "")

    def add(self, entry_id: str) -> None:
        """Note one more id from before."""
        self._ids[entry_id] += 1

    def new(self, entries: Sequence[SessionMessage]) -> list[SessionMessage]:
        """The entries that are new, newest first."""
        before = Counter(self._ids)
        if before and not any(entry.id in before for entry in entries):
            raise DoubtError("The server's list has no message that it had before.")
        new: list[SessionMessage] = []
        # From the oldest on: ids may repeat, and the first ones are those from before.
        for entry in reversed(entries):
            if before[entry.id] > 0:
                before[entry.id] -= 1
            else:
                new.append(entry)
        return new[::-1]


class EarlierBaseline(Baseline):
    """The baseline of an earlier process, of which only the newest id is known."""

    def __init__(self, previous_id: str) -> None:
        super().__init__()
        self.previous_id = previous_id

    def new(self, entries: Sequence[SessionMessage]) -> list[SessionMessage]:
        """The entries that are newer than the newest one of before."""
        newer = newer_than(entries, self.previous_id)
        if newer is None:
            raise DoubtError("What was the newest entry of the list is not in it any more.")
        return list(newer)


def our_message(new: Sequence[SessionMessage], ours: str | None) -> SessionMessage | None:
    """Our message among new ones, by its digest; ``None`` if no message can be ours."""
    candidates = [message for message in new if message.role in ("user", "unknown")]
    if not candidates:
        return None
    equal = [message for message in candidates if digest(message.text) == ours]
    if len(equal) == 1 and all(message.readable for message in candidates):
        return equal[0]
    raise DoubtError("New messages are there, and it can't be told which one is ours.")


class Sender(ABC):
    """The message of a run on its way: one subclass for each protocol.

    Attributes:
        baseline: What was there before; ``None`` if it can't be read.
        own: Whether the place was made for our message, so that no other message comes into it.
    """

    empty_is_proof: ClassVar[bool] = False
    """Whether a place without our message proves that an earlier process did not send it."""

    def __init__(self, api: Api, run: Run, prepared: Prepared) -> None:
        self.api = api
        self.run = run
        self.prepared = prepared
        self.baseline: Baseline | None = None
        self.own = False
        # The error that leaves in doubt whether the message was taken, while it is in doubt.
        self._doubt: APIError | None = None
        self._was_in_doubt = False
        self._looks_left = 0
        self._may_send = True

    @abstractmethod
    def read_baseline(self) -> Operation[Baseline | None]:
        """Read what is there before the message is sent."""

    @abstractmethod
    def reference(self, message_id: str | None = None) -> RunReference:
        """What finds the run again."""

    @abstractmethod
    def send(self) -> Operation[RunReference]:
        """Send the message."""

    @abstractmethod
    def look(self) -> Operation[RunReference | None]:
        """Look for the message; ``None`` if nothing new is there."""

    def find(self, messages: Sequence[SessionMessage]) -> SessionMessage | None:
        """Our message in its place; ``None`` if it is not there."""
        users = [message for message in messages if message.role == "user"]
        if messages and not users:
            raise DoubtError("The server does not list the user's messages.")
        if self.own:
            return next(iter(users), None)
        new = messages if self.baseline is None else self.baseline.new(messages)
        return our_message(new, digest(self.prepared.text))

    def can_look(self) -> bool:
        """Whether a look can tell our message from an older one."""
        return self.own or self.baseline is not None

    def leaves(self) -> None:
        """Note that the message may be taken from now on, and how to look for it."""
        self.run.inbox.run = self.reference()
        self.run.doubt = f"look with {self.run.resume_call()}"
        if self.run.sent_before:
            self.run.doubt = "run the batch again with the same journal, which looks for it"

    def send_once(self) -> Emitting[SessionCreatedEvent, None]:
        """Send the message, again only if the server has proven not to have it."""
        run, retries = self.run, self.api.config.max_retries
        session_id = run.session.id
        try:
            self.baseline = yield from retrying(
                self.read_baseline, max_retries=retries, session_id=session_id
            )
        except APIConnectionError:
            # The server can't be reached. Nothing was sent, so the caller can try again.
            raise
        except APIError as error:
            status = error.status_code if isinstance(error, APIStatusError) else 0
            if status in (401, 403) or 300 <= status < 400:
                raise
            name = type(error).__name__
            log_warning(session_id, "the list before sending can't be read (%s)", name)
        if run.sent_before:
            self._doubt = APIConnectionError("An earlier process may have sent the message.")
            self._was_in_doubt, self._looks_left = True, LOOKS
            self._may_send = self.empty_is_proof
            self.leaves()
        elif run.own_session:
            yield from emit(SessionCreatedEvent(session=run.session, run=self.reference()))
        try:
            run.inbox.run = yield from retrying(
                self._attempt,
                max_retries=retries,
                transient=self._can_be_settled,
                session_id=session_id,
            )
        except ChatKitError as error:
            if self._doubt is None:
                raise
            # A failed look does not end the doubt, whatever its error is.
            shown = error if isinstance(error, APIError) else self._doubt
            shown.may_have_been_taken = True
            shown.message += (
                " The message may have been taken all the same, and a run started. Before you send "
                f"it again, {run.doubt}."
            )
            if shown is error:
                raise
            raise shown from error
        run.is_sent = True
        log_info(session_id, "message sent: %s", run.inbox.run.message_id or "(no id)")

    def _can_be_settled(self, error: BaseException) -> bool:
        """Whether a retry can help. While the message is in doubt, a look can."""
        if self._doubt is None:
            return is_transient(error)
        # A look that is refused can work a moment later, whatever its status is.
        return self.can_look() and (isinstance(error, APIStatusError) or is_transient(error))

    def _look_patiently(self) -> Operation[RunReference | None]:
        """Look for the message; wait for a server that is down as long as for an answer."""
        waiting = self.run.waiting
        until = self.run.started + (0.0 if self.run.held else waiting.patience)
        while True:
            try:
                return (yield from self.look())
            except (APIConnectionError, APIStatusError) as error:
                pause = max(waiting.interval, retry_after(error))
                if not is_transient(error) or (yield from now()) + pause > until:
                    raise
                name = type(error).__name__
            log_warning(self.run.session.id, "look for the message failed (%s)", name)
            yield from sleep(pause)

    def _attempt(self) -> Operation[RunReference]:
        """Send the message, or find it at the server."""
        if self._doubt is not None and not self.can_look():
            raise self._doubt
        if self._was_in_doubt:
            try:
                reference = yield from self._look_patiently()
            except DoubtError as error:
                self._doubt = self._doubt or error
                self.leaves()
                raise
            if reference is not None:
                log_info(self.run.session.id, "message found: it had been taken")
                return reference
            self._looks_left -= 1
            if self._doubt is not None and (self._looks_left > 0 or not self._may_send):
                raise self._doubt
            self._doubt = None
        try:
            return (yield from self.send())
        except APIError as error:
            if _may_have_been_taken(error):
                self._doubt, self._was_in_doubt, self._looks_left = error, True, LOOKS
                # A server may store the message only when the run ends: silence proves nothing.
                self._may_send = self._may_send and not isinstance(error, APITimeoutError)
            else:
                self.run.doubt = None
            raise


def _may_have_been_taken(error: APIError) -> bool:
    if isinstance(error, APIConnectionError):
        return error.may_have_arrived
    return isinstance(error, APIStatusError) and status_row(error.status_code).taken
