"""What the threads and the tasks of a batch share: which runs are in flight, and their results."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Generic, TypeVar

from .._effects import Emitting
from .core import Batch, Item, read_item
from .pace import Pause
from .results import BatchResult

W = TypeVar("W")

MOST_STARTING = 50
"""How many runs are before their first pause. The messages of thousands would all wait for the last
session to be created."""


class Workers(Generic[W]):
    """The workers of a batch, and their results: the common part of threads and tasks.

    An exception of the inputs, or a foreign one of a run, starts no run any more. It is raised
    after the results of the runs under way, which are paid for.
    """

    def __init__(self, batch: Batch) -> None:
        self.has_inputs: bool = True
        # The inputs whose result is not given out yet.
        self.items: dict[int, Item] = {}
        self._batch = batch
        self._started = self._given = 0
        self._running: dict[int, W] = {}
        # The runs before their first pause.
        self._starting: set[int] = set()
        self._ended: SimpleQueue[tuple[int, BatchResult | None]] = SimpleQueue()
        self._results: dict[int, BatchResult | None] = {}
        self._error: BaseException | None = None
        self._is_closed = self._is_dropped = False

    def notify(self) -> None:
        """Wake who waits for a result or for a place."""

    def has_place(self) -> bool:
        """Whether another run may start."""
        is_full = self._started - self._given >= self._batch.max_concurrency
        return not (is_full or len(self._starting) >= MOST_STARTING)

    def operation(self, value: object) -> tuple[int, Emitting[Pause, BatchResult]]:
        """The next run, with its number."""
        number, self._started = self._started, self._started + 1
        self._starting.add(number)
        self.items[number] = item = read_item(value, number)
        return number, self._batch.run(item)

    def pauses(self, number: int) -> None:
        """Note a pause of a run."""
        if number in self._starting:
            self._starting.discard(number)
            self.notify()

    def fail(self, error: BaseException) -> None:
        """Start no run any more, and raise the exception at the end."""
        if not self._is_closed:
            self._error, self.has_inputs = self._error or error, False

    def leave(self, number: int, result: BatchResult | None = None) -> None:
        """Note the end of a worker. The last one of a dropped batch closes its journal."""
        self._starting.discard(number)
        self._ended.put((number, result))
        self._running.pop(number, None)
        self.notify()
        if self._is_dropped and not self._running:
            self._batch.close()

    def pop(self) -> BatchResult | None:
        """The next result; ``None`` if it is not there yet."""
        while not self._ended.empty():
            self.take(*self._ended.get())
        while (number := self._next()) in self._results:
            self._given += 1
            if (result := self._results.pop(number)) is not None:
                del self.items[number]
                return result
        return None

    def take(self, number: int, result: BatchResult | None) -> None:
        """Take the end of a worker, with its result if it has one."""
        if not self._is_closed and number >= 0:
            self._results[number] = result

    def _next(self) -> int:
        return self._given if self._batch.ordered else next(iter(self._results), -1)

    def is_over(self) -> bool:
        """Whether there is no result any more; raises the exception that ended the batch."""
        if self.has_inputs or self._given < self._started:
            return False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def stop(self) -> list[W]:
        """Start no run any more, and forget the results; returns the workers."""
        self._is_closed, self.has_inputs, self._error = True, False, None
        self._given, self._results = self._started, {}
        running, self._running = self._running, {}
        return list(running.values())

    def drop(self) -> None:
        """Close the journal after the last worker."""
        self._is_dropped = True
        if not self._running:
            self._batch.close()
