"""The common part of threads and tasks: the runs of a batch in flight, and their results."""

from __future__ import annotations

import os
from queue import SimpleQueue
from typing import Generic, TypeVar

from .._effects import Emitting
from .._protocol.logs import add_note
from ..models.run import resume_call
from .core import Batch, Item, read_item
from .pace import Pause
from .results import BatchResult

W = TypeVar("W")

MOST_STARTING = 50
"""The limit of runs before their first pause. Without it, the first message of thousands of runs
would wait for the last session."""
_NOTE = "edn360-chatkit: the runs of this batch"


class Workers(Generic[W]):
    """The workers of a batch, by the numbers of their inputs, and their results.

    After an exception of the inputs, or a foreign exception of a run, no further run starts. The
    exception is raised after the results of the runs in flight, which are paid for.
    """

    def __init__(self, batch: Batch) -> None:
        self.has_inputs: bool = True
        self._batch = batch
        self._started = self._delivered = 0
        # The inputs whose result is not delivered yet.
        self._items: dict[int, Item] = {}
        self._running: dict[int, W] = {}
        # The runs before their first pause.
        self._starting: set[int] = set()
        self._ended: SimpleQueue[tuple[int, BatchResult | None]] = SimpleQueue()
        self._results: dict[int, BatchResult | None] = {}
        self._error: BaseException | None = None
        self._is_closed = self._is_dropped = False

    def notify(self) -> None:
        """Wake the reader that waits for a result or for a place."""

    def has_place(self) -> bool:
        """Whether another run may start."""
        is_full = self._started - self._delivered >= self._batch.max_concurrency
        return not (is_full or len(self._starting) >= MOST_STARTING)

    def operation(self, value: object) -> tuple[int, Emitting[Pause, BatchResult]]:
        """The number and the run of the next input."""
        number, self._started = self._started, self._started + 1
        self._starting.add(number)
        self._items[number] = item = read_item(value, number)
        return number, self._batch.run(item)

    def note_pause(self, number: int) -> None:
        """Note that a run pauses."""
        if number in self._starting:
            self._starting.discard(number)
            self.notify()

    def fail(self, error: BaseException) -> None:
        """Start no further run, and raise the exception after the results."""
        if not self._is_closed:
            self._error, self.has_inputs = self._error or error, False

    def end(self, number: int, result: BatchResult | None = None) -> None:
        """Note the end of a worker. The last worker of a dropped batch closes its journal."""
        self._starting.discard(number)
        self._ended.put((number, result))
        self._running.pop(number, None)
        self.notify()
        if self._is_dropped and not self._running:
            self._batch.close()

    def pop_result(self) -> BatchResult | None:
        """The next result, or ``None`` if it has not arrived."""
        while not self._ended.empty():
            self.receive(*self._ended.get())
        while (number := self._next_number()) in self._results:
            self._delivered += 1
            if (result := self._results.pop(number)) is not None:
                del self._items[number]
                return result
        return None

    def receive(self, number: int, result: BatchResult | None) -> None:
        """Store the result of a worker. A negative number is only a notification."""
        if not self._is_closed and number >= 0:
            self._results[number] = result

    def _next_number(self) -> int:
        return self._delivered if self._batch.ordered else next(iter(self._results), -1)

    def is_over(self) -> bool:
        """Whether no result follows. Raises the exception that ended the batch."""
        if self.has_inputs or self._delivered < self._started:
            return False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def stop(self) -> list[W]:
        """Start no further run, and discard the results. Returns the workers."""
        self._is_closed, self.has_inputs, self._error = True, False, None
        self._delivered, self._results = self._started, {}
        running, self._running = self._running, {}
        return list(running.values())

    def drop(self) -> None:
        """Close the journal after the last worker."""
        self._is_dropped = True
        if not self._running:
            self._batch.close()

    def note_runs(self, error: BaseException) -> None:
        """Note on an exception how to resume the runs whose result was not delivered."""
        runs = [item.run for item in self._items.values() if item.run is not None]
        notes: list[str] = getattr(error, "__notes__", [])
        if not runs or any(note.startswith(_NOTE) for note in notes):
            return
        path, awaited = self._batch.journal_path, self._batch.waiting.awaited
        if path is not None:
            text = f"{_NOTE} are resumed by the same run_many, with journal={os.fspath(path)!r}"
        else:
            calls = "\n".join(resume_call(run, awaited=awaited) for run in runs)
            text = f"{_NOTE} may be paid for, and are in no journal. Resume each with:\n{calls}"
        add_note(error, text)
