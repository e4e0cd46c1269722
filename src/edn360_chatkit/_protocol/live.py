"""A run whose stream is open, and what the stream has brought so far."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from .._effects import Operation, Stream, read
from ..errors import APIConnectionError, APIError
from ..events import WorkflowEvent
from ..models.run import RunReference
from .thread_events import ThreadReader


@dataclass(slots=True, eq=False)
class LiveRun:
    """A run whose stream is open. Several calls can read it, one after the other.

    Attributes:
        run: What finds the run again.
        sent: The text of its message.
        limit: The most text that is kept of the stream, in characters.
        events: The events that no caller has seen yet.
        ended: Whether the stream has ended.
        failure: Why the stream broke, if it did.
    """

    stream: Stream
    reader: ThreadReader
    run: RunReference
    sent: str | None = field(repr=False)
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
        with suppress(IndexError):
            self._turn.pop()
            return True
        return False

    def finish(self) -> None:
        """Give the turn back."""
        self._turn.append(None)

    def catch_up(self) -> Operation[None]:
        """Read what has arrived, without waiting."""
        with suppress(APIConnectionError):
            while (yield from self.read(watched=True, wait=False)):
                pass
        if self.is_over:
            # This call has read from it, and closes it.
            self.stream.keep_open = False

    def read(self, *, watched: bool, wait: bool = True) -> Operation[bool]:
        """Read on; returns whether something came. An ``APIConnectionError``: the stream broke.

        No frame holds the data while others run.
        """
        if self.failure is not None:
            raise self.failure
        if self.ended:
            return False
        try:
            data = yield from read(self.stream, wait=wait)
        except APIConnectionError as error:
            self.failure = error
            self.reader.end(is_broken=True)
            raise
        self.ended, arrived = data is None, bool(data)
        self.events += chain.from_iterable(
            map(partial(self.reader.feed, watched=watched), data or ())
        )
        del data
        is_full = self.reader.size > self.limit
        if self.ended or is_full:
            self.reader.end(is_broken=not self.ended)
        if is_full:
            raise APIError(
                f"The stream brought more than {self.limit} bytes to keep. Raise "
                "max_response_bytes=... if you trust the server; the run can be taken up again."
            )
        return arrived
