"""The runs of a process, and their end when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from time import monotonic


class Runs:
    """The runs of a process.

    Attributes:
        tasks: The runs under way, those in the queue included. They outlive their requests.
        deadline: When the runs must have ended, by ``time.monotonic``; ``None`` while the server
            is not stopping.
    """

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.deadline: float | None = None

    def start(
        self, stream: AsyncIterable[bytes]
    ) -> tuple[asyncio.Task[None], asyncio.Queue[bytes]]:
        """Read a run's stream to its end in a task, with or without a listener.

        The queue gets the stream's chunks, and an empty one at the end. It must be one task:
        ChatKit's stream sets context variables, and resets them at its end.
        """
        chunks: asyncio.Queue[bytes] = asyncio.Queue()

        async def read() -> None:
            async for chunk in stream:
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

    async def end(self) -> None:
        """Wait until the deadline, then cancel the rest; their threads say so."""
        while not self.is_drained:
            await asyncio.sleep(0.05)
        late = list(self.tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
