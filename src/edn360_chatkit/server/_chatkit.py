"""The events of a run, in ChatKit's form."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator

import anyio
from chatkit import types as ck
from chatkit.server import ChatKitServer

from ._settings import ServerSettings
from ._storage import ANSWER_SUFFIX, ThreadStore, assistant_message
from ._workflows import Answer, Run, execute


class WorkflowServer(ChatKitServer[str]):
    """ChatKit's protocol around a workflow. The context of a request is its user."""

    def __init__(self, threads: ThreadStore, run: Run, settings: ServerSettings) -> None:
        super().__init__(threads)
        self._threads = threads
        self._run = run
        self._timeout = settings.run_timeout
        self._places = anyio.CapacityLimiter(settings.max_runs or math.inf)

    async def respond(
        self, thread: ck.ThreadMetadata, input_user_message: ck.UserMessageItem | None, context: str
    ) -> AsyncIterator[ck.ThreadStreamEvent]:
        """Run the workflow. The base class stores the item of each ``ThreadItemDoneEvent``."""
        assert input_user_message is not None  # requests without a message are refused
        message_id = input_user_message.id
        text = "".join(part.text for part in input_user_message.content)
        self._threads.own_runs.add(message_id)
        step: str | Answer = ""
        try:
            async for step in self._execute(text):
                if isinstance(step, str):
                    yield ck.ProgressUpdateEvent(icon="agent", text=step)
            assert isinstance(step, Answer)  # the last step
            if step.earlier_text:
                earlier_id = self.store.generate_item_id("message", thread, context)
                yield _message(earlier_id, thread, step.earlier_text)
            yield _message(message_id + ANSWER_SUFFIX, thread, step.text)
            if step.failure:
                yield ck.ErrorEvent(code="custom", message=step.failure, allow_retry=False)
        except (Exception, asyncio.CancelledError):  # the server stops and cancels the run
            await self._threads.fail_run(message_id)
            raise
        finally:
            self._threads.own_runs.discard(message_id)

    async def _execute(self, text: str) -> AsyncIterator[str | Answer]:
        """Wait for a place, and run the workflow."""
        if self._places.available_tokens < 1:
            yield f"In the queue. Waiting runs ahead: {self._places.statistics().tasks_waiting}"
        async with self._places:
            async for step in execute(self._run, text, self._timeout):
                yield step

    async def handle_stream_cancelled(
        self, thread: ck.ThreadMetadata, pending_items: list[ck.ThreadItem], context: str
    ) -> None:
        """Store no item: only a stop of the server cancels a run, and ``respond`` stores that."""

    def get_stream_options(self, thread: ck.ThreadMetadata, context: str) -> ck.StreamOptions:
        """Offer no stop button, because a hang-up does not stop a run."""
        return ck.StreamOptions(allow_cancel=False)


def _message(id: str, thread: ck.ThreadMetadata, text: str) -> ck.ThreadItemDoneEvent:
    return ck.ThreadItemDoneEvent(item=assistant_message(id, thread.id, text))
