"""Sending a message at most once, in either protocol.

If the response is lost, the server may have stored the message. A second message would start a
second, paid run. So the list is read before sending (the baseline) and after a loss (a look).
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
"""The number of looks before a message is sent again. A gateway's error can arrive seconds before
the server stores the message; with the pauses between retries, the looks take at least 3.5 s."""


class Baseline:
    """The ids of the entries in a list before our message is sent.

    Attributes:
        previous_id: The id of the newest message, as ``RunReference`` has it.
        hides_users: Whether the list has entries, but no user message.
    """

    def __init__(self, entries: Sequence[SessionMessage] = ()) -> None:
        self._ids = Counter(entry.id for entry in entries)
        users = [entry.id for entry in entries if entry.role == "user"]
        self.hides_users = bool(entries) and not users
        self.previous_id: str | None = next(iter(users or self._ids), "")

    def add(self, entry_id: str) -> None:
        """Add the id of another old entry."""
        self._ids[entry_id] += 1

    def new(self, entries: Sequence[SessionMessage]) -> list[SessionMessage]:
        """The entries that are new, newest first.

        Raises:
            DoubtError: The list has no old entry, so it proves nothing about new entries.
        """
        before = Counter(self._ids)
        if before and not any(entry.id in before for entry in entries):
            raise DoubtError("The server's list lacks every message that it had before sending.")
        new: list[SessionMessage] = []
        # Oldest first: ids may repeat, and the old entries are listed before the new.
        for entry in reversed(entries):
            if before[entry.id] > 0:
                before[entry.id] -= 1
            else:
                new.append(entry)
        return new[::-1]


class EarlierBaseline(Baseline):
    """The baseline of an earlier process. Only the newest id is known."""

    def __init__(self, previous_id: str) -> None:
        super().__init__()
        self.previous_id = previous_id

    def new(self, entries: Sequence[SessionMessage]) -> list[SessionMessage]:
        """The entries that are newer than the known id, newest first."""
        newer = newer_than(entries, self.previous_id)
        if newer is None:
            raise DoubtError("The server's list no longer has the entry that was its newest.")
        return list(newer)


def our_message(new: Sequence[SessionMessage], ours: str | None) -> SessionMessage | None:
    """Our message among new messages, by its digest; ``None`` if no message can be ours."""
    candidates = [message for message in new if message.role in ("user", "unknown")]
    if not candidates:
        return None
    equal = [message for message in candidates if digest(message.text) == ours]
    if len(equal) == 1 and all(message.readable for message in candidates):
        return equal[0]
    raise DoubtError("The list has new messages, and the client can't recognise its own.")


class Sender(ABC):
    """Sends the message of a run. Each protocol has a subclass.

    Attributes:
        baseline: The entries of the list before sending; ``None`` if it can't be read.
        own: Whether the list was made for our message, so that no other user message is in it.
    """

    empty_is_proof: ClassVar[bool] = False
    """Whether a list without our message proves that an earlier process did not send it."""

    def __init__(self, api: Api, run: Run, prepared: Prepared) -> None:
        self.api = api
        self.run = run
        self.prepared = prepared
        self.baseline: Baseline | None = None
        self.own = False
        # The error after which the server may have the message, until a look settles this.
        self._doubt: APIError | None = None
        self._was_in_doubt = False
        self._looks_left = 0
        self._may_send = True

    @abstractmethod
    def read_baseline(self) -> Operation[Baseline | None]:
        """Read the list before the message is sent."""

    @abstractmethod
    def reference(self, message_id: str | None = None) -> RunReference:
        """The reference of the run."""

    @abstractmethod
    def send(self) -> Operation[RunReference]:
        """Send the message."""

    @abstractmethod
    def look(self) -> Operation[RunReference | None]:
        """Look for our message in the list; ``None`` if it is missing."""

    def find(self, messages: Sequence[SessionMessage]) -> SessionMessage | None:
        """Find our message in the list; ``None`` if it is missing."""
        users = [message for message in messages if message.role == "user"]
        if messages and not users:
            raise DoubtError("The server does not list the user's messages.")
        if self.own:
            return next(iter(users), None)
        new = messages if self.baseline is None else self.baseline.new(messages)
        return our_message(new, digest(self.prepared.text))

    def can_look(self) -> bool:
        """Whether a look can distinguish our message from an old one."""
        return self.own or self.baseline is not None

    def mark_in_flight(self) -> None:
        """Record that the server may have the message from now on, and how to check this."""
        self.run.inbox.reference = self.reference()
        self.run.how_to_check = f"check with {self.run.resume_call()}"
        if self.run.earlier_attempt:
            self.run.how_to_check = "run the batch again with the same journal, which looks for it"

    def send_once(self) -> Emitting[SessionCreatedEvent, None]:
        """Send the message. Send it again only if the server has proven not to have it."""
        run = self.run
        yield from self._try_baseline()
        if run.earlier_attempt:
            self._doubt = APIConnectionError("An earlier process may have sent the message.")
            self._was_in_doubt, self._looks_left = True, LOOKS
            self._may_send = self.empty_is_proof
            self.mark_in_flight()
        elif run.own_session:
            yield from emit(SessionCreatedEvent(session=run.session, run=self.reference()))
        try:
            run.inbox.reference = yield from retrying(
                self._attempt,
                max_retries=self.api.config.max_retries,
                transient=self._can_be_settled,
                session_id=run.session.id,
            )
        except ChatKitError as error:
            if self._doubt is None:
                raise
            # After a failed look the message is still in doubt.
            public_error = error if isinstance(error, APIError) else self._doubt
            public_error.may_have_been_taken = True
            public_error.message += (
                " Still, the message may have been stored, and a run started. Before you send it "
                f"again, {run.how_to_check}."
            )
            if public_error is error:
                raise
            raise public_error from error
        run.is_sent = True
        message_id = run.inbox.reference.message_id
        log_info(run.session.id, "message sent: %s", message_id or "(no id)")

    def _try_baseline(self) -> Operation[None]:
        """Read the baseline. Without it the message can be sent, but not be looked for."""
        retries, session_id = self.api.config.max_retries, self.run.session.id
        try:
            self.baseline = yield from retrying(
                self.read_baseline, max_retries=retries, session_id=session_id
            )
        except APIConnectionError:
            # The server can't be reached. The caller can try again, since the message was not sent.
            raise
        except APIError as error:
            if isinstance(error, APIStatusError) and status_row(error.status_code).stops_sending:
                raise
            name = type(error).__name__
            log_warning(session_id, "the list before sending can't be read (%s)", name)

    def _can_be_settled(self, error: BaseException) -> bool:
        """Whether a retry can help. While the message is in doubt, another look can."""
        if self._doubt is None:
            return is_transient(error)
        # A refused look may succeed later, whatever its status.
        return self.can_look() and (isinstance(error, APIStatusError) or is_transient(error))

    def _look_patiently(self) -> Operation[RunReference | None]:
        """Look for the message. If the server is down, wait for it as long as for an answer."""
        waiting = self.run.waiting
        until = self.run.started + (0.0 if self.run.keep_open else waiting.patience)
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
        """Send the message, or find it on the server."""
        if self._doubt is not None and not self.can_look():
            raise self._doubt
        if self._was_in_doubt:
            try:
                reference = yield from self._look_patiently()
            except DoubtError as error:
                self._doubt = self._doubt or error
                self.mark_in_flight()
                raise
            if reference is not None:
                log_info(self.run.session.id, "message found: the server had stored it")
                return reference
            self._looks_left -= 1
            if self._doubt is not None and (self._looks_left > 0 or not self._may_send):
                raise self._doubt
            self._doubt = None
        try:
            return (yield from self.send())
        except APIError as error:
            if _may_be_stored(error):
                self._doubt, self._was_in_doubt, self._looks_left = error, True, LOOKS
                # Some servers store the message at the end of the run: after a timeout, a list
                # without it is no proof.
                self._may_send = self._may_send and not isinstance(error, APITimeoutError)
            else:
                self.run.how_to_check = None
            raise


def _may_be_stored(error: APIError) -> bool:
    if isinstance(error, APIConnectionError):
        return error.may_have_arrived
    return isinstance(error, APIStatusError) and status_row(error.status_code).may_be_stored
