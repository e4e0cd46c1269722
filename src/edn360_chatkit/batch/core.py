"""A batch without its I/O: each input becomes an operation that keeps the pace and the journal."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from .._config import WaitOptions, checked_count
from .._effects import Emitting
from .._protocol.inputs import Prepared, WorkflowInput, prepare, text_argument
from .._protocol.run import Waiting
from .._protocol.workflow import Workflow
from ..errors import (
    APIError,
    ChatKitError,
    ConfigurationError,
    InvalidInputError,
    WorkflowError,
    WorkflowTimeoutError,
)
from ..events import MessageSentEvent, SessionCreatedEvent, WorkflowEvent, WorkflowResponse
from ..models.run import RunReference
from .pace import Pace, Pause, paced
from .results import BatchResult, error_from_json, error_json

if TYPE_CHECKING:
    from .journal import Entry, Journal

BatchInput: TypeAlias = WorkflowInput | tuple[str, WorkflowInput]
"""An input of a batch; with a key of its own as a ``(key, input)`` pair."""


class BatchOptions(WaitOptions, total=False):
    """The settings of ``run_many``, which describes each."""

    max_concurrency: int
    rate: float | None
    journal: str | os.PathLike[str] | None
    ordered: bool
    retry_failed: bool


@dataclass(slots=True)
class Item:
    """An input of a batch, ready to be sent.

    Attributes:
        key: The key of the pair. Without a pair: the ``user_id``, or else the number of the input.
        earlier: The journal's entry of an earlier batch.
        run: The reference of the run, once its message may have been sent.
        sent_at: The time at which the server stored the message, on the monotonic clock.
    """

    key: str
    prepared: Prepared
    earlier: Entry | None = field(default=None, repr=False)
    run: RunReference | None = None
    sent_at: float | None = None


def read_item(value: object, number: int) -> Item:
    """Validate an input of a batch. An invalid input has its error in ``prepared``."""
    key = f"input-{number}"
    try:
        if isinstance(value, tuple):
            name, value = cast("tuple[object, ...]", value)
            return Item(text_argument("key", name), prepare(value))
        prepared = prepare(value)
        if prepared.error is None and prepared.user_id is None:
            raise InvalidInputError("A text has no key")
        return Item(prepared.user_id or key, prepared)
    except ValueError as error:
        reason = str(error).rstrip(".")
        text = f"{reason}. Pass a (key, input) pair. This input is not sent."
        return Item(key, Prepared("", error=InvalidInputError(text)))


class Batch:
    """The runs of a batch as operations. Threads share it."""

    def __init__(self, workflow: Workflow, waiting: Waiting, options: Mapping[str, Any]) -> None:
        rate = options.get("rate")
        if rate is not None and not (isinstance(rate, (int, float)) and rate > 0):
            raise ConfigurationError("rate must be a number of requests a minute, above 0.")
        concurrency = options.get("max_concurrency", 50)
        self.max_concurrency: int = checked_count("max_concurrency", concurrency, most=100_000)
        self.ordered: bool = bool(options.get("ordered"))
        self.waiting: Waiting = waiting
        self.journal_path: str | os.PathLike[str] | None = options.get("journal")
        self._retry_failed = bool(options.get("retry_failed"))
        self._workflow = workflow
        self._pace = Pace(rate)
        self._journal: Journal | None = None
        if self.journal_path is not None:
            from .journal import Journal  # few batches need SQLite

            self._journal = Journal(self.journal_path)
            for seconds in self._journal.durations():
                waiting.durations.learn(seconds)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def run(self, item: Item) -> Emitting[Pause, BatchResult]:
        """Run an input, or resume its run from an earlier batch."""
        try:
            item.prepared.check()
            if (result := self._earlier_result(item)) is not None:
                return result
            response = yield from paced(self._run(item), self._pace, partial(self._note, item))
            self._note_response(item, response)
            return BatchResult(item.key, response=response, run=item.run)
        except ChatKitError as error:
            self._note_error(item, error)
            return BatchResult(item.key, error=error, run=error.run or item.run)

    def _earlier_result(self, item: Item) -> BatchResult | None:
        """Find the item's run in the journal. Returns its result if it has ended."""
        earlier = None if self._journal is None else self._journal.find(item.key)
        if earlier is None or (earlier.state == "failed" and self._retry_failed):
            return None
        item.earlier, item.run = earlier, RunReference.model_validate_json(earlier.run)
        if not earlier.is_of(item.prepared.text):
            raise InvalidInputError(
                f"The journal has a run of {item.key!r} with another input. Use another "
                "journal for a new batch, or another key for a new run; this one was not sent."
            )
        if earlier.result is None:
            return None
        if earlier.state == "failed":
            error = error_from_json(earlier.result)
            return BatchResult(item.key, error=error, run=item.run)
        response = WorkflowResponse.model_validate_json(earlier.result)
        return BatchResult(item.key, response=response, run=item.run)

    def _run(self, item: Item) -> Emitting[WorkflowEvent, WorkflowResponse]:
        earlier, run, waiting = item.earlier, item.run, self.waiting
        if earlier is None or run is None:
            user = item.prepared.user_id or item.key
            return self._workflow.run(item.prepared, user, waiting, watched=False)
        if earlier.state == "sending":
            return self._workflow.run_in_doubt(item.prepared, run, waiting)
        age = max(0.0, time.time() - (earlier.started or 0.0))
        waiting = replace(waiting, age=age)
        return self._workflow.poll_response(run.session, run, waiting, watched=False)

    def _note(self, item: Item, event: WorkflowEvent) -> None:
        """Write an event into the journal, before the run continues."""
        if isinstance(event, SessionCreatedEvent):
            item.run = event.run
            if self._journal is not None:
                self._journal.sending(item.key, item.prepared.text, str(item.run))
        elif isinstance(event, MessageSentEvent):
            item.run, item.sent_at = event.run, time.monotonic()
            if self._journal is not None:
                self._journal.started(item.key, str(item.run))

    def _note_response(self, item: Item, response: WorkflowResponse) -> None:
        if self._journal is not None:
            # A resumed run teaches no duration.
            sent_at = item.sent_at if item.earlier is None else None
            seconds = None if sent_at is None else time.monotonic() - sent_at
            self._journal.ended(item.key, "done", response.model_dump_json(), seconds)

    def _note_error(self, item: Item, error: ChatKitError) -> None:
        """Store the error of a failed run. Delete a run that was not sent, so that it can be."""
        if self._journal is None or item.run is None:
            return
        if isinstance(error, WorkflowError) and not isinstance(error, WorkflowTimeoutError):
            # With answer="first", the run may continue after its first message.
            if self.waiting.answer == "program":
                self._journal.ended(item.key, "failed", error_json(error))
            return
        in_doubt = isinstance(error, APIError) and error.may_have_been_taken
        if item.earlier is None and item.sent_at is None and not in_doubt:
            self._journal.not_sent(item.key)
