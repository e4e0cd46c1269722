"""A run whose stream is open, and what the stream has brought so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from .._effects import Operation, Stream, read
from ..errors import APIConnectionError, APIError
from ..events import WorkflowEvent
from .inbox import Inbox
from .thread_events import ThreadReader


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run whose stream is open.

    Attributes:
        inbox: The messages that the stream has brought.
        limit: The most text that is kept of the stream, in characters.
        events: The events that the caller has not seen yet.
        ended: Whether the stream has ended.
        failure: Why the stream broke, if it did.
    """

    stream: Stream
    reader: ThreadReader
    inbox: Inbox
    limit: int
    events: list[WorkflowEvent] = field(default_factory=list[WorkflowEvent], repr=False)
    ended: bool = False
    failure: APIConnectionError | None = None
    # Who takes the only entry may read; taking it is atomic.
    _turn: list[None] = field(default_factory=lambda: [None])

    @property
    def is_over(self) -> bool:
        """Whether the stream has ended or is broken."""
        return self.ended or self.failure is not None

    def begin(self) -> bool:
        """Take the turn to read; ``False`` while another call has it."""
        try:
            self._turn.pop()
        except IndexError:
            return False
        return True

    def finish(self) -> None:
        """Give the turn back."""
        self._turn.append(None)

    def catch_up(self) -> Operation[None]:
        """Read what has arrived, without waiting."""
        arrived = True
        while arrived and not self.is_over:
            try:
                arrived = yield from self.read(watched=True, wait=False)
            except APIConnectionError as error:
                self.failure = error
        if self.is_over:
            # This call has read from it, and closes it.
            self.stream.keep_open = False

    def read(self, *, watched: bool, wait: bool = True) -> Operation[bool]:
        """Read on; returns whether something came. An ``APIConnectionError``: the stream broke.

        No frame holds the data while others run.
        """
        data = yield from read(self.stream, wait=wait)
        self.ended, arrived = data is None, bool(data)
        feed = partial(self.reader.feed, watched=watched)
        self.events += chain.from_iterable(map(feed, data or ()))
        del data
        if self.ended:
            self.reader.finish()
            self._take(unfinished=True)
        elif self.reader.size > self.limit:
            self._take(unfinished=True)
            raise APIError(
                f"The stream brought more than {self.limit} bytes to keep. Raise "
                "max_response_bytes=... if you trust the server; the run can be taken up again."
            )
        else:
            # A message that is complete may be a step, or already the answer.
            self._take(unfinished=False)
        return arrived

    def take_events(self) -> list[WorkflowEvent]:
        """The events that the caller has not seen yet."""
        events, self.events = self.events, []
        return events

    def break_off(self) -> None:
        """Count what came before the stream broke."""
        self._take(unfinished=True)
        self.check_error()

    def check_error(self) -> None:
        """Raise the server's ``error`` event, unless a program came before it.

        It is not retried, whatever ``allow_retry`` says: that would be a second, paid run.
        """
        if self.reader.error is not None and not self.inbox.has_program():
            self.inbox.given_up(self.reader.error)

    def _take(self, *, unfinished: bool) -> None:
        self.events += self.inbox.add(self.reader.messages(unfinished=unfinished))
