"""A run as ChatKit's events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from time import monotonic

from chatkit import types as ck
from chatkit.errors import CustomStreamError
from chatkit.server import ChatKitServer

from ._runs import Runs
from ._storage import ThreadStore, answer_id, assistant_message
from ._workflows import Answer, Run, execute


class WorkflowServer(ChatKitServer[str]):
    """ChatKit's protocol around one workflow. The context of a request is its user."""

    def __init__(self, threads: ThreadStore, runs: Runs, run: Run, timeout: float) -> None:
        super().__init__(threads)
        self._threads = threads
        self._runs = runs
        self._run = run
        self._timeout = timeout

    async def respond(
        self, thread: ck.ThreadMetadata, input_user_message: ck.UserMessageItem | None, context: str
    ) -> AsyncIterator[ck.ThreadStreamEvent]:
        """Run the workflow. The base class stores every item that is done, and so the answer."""
        assert input_user_message is not None  # only requests with a message are served
        answer = answer_id(input_user_message.id)
        self._threads.alive.add(answer)
        try:
            text = "".join(part.text for part in input_user_message.content)
            async for event in self._events(thread, text, answer, context):
                yield event
        except asyncio.CancelledError:  # the server stops
            await self._threads.fail_run(answer)
            raise
        finally:
            self._threads.alive.discard(answer)

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
            while (title := await reports.get()) is not None:
                yield ck.ProgressUpdateEvent(icon="agent", text=title)
                for event in _next_task(item, title):
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
        places = self._runs.places
        if places.available_tokens < 1:
            report(f"Queued, with {places.statistics().tasks_waiting} runs ahead")
        async with places:
            return await execute(self._run, text, report, self._timeout)

    async def handle_stream_cancelled(
        self, thread: ck.ThreadMetadata, pending_items: list[ck.ThreadItem], context: str
    ) -> None:
        """Store nothing: only a stop of the server cancels a run, and ``respond`` says so."""

    def get_stream_options(self, thread: ck.ThreadMetadata, context: str) -> ck.StreamOptions:
        """Offer no stop button, since hanging up does not stop a run."""
        return ck.StreamOptions(allow_cancel=False)


def _next_task(item: ck.WorkflowItem, title: str | None) -> Iterator[ck.ThreadStreamEvent]:
    """End the last task of a workflow item, and begin the next one if it has a title."""
    tasks = item.workflow.tasks
    if tasks:
        tasks[-1].status_indicator = "complete"
        done = ck.WorkflowTaskUpdated(task_index=len(tasks) - 1, task=tasks[-1])
        yield ck.ThreadItemUpdatedEvent(item_id=item.id, update=done)
    if title is not None:
        tasks.append(ck.CustomTask(title=title, status_indicator="loading"))
        added = ck.WorkflowTaskAdded(task_index=len(tasks) - 1, task=tasks[-1])
        yield ck.ThreadItemUpdatedEvent(item_id=item.id, update=added)
