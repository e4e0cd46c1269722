"""A batch under way: the iterators that ``run_many`` returns.

The sync one has a thread for each run, the async one a task. Neither thread nor task refers to the
iterator, so that an iterator that is dropped is collected, and ends them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias

from .._effects import Emitting
from .._transport import AsyncDriver, OperationRun, SyncDriver
from .._transport.pending import Pending
from .._transport.pool import drop
from .core import Batch, BatchInput, Order, read_item
from .pace import Pause
from .results import BatchResult

CLOSING_SECONDS = 5.0
"""How long closing a batch waits for the requests in flight, in seconds."""

_Outcome: TypeAlias = tuple[int, BatchResult | BaseException]


class _Workers:
    """What the threads of a batch share. The last one of a dropped batch closes its journal."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._alive: set[int] = set()
        # A finalizer may put into a SimpleQueue, but must not set an Event, which has a lock.
        self._stop: SimpleQueue[None] = SimpleQueue()
        self._is_dropped = False
        self.outcomes: SimpleQueue[_Outcome] = SimpleQueue()

    def start(self, number: int, run: OperationRun[Pause, BatchResult]) -> threading.Thread:
        """Do a run in a thread."""
        self._alive.add(number)
        thread = threading.Thread(target=self._work, args=(number, run), daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the pauses of all threads, and so the threads."""
        self._stop.put(None)

    def drop(self) -> None:
        """Stop, and close the journal after the last thread."""
        self._is_dropped = True
        self.stop()
        if not self._alive:
            self._batch.close()

    def _work(self, number: int, run: OperationRun[Pause, BatchResult]) -> None:
        outcome: BatchResult | BaseException
        try:
            with run:
                for pause in run:
                    if self._is_stopped_after(pause.seconds):
                        return
                outcome = run.get_response()
        except BaseException as error:
            outcome = error
        finally:
            self._alive.discard(number)
            if self._is_dropped and not self._alive:
                self._batch.close()
        self.outcomes.put((number, outcome))

    def _is_stopped_after(self, seconds: float) -> bool:
        try:
            self._stop.get(timeout=max(0.0, seconds))
        except Empty:
            return False
        # For the next thread.
        self._stop.put(None)
        return True


class BatchRun:
    """The results of a batch as they come: an iterator and a context manager.

    If it is left early, no run starts any more, and those under way stay in the journal. The inputs
    are read in the thread that asks for results: a database cursor may belong to it.
    """

    def __init__(self, batch: Batch, driver: SyncDriver, inputs: Iterable[BatchInput]) -> None:
        self._batch = batch
        self._driver = driver
        self._inputs = iter(inputs)
        self._has_inputs = True
        self._order = Order(batch.ordered)
        self._workers = _Workers(batch)
        self._threads: dict[int, threading.Thread] = {}

    def __iter__(self) -> BatchRun:
        return self

    def __next__(self) -> BatchResult:
        try:
            # One input is read for each result, also while more results are there.
            self._start_next()
            while (result := self._order.pop()) is None:
                if not self._workers.outcomes.empty() or not self._start_next():
                    if not self._order.under_way:
                        raise StopIteration
                    self._take(*self._wait())
        except BaseException:
            self.close()
            raise
        return result

    def _wait(self) -> _Outcome:
        while True:
            # Windows raises a KeyboardInterrupt only between two waits.
            with suppress(Empty):
                return self._workers.outcomes.get(timeout=0.5)

    def _take(self, number: int, outcome: BatchResult | BaseException) -> None:
        self._threads.pop(number).join()
        if isinstance(outcome, BaseException):
            raise outcome
        self._order.add(number, outcome)

    def _start_next(self) -> bool:
        """Start a run if there is a place for it and an input."""
        if not self._has_inputs or self._order.under_way >= self._batch.max_concurrency:
            return False
        try:
            value = next(self._inputs)
        except StopIteration:
            self._has_inputs = False
            return False
        number = self._order.start()
        operation = self._batch.run(read_item(value, number))
        del value
        run = self._driver.watch(operation, deadline=self._batch.waiting.deadline)
        self._threads[number] = self._workers.start(number, run)
        return True

    def close(self) -> None:
        """Start no run any more, end the pauses, and wait for the requests in flight."""
        self._has_inputs, self._order = False, Order(self._batch.ordered)
        self._workers.stop()
        until = time.monotonic() + CLOSING_SECONDS
        for thread in list(self._threads.values()):
            thread.join(max(0.0, until - time.monotonic()))
        self._batch.close()

    def __enter__(self) -> BatchRun:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_workers"):
            self._workers.drop()


class AsyncBatchRun:
    """:class:`BatchRun` for ``async for`` and ``async with``.

    A wait for the next result that is cancelled leaves the batch as it is.
    """

    def __init__(
        self,
        batch: Batch,
        driver: AsyncDriver,
        inputs: Iterable[BatchInput] | AsyncIterable[BatchInput],
    ) -> None:
        self._batch = batch
        self._driver = driver
        self._inputs = inputs
        self._tasks: _Tasks | None = None

    def __aiter__(self) -> AsyncBatchRun:
        return self

    async def __anext__(self) -> BatchResult:
        if self._tasks is None:
            self._tasks = _Tasks(self._batch, self._driver)
            self._tasks.feed(self._inputs)
        try:
            return await self._tasks.next_result()
        except Exception:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Start no run any more, and cancel those under way."""
        if self._tasks is not None:
            await self._tasks.close()
        self._batch.close()

    async def __aenter__(self) -> AsyncBatchRun:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        tasks: _Tasks | None = getattr(self, "_tasks", None)
        if tasks is not None:
            tasks.drop()


class _Tasks:
    """The tasks of a batch: one reads the inputs, and each run has one."""

    def __init__(self, batch: Batch, driver: AsyncDriver) -> None:
        import anyio

        self._batch = batch
        self._driver = driver
        self._order = Order(batch.ordered)
        self._places = anyio.Semaphore(batch.max_concurrency)
        self._has_inputs = True
        self._is_dropped = False
        self._pending: dict[int, Pending] = {}
        self._outcomes: deque[_Outcome] = deque()
        self._news = anyio.Event()

    def feed(self, inputs: Iterable[BatchInput] | AsyncIterable[BatchInput]) -> None:
        """Start a run for each input, as places become free."""
        self._pending[-1] = self._driver.network.start(lambda _: self._feed(inputs))

    async def _feed(self, inputs: Iterable[BatchInput] | AsyncIterable[BatchInput]) -> None:
        try:
            await self._places.acquire()
            if isinstance(inputs, AsyncIterable):
                async for value in inputs:
                    self._start(value)
                    del value
                    await self._places.acquire()
            else:
                for value in inputs:
                    self._start(value)
                    del value
                    await self._places.acquire()
        except BaseException as error:
            self._outcomes.append((-1, error))
            raise
        finally:
            self._has_inputs = False
            self._ended(-1)

    def _start(self, value: object) -> None:
        number = self._order.start()
        operation = self._batch.run(read_item(value, number))
        # No frame of a traceback holds the athlete's data.
        del value
        self._pending[number] = self._driver.network.start(lambda _: self._run(number, operation))

    async def _run(self, number: int, operation: Emitting[Pause, BatchResult]) -> None:
        import anyio

        try:
            async with self._driver.watch(operation, deadline=self._batch.waiting.deadline) as run:
                async for pause in run:
                    await anyio.sleep(pause.seconds)
                self._outcomes.append((number, await run.get_response()))
        except BaseException as error:
            self._outcomes.append((number, error))
            raise
        finally:
            self._ended(number)

    def _ended(self, number: int) -> None:
        self._pending.pop(number, None)
        self._news.set()
        if self._is_dropped and not self._pending:
            self._batch.close()

    async def next_result(self) -> BatchResult:
        """Wait for the next result."""
        import anyio

        while (result := self._order.pop()) is None:
            if self._outcomes:
                number, outcome = self._outcomes.popleft()
                if isinstance(outcome, BaseException):
                    raise outcome
                self._order.add(number, outcome)
            elif self._has_inputs or self._order.under_way:
                self._news = anyio.Event()
                await self._news.wait()
            else:
                raise StopAsyncIteration
        self._places.release()
        return result

    def drop(self) -> None:
        """Leave the tasks to the next request of the process: a finalizer does no I/O."""
        self._is_dropped = True
        if not self._pending:
            self._batch.close()
        for task in self._pending.values():
            drop(task)

    async def close(self) -> None:
        """Cancel all tasks, and start none any more."""
        tasks = list(self._pending.values())
        for task in tasks:
            await task.close()
        for task in tasks:
            await task.wait_shielded(CLOSING_SECONDS)
        self._has_inputs, self._order = False, Order(self._batch.ordered)
        self._outcomes.clear()
