"""A batch without its I/O: each input becomes an operation that keeps the pace and the journal."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    """One input of a batch, ready to be sent.

    Attributes:
        key: The key of the pair. Without a pair: the ``user_id``, or else the number of the input.
        earlier: What the journal knows from an earlier batch.
        run: What finds the run again, once its message may have been sent.
        sent_at: When the server took its message, on the monotonic clock.
    """

    key: str
    prepared: Prepared
    earlier: Entry | None = field(default=None, repr=False)
    run: RunReference | None = None
    sent_at: float | None = None


def read_item(value: object, number: int) -> Item:
    """Validate an input of a batch. An invalid one has its error in ``prepared``."""
    if not isinstance(value, tuple):
        prepared = prepare(value)
        if prepared.error is None and prepared.user_id is None:
            error = InvalidInputError("A text has no key: pass a (key, text) pair. It is not sent.")
            prepared = Prepared("", error=error)
        return Item(prepared.user_id or f"input-{number}", prepared)
    try:
        key, value = cast("tuple[object, ...]", value)
        return Item(text_argument("key", key), prepare(value))
    except ValueError as error:
        text = f"A tuple must be a (key, input) pair: {error}. It is not sent."
        return Item(f"input-{number}", Prepared("", error=InvalidInputError(text)))


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
        self._retry_failed = bool(options.get("retry_failed"))
        self._workflow = workflow
        self._pace = Pace(rate)
        self.journal_path: str | os.PathLike[str] | None = options.get("journal")
        path = self.journal_path
        self._journal: Journal | None = None
        if path is not None:
            # Here, since few batches need SQLite.
            from .journal import Journal

            self._journal = Journal(path)
            for seconds in self._journal.durations():
                waiting.durations.learn(seconds)

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def run(self, item: Item) -> Emitting[Pause, BatchResult]:
        """Run an input, or resume its run from an earlier batch."""
        error: ChatKitError
        try:
            item.prepared.check()
            return (yield from self._run(item))
        except ChatKitError as raised:
            error = raised
        self._note_error(item, error)
        return BatchResult(item.key, error=error, run=error.run or item.run)

    def _run(self, item: Item) -> Emitting[Pause, BatchResult]:
        earlier = None if self._journal is None else self._journal.find(item.key)
        if earlier is not None and earlier.state == "failed" and self._retry_failed:
            earlier = None
        item.earlier = earlier
        if earlier is not None:
            item.run = RunReference.model_validate_json(earlier.run)
            if not earlier.is_of(item.prepared.text):
                raise InvalidInputError(
                    f"The journal has a run of {item.key!r} with another input. Use another "
                    "journal for a new batch, or another key for a new run; this one was not sent."
                )
            if earlier.result is not None and earlier.state == "failed":
                error = error_from_json(earlier.result)
                return BatchResult(item.key, error=error, run=item.run)
            if earlier.result is not None:
                response = WorkflowResponse.model_validate_json(earlier.result)
                return BatchResult(item.key, response=response, run=item.run)
        operation = self._operation(item)
        response = yield from paced(operation, self._pace, lambda event: self._note(item, event))
        if self._journal is not None:
            sent_at = item.sent_at if earlier is None else None
            seconds = None if sent_at is None else time.monotonic() - sent_at
            self._journal.ended(item.key, "done", response.model_dump_json(), seconds)
        return BatchResult(item.key, response=response, run=item.run)

    def _operation(self, item: Item) -> Emitting[WorkflowEvent, WorkflowResponse]:
        earlier, run, waiting = item.earlier, item.run, self.waiting
        if earlier is not None and run is not None and earlier.state == "started":
            age = max(0.0, time.time() - (earlier.started or 0.0))
            waiting = replace(waiting, age=age)
            return self._workflow.poll_response(run.session, run, waiting, watched=False)
        if run is not None:
            return self._workflow.run_in_doubt(item.prepared, run, waiting)
        user = item.prepared.user_id or item.key
        return self._workflow.run(item.prepared, user, waiting, watched=False)

    def _note(self, item: Item, event: WorkflowEvent) -> None:
        """Write the run's progress into the journal, before the run goes on."""
        if isinstance(event, SessionCreatedEvent):
            item.run = event.run
            if self._journal is not None:
                self._journal.sending(item.key, item.prepared.text, str(item.run))
        elif isinstance(event, MessageSentEvent):
            item.run, item.sent_at = event.run, time.monotonic()
            if self._journal is not None:
                self._journal.started(item.key, str(item.run))

    def _note_error(self, item: Item, error: ChatKitError) -> None:
        """Write down a failed run; forget one that was not sent, so that it can be sent again."""
        if self._journal is None or item.run is None:
            return
        if isinstance(error, WorkflowError) and not isinstance(error, WorkflowTimeoutError):
            # The first message was the answer that was asked for, but need not be the run's last.
            if self.waiting.answer == "program":
                self._journal.ended(item.key, "failed", error_json(error))
            return
        in_doubt = isinstance(error, APIError) and error.may_have_been_taken
        if item.earlier is None and item.sent_at is None and not in_doubt:
            self._journal.not_sent(item.key)
