"""A run as ChatKit's events."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable

import anyio
from chatkit import types as ck
from chatkit.errors import CustomStreamError
from chatkit.server import ChatKitServer

from ._settings import ServerSettings
from ._storage import ANSWER, ThreadStore, assistant_message
from ._workflows import Answer, Run, execute


class WorkflowServer(ChatKitServer[str]):
    """ChatKit's protocol around one workflow. The context of a request is its user."""

    def __init__(self, threads: ThreadStore, run: Run, settings: ServerSettings) -> None:
        super().__init__(threads)
        self._threads = threads
        self._run = run
        self._timeout = settings.run_timeout
        self._places = anyio.CapacityLimiter(settings.max_runs or math.inf)

    async def respond(
        self, thread: ck.ThreadMetadata, input_user_message: ck.UserMessageItem | None, context: str
    ) -> AsyncIterator[ck.ThreadStreamEvent]:
        """Run the workflow. The base class stores every item that is done, and so the answer."""
        assert input_user_message is not None  # only requests with a message are served
        message_id = input_user_message.id
        loop = asyncio.get_running_loop()
        reports: asyncio.Queue[str | None] = asyncio.Queue()

        def report(text: str) -> None:
            # By way of the event loop, so that a run may report from its own threads as well.
            loop.call_soon_threadsafe(reports.put_nowait, text)

        text = "".join(part.text for part in input_user_message.content)
        self._threads.alive.add(message_id)
        running = asyncio.create_task(self._answer(text, report))
        running.add_done_callback(lambda _: reports.put_nowait(None))
        try:
            while (progress := await reports.get()) is not None:
                yield ck.ProgressUpdateEvent(icon="agent", text=progress)
            answer = running.result()
            if answer.earlier:
                earlier_id = self.store.generate_item_id("message", thread, context)
                item = assistant_message(earlier_id, thread.id, answer.earlier)
                yield ck.ThreadItemDoneEvent(item=item)
            item = assistant_message(message_id + ANSWER, thread.id, answer.text)
            yield ck.ThreadItemDoneEvent(item=item)
            if answer.failure:
                raise CustomStreamError(answer.failure)
        except (Exception, asyncio.CancelledError):  # cancelled: the server stops
            await self._threads.fail_run(message_id)
            raise
        finally:
            self._threads.alive.discard(message_id)
            running.cancel()

    async def _answer(self, text: str, report: Callable[[str], None]) -> Answer:
        if self._places.available_tokens < 1:
            report(f"Queued, with {self._places.statistics().tasks_waiting} runs ahead")
        async with self._places:
            return await execute(self._run, text, report, self._timeout)

    async def handle_stream_cancelled(
        self, thread: ck.ThreadMetadata, pending_items: list[ck.ThreadItem], context: str
    ) -> None:
        """Store nothing: only a stop of the server cancels a run, and ``respond`` says so."""

    def get_stream_options(self, thread: ck.ThreadMetadata, context: str) -> ck.StreamOptions:
        """Offer no stop button, since hanging up does not stop a run."""
        return ck.StreamOptions(allow_cancel=False)
