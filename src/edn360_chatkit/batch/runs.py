"""A batch in flight: the iterators that ``run_many`` returns.

The sync batch has a thread for each run, and the async batch has a task. No worker refers to the
iterator. So a dropped iterator is collected, and its finalizer ends the workers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from typing import TypeAlias

from .._effects import Emitting
from .._transport import AsyncDriver, SyncDriver
from .._transport.pending import Pending
from .._transport.pool import drop
from .core import Batch, BatchInput
from .pace import Pause
from .results import BatchResult
from .workers import Workers

AsyncInputs: TypeAlias = Iterable[BatchInput] | AsyncIterable[BatchInput]

CLOSING_SECONDS = 5.0
"""How long closing a batch waits for the requests in flight, in seconds."""
_END = object()


class _Threads(Workers[threading.Thread]):
    """A thread for each run."""

    def __init__(self, batch: Batch, driver: SyncDriver, inputs: Iterable[BatchInput]) -> None:
        super().__init__(batch)
        self._driver = driver
        self._inputs = iter(inputs)
        # A finalizer may put into a SimpleQueue, but must not set an Event, which has a lock.
        self._stop: SimpleQueue[None] = SimpleQueue()

    def notify(self) -> None:
        self._ended.put((-1, None))

    def next_result(self) -> BatchResult | None:
        """Wait for the next result. Returns ``None`` at the end."""
        # Each result reads an input, even if more results have arrived.
        self._start_next()
        while (result := self.pop_result()) is None:
            if not self._start_next():
                if self.is_over():
                    return None
                # Windows raises a KeyboardInterrupt only between two waits.
                with suppress(Empty):
                    self.receive(*self._ended.get(timeout=0.5))
        return result

    def _start_next(self) -> bool:
        """Start a run if there is a place for it and an input."""
        if not self.has_inputs or not self.has_place():
            return False
        try:
            value = next(self._inputs)
        except StopIteration:
            self.has_inputs = False
            return False
        except Exception as error:
            self.fail(error)
            return False
        if self._is_closed or self._error is not None:
            return False
        number, operation = self.operation(value)
        del value
        thread = threading.Thread(target=self._work, args=(number, operation), daemon=True)
        self._running[number] = thread
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads
            self.fail(error)
            self.end(number)
        return True

    def _work(self, number: int, operation: Emitting[Pause, BatchResult]) -> None:
        result = None
        try:
            result = self._run(number, operation)
        except BaseException as error:
            self.fail(error)
        finally:
            self.end(number, result)

    def _run(self, number: int, operation: Emitting[Pause, BatchResult]) -> BatchResult | None:
        with self._driver.watch(operation, deadline=self._batch.waiting.deadline) as run:
            if self._is_closed:
                return None
            for pause in run:
                self.note_pause(number)
                if self._is_stopped_within(pause.seconds):
                    return None
            return run.get_response()

    def _is_stopped_within(self, seconds: float) -> bool:
        """Wait, and return whether the batch was stopped meanwhile."""
        with suppress(Empty):
            self._stop.get(timeout=max(0.0, seconds))
            self._stop.put(None)  # for the next thread
            return True
        return False

    def close(self) -> None:
        """End the pauses, and wait for the requests in flight."""
        threads, deadline = self.stop(), time.monotonic() + CLOSING_SECONDS
        self._stop.put(None)
        for thread in threads:
            # An exception of a signal handler may have struck in thread.start().
            with suppress(RuntimeError):
                thread.join(max(0.0, deadline - time.monotonic()))

    def drop(self) -> None:
        self._stop.put(None)
        super().drop()


class BatchRun:
    """The results of a batch as they arrive: an iterator and a context manager.

    After an early exit no further run starts, and the runs in flight stay in the journal. The
    inputs are read in the thread that requests results, since a database cursor may belong to it.
    """

    def __init__(self, batch: Batch, driver: SyncDriver, inputs: Iterable[BatchInput]) -> None:
        self._batch = batch
        self._threads = _Threads(batch, driver, inputs)

    def __iter__(self) -> BatchRun:
        return self

    def __next__(self) -> BatchResult:
        try:
            result = self._threads.next_result()
        except BaseException as error:
            # Only after the close no further message is sent.
            self.close()
            self._threads.note_runs(error)
            raise
        if result is None:
            self.close()
            raise StopIteration
        return result

    def close(self) -> None:
        """Start no further run, end the pauses, and wait for the requests in flight."""
        self._threads.close()
        self._batch.close()

    def __enter__(self) -> BatchRun:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.close()
        if error is not None:
            self._threads.note_runs(error)

    def __del__(self) -> None:
        if hasattr(self, "_threads"):
            self._threads.drop()


class _Tasks(Workers[Pending]):
    """A task for each run, and a task that reads the inputs."""

    def __init__(self, batch: Batch, driver: AsyncDriver, inputs: AsyncInputs) -> None:
        import anyio

        super().__init__(batch)
        self._driver = driver
        self._inputs = inputs
        self._news = anyio.Event()

    def notify(self) -> None:
        self._news.set()

    async def _wait(self) -> None:
        """Wait for the next notification."""
        import anyio

        if self._news.is_set():
            self._news = anyio.Event()
        await self._news.wait()

    async def next_result(self) -> BatchResult | None:
        """Wait for the next result. Returns ``None`` at the end."""
        if self.has_inputs and -1 not in self._running:
            self._running[-1] = self._driver.network.start(lambda _: self._feed())
        while (result := self.pop_result()) is None:
            if self.is_over():
                return None
            await self._wait()
        self.notify()
        return result

    async def _feed(self) -> None:
        """Start a run for each input, as places become free."""
        try:
            inputs = self._inputs
            source = aiter(inputs) if isinstance(inputs, AsyncIterable) else chain(inputs)
            while self.has_inputs and (value := await _read(source)) is not _END:
                if self._error is not None:
                    break
                number, operation = self.operation(value)
                # No frame of a traceback holds the athlete's data.
                del value
                self._start(number, operation)
                while self.has_inputs and not self.has_place():
                    await self._wait()
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.has_inputs = False
            self.end(-1)

    def _start(self, number: int, operation: Emitting[Pause, BatchResult]) -> None:
        self._running[number] = self._driver.network.start(lambda _: self._run(number, operation))

    async def _run(self, number: int, operation: Emitting[Pause, BatchResult]) -> None:
        import anyio

        result = None
        try:
            async with self._driver.watch(operation, deadline=self._batch.waiting.deadline) as run:
                async for pause in run:
                    self.note_pause(number)
                    await anyio.sleep(pause.seconds)
                result = await run.get_response()
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.end(number, result)

    def drop(self) -> None:
        # Leave the tasks to the next request of the process: a finalizer does no I/O.
        for task in self._running.values():
            drop(task)
        super().drop()

    async def close(self) -> None:
        """Cancel the tasks, and start no further task."""
        tasks = self.stop()
        for task in tasks:
            await task.close()
        for task in tasks:
            await task.wait_shielded(CLOSING_SECONDS)
        self.notify()


async def _read(source: chain[BatchInput] | AsyncIterator[BatchInput]) -> object:
    """The next input, or ``_END``."""
    try:
        return next(source) if isinstance(source, chain) else await source.__anext__()
    except (StopIteration, StopAsyncIteration):
        return _END


class AsyncBatchRun:
    """:class:`BatchRun` for ``async for`` and ``async with``.

    If the wait for a result is cancelled, the batch continues.
    """

    def __init__(self, batch: Batch, driver: AsyncDriver, inputs: AsyncInputs) -> None:
        self._batch = batch
        self._tasks = _Tasks(batch, driver, inputs)

    def __aiter__(self) -> AsyncBatchRun:
        return self

    async def __anext__(self) -> BatchResult:
        try:
            result = await self._tasks.next_result()
        except Exception as error:
            await self.aclose()
            self._tasks.note_runs(error)
            raise
        except BaseException as error:  # a cancellation: the batch continues
            self._tasks.note_runs(error)
            raise
        if result is None:
            await self.aclose()
            raise StopAsyncIteration
        return result

    async def aclose(self) -> None:
        """Start no further run, and cancel the runs in flight."""
        await self._tasks.close()
        self._batch.close()

    async def __aenter__(self) -> AsyncBatchRun:
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            await self.aclose()
        finally:
            if error is not None:
                self._tasks.note_runs(error)

    def __del__(self) -> None:
        if hasattr(self, "_tasks"):
            self._tasks.drop()
