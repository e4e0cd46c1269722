"""The official REST endpoints, as ``client.sessions`` and ``client.threads``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import cast

from ._config import Config
from ._effects import Operation
from ._protocol import resources
from ._protocol.resources import Order
from ._transport import AsyncDriver, SyncDriver
from .models.session import ChatSession
from .models.thread import Thread, ThreadDeleted, ThreadItem

# Generators of their own, so that what they were asked for is in no variable of theirs.


def _each(driver: SyncDriver, operation: Operation[None]) -> Iterator[object]:
    with driver.watch(operation) as run:
        yield from run


async def _each_async(driver: AsyncDriver, operation: Operation[None]) -> AsyncIterator[object]:
    async with driver.watch(operation) as run:
        async for found in run:
            yield found


class Sessions:
    """Sessions of the ChatKit API, beside ``client.create_session``."""

    def __init__(self, config: Config, driver: SyncDriver) -> None:
        self._config = config
        self._driver = driver

    def cancel(self, session_id: str) -> ChatSession:
        """Cancel a session, so that its client secret is of no use any more.

        Args:
            session_id: The session's id.

        Returns:
            The session, as it is now.

        Raises:
            SessionNotFoundError: There is no such session.
            APIError: The request failed.
        """
        return self._driver.run(resources.cancel_session(self._config, session_id))


class Threads:
    """Threads of the ChatKit API, or of a self-hosted server, by ChatKit's thread protocol.

    A self-hosted server keeps the threads of its users apart, so there each call needs ``user``;
    the API takes it for :meth:`list` and does without it elsewhere.
    """

    def __init__(self, config: Config, driver: SyncDriver) -> None:
        self._config = config
        self._driver = driver

    def list(
        self, *, user: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> Iterator[Thread]:
        """Iterate over threads, page after page; a page is asked for when it is needed.

        Args:
            user: Only the threads of this end user, such as a session's ``user``.
            limit: How many a page has, 1 to 100.
            order: ``"desc"`` for the newest first, or ``"asc"``.

        Raises:
            InvalidInputError: An argument is wrong; nothing was sent.
            APIError: A request failed.
        """
        operation = resources.list_threads(self._config, user, limit, order)
        return cast("Iterator[Thread]", _each(self._driver, operation))

    def retrieve(self, thread_id: str, *, user: str | None = None) -> Thread:
        """Ask for one thread."""
        return self._driver.run(resources.retrieve_thread(self._config, thread_id, user))

    def delete(self, thread_id: str, *, user: str | None = None) -> ThreadDeleted:
        """Delete a thread with all its items."""
        return self._driver.run(resources.delete_thread(self._config, thread_id, user))

    def items(
        self,
        thread_id: str,
        *,
        user: str | None = None,
        limit: int = 20,
        order: Order = "desc",
    ) -> Iterator[ThreadItem]:
        """Iterate over a thread's items, page after page; as :meth:`list` does over threads."""
        operation = resources.list_items(self._config, thread_id, user, limit, order)
        return cast("Iterator[ThreadItem]", _each(self._driver, operation))


class AsyncSessions:
    """:class:`Sessions`, awaited."""

    def __init__(self, config: Config, driver: AsyncDriver) -> None:
        self._config = config
        self._driver = driver

    async def cancel(self, session_id: str) -> ChatSession:
        """Cancel a session; see :meth:`Sessions.cancel`."""
        return await self._driver.run(resources.cancel_session(self._config, session_id))


class AsyncThreads:
    """:class:`Threads`, awaited; ``list`` and ``items`` are for ``async for``."""

    def __init__(self, config: Config, driver: AsyncDriver) -> None:
        self._config = config
        self._driver = driver

    def list(
        self, *, user: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> AsyncIterator[Thread]:
        """Iterate over threads; see :meth:`Threads.list`."""
        operation = resources.list_threads(self._config, user, limit, order)
        return cast("AsyncIterator[Thread]", _each_async(self._driver, operation))

    async def retrieve(self, thread_id: str, *, user: str | None = None) -> Thread:
        """Ask for one thread."""
        return await self._driver.run(resources.retrieve_thread(self._config, thread_id, user))

    async def delete(self, thread_id: str, *, user: str | None = None) -> ThreadDeleted:
        """Delete a thread with all its items."""
        return await self._driver.run(resources.delete_thread(self._config, thread_id, user))

    def items(
        self,
        thread_id: str,
        *,
        user: str | None = None,
        limit: int = 20,
        order: Order = "desc",
    ) -> AsyncIterator[ThreadItem]:
        """Iterate over a thread's items; see :meth:`Threads.items`."""
        operation = resources.list_items(self._config, thread_id, user, limit, order)
        return cast("AsyncIterator[ThreadItem]", _each_async(self._driver, operation))
