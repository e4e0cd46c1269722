"""The runs of a process as ChatKit's events: their queue, their limits and their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from time import monotonic

from chatkit import types as ck
from chatkit.errors import CustomStreamError
from chatkit.server import ChatKitServer, StreamingResult

from .settings import ServerSettings
from .storage import ThreadStore, answer_id, assistant_message
from .workflows import Answer, Run, execute


class WorkflowServer(ChatKitServer[str]):
    """ChatKit's protocol around one workflow. The context of a request is its user.

    Attributes:
        tasks: The runs under way, those in the queue included. They outlive their requests.
        deadline: When the runs must have ended, by ``time.monotonic``; ``None`` while the server
            is not stopping.
    """

    def __init__(self, threads: ThreadStore, run: Run, settings: ServerSettings) -> None:
        super().__init__(threads)
        self.threads = threads
        self.tasks: set[asyncio.Task[None]] = set()
        self.deadline: float | None = None
        self.settings = settings
        self._run = run
        self._places = asyncio.Semaphore(settings.max_runs or 1_000_000)
        self._queued = 0

    def start(self, result: StreamingResult) -> tuple[asyncio.Task[None], asyncio.Queue[bytes]]:
        """Read ChatKit's stream to its end in a task, with or without a listener.

        The queue gets the stream's chunks, and an empty one at the end. It must be one task: the
        stream sets context variables, and resets them at its end.
        """
        chunks: asyncio.Queue[bytes] = asyncio.Queue()

        async def read() -> None:
            async for chunk in result:
                chunks.put_nowait(chunk)

        task = asyncio.create_task(read())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda _: chunks.put_nowait(b""))
        return task, chunks

    def drain(self, seconds: float) -> None:
        """Accept no more runs, and give those under way so many seconds at most."""
        deadline = monotonic() + seconds
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    @property
    def is_drained(self) -> bool:
        """Whether the server is stopping and no run is left, or their time is over."""
        return self.deadline is not None and (not self.tasks or monotonic() >= self.deadline)

    async def end_runs(self) -> None:
        """Wait until the deadline, then cancel what is left; their threads say so."""
        while not self.is_drained:
            await asyncio.sleep(0.05)
        late = list(self.tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def respond(
        self, thread: ck.ThreadMetadata, input_user_message: ck.UserMessageItem | None, context: str
    ) -> AsyncIterator[ck.ThreadStreamEvent]:
        """Run the workflow. The base class stores every item that is done, and so the answer."""
        if input_user_message is None:  # the output of a client's tool, which nothing here uses
            return
        answer = answer_id(input_user_message.id)
        self.threads.alive.add(answer)
        try:
            await self.threads.begin_run(thread.id, answer)
            text = "".join(part.text for part in input_user_message.content)
            async for event in self._events(thread, text, answer, context):
                yield event
        except asyncio.CancelledError:  # the server stops
            await self.threads.fail_run(answer)
            raise
        finally:
            self.threads.alive.discard(answer)

    async def _events(
        self, thread: ck.ThreadMetadata, text: str, id: str, user: str
    ) -> AsyncIterator[ck.ThreadStreamEvent]:
        loop = asyncio.get_running_loop()
        reports: asyncio.Queue[str | None] = asyncio.Queue()

        def report(text: str) -> None:
            # By way of the event loop, so that a run may report from its own threads as well.
            loop.call_soon_threadsafe(reports.put_nowait, text)

        item = ck.WorkflowItem(
            id=self.store.generate_item_id("workflow", thread, user),
            thread_id=thread.id,
            created_at=datetime.now(),
            workflow=ck.Workflow(type="custom", tasks=[]),
        )
        started = monotonic()
        running = asyncio.create_task(self._execute(text, report))
        running.add_done_callback(lambda _: reports.put_nowait(None))
        try:
            yield ck.ThreadItemAddedEvent(item=item)
            while (reported := await reports.get()) is not None:
                yield ck.ProgressUpdateEvent(icon="agent", text=reported)
                for event in _next_task(item, reported):
                    yield event
            for event in _next_task(item, None):
                yield event
            item.workflow.summary = ck.DurationSummary(duration=round(monotonic() - started))
            yield ck.ThreadItemDoneEvent(item=item)
            answer = running.result()
            if answer.earlier.strip():
                earlier_id = self.store.generate_item_id("message", thread, user)
                message = assistant_message(earlier_id, thread.id, answer.earlier)
                yield ck.ThreadItemDoneEvent(item=message)
            message = assistant_message(id, thread.id, answer.text)
            yield ck.ThreadItemDoneEvent(item=message)
            if answer.failure:
                raise CustomStreamError(answer.failure)
        finally:
            running.cancel()

    async def _execute(self, text: str, report: Callable[[str], None]) -> Answer:
        if self._places.locked():
            report(f"Queued, with {self._queued} runs ahead")
        self._queued += 1
        try:
            await self._places.acquire()
        finally:
            self._queued -= 1
        try:
            return await execute(self._run, text, report, self.settings.run_timeout)
        finally:
            self._places.release()

    async def handle_stream_cancelled(
        self, thread: ck.ThreadMetadata, pending_items: list[ck.ThreadItem], context: str
    ) -> None:
        """Store nothing: only the end of this server cancels a run, and ``respond`` says so."""

    def get_stream_options(self, thread: ck.ThreadMetadata, context: str) -> ck.StreamOptions:
        """Offer no stop button, since hanging up does not stop a run."""
        return ck.StreamOptions(allow_cancel=False)


def _next_task(item: ck.WorkflowItem, title: str | None) -> Iterator[ck.ThreadStreamEvent]:
    """End the last task of a workflow item, and begin the next one if there is one."""
    tasks = item.workflow.tasks
    if tasks:
        tasks[-1].status_indicator = "complete"
        done = ck.WorkflowTaskUpdated(task_index=len(tasks) - 1, task=tasks[-1])
        yield ck.ThreadItemUpdatedEvent(item_id=item.id, update=done)
    if title is not None:
        tasks.append(ck.CustomTask(title=title, status_indicator="loading"))
        added = ck.WorkflowTaskAdded(task_index=len(tasks) - 1, task=tasks[-1])
        yield ck.ThreadItemUpdatedEvent(item_id=item.id, update=added)
