"""The official REST endpoints, as ``client.sessions`` and ``client.threads``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar

from ._protocol import resources
from ._protocol.api import Api
from ._protocol.pages import Pages
from ._protocol.resources import Order
from ._transport import AsyncDriver, SyncDriver
from .models.base import OpenModel
from .models.session import ChatSession
from .models.thread import Thread, ThreadDeleted, ThreadItem

M = TypeVar("M", bound=OpenModel)
D = TypeVar("D")


def _iterate(driver: SyncDriver, pages: Pages[M]) -> Iterator[M]:
    while pages.more:
        yield from driver.run(pages.next())


async def _aiterate(driver: AsyncDriver, pages: Pages[M]) -> AsyncIterator[M]:
    while pages.more:
        for entry in await driver.run(pages.next()):
            yield entry


class _Endpoints(Generic[D]):
    def __init__(self, api: Api, driver: D) -> None:
        self._api = api
        self._driver = driver


class Sessions(_Endpoints[SyncDriver]):
    """Sessions of OpenAI's ChatKit API, in addition to ``client.create_session``."""

    def cancel(self, session_id: str) -> ChatSession:
        """Cancel a session. Its client secret is invalid afterwards.

        Args:
            session_id: The session's id.

        Returns:
            The session with its new status.

        Raises:
            SessionNotFoundError: The session does not exist.
            APIError: The request failed.
        """
        return self._driver.run(resources.cancel_session(self._api, session_id))


class Threads(_Endpoints[SyncDriver]):
    """Threads of OpenAI's ChatKit API, or of a self-hosted server.

    A self-hosted server keeps the threads of its users apart: each method needs ``user`` there.
    OpenAI's API takes it for :meth:`list` only.
    """

    def list(
        self, *, user: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> Iterator[Thread]:
        """Iterate over threads. The next page is requested when it is needed.

        Args:
            user: Only the threads of this end user.
            limit: The number of threads on a page, 1 to 100.
            order: ``"desc"`` for newest first, or ``"asc"``.

        Raises:
            InvalidInputError: An argument is invalid.
            APIError: A request failed.
        """
        return _iterate(self._driver, resources.thread_pages(self._api, user, limit, order))

    def retrieve(self, thread_id: str, *, user: str | None = None) -> Thread:
        """Retrieve a thread by its id."""
        return self._driver.run(resources.retrieve_thread(self._api, thread_id, user))

    def delete(self, thread_id: str, *, user: str | None = None) -> ThreadDeleted:
        """Delete a thread with its items."""
        return self._driver.run(resources.delete_thread(self._api, thread_id, user))

    def items(
        self, thread_id: str, *, user: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> Iterator[ThreadItem]:
        """Iterate over a thread's items, as :meth:`list` does over threads."""
        pages = resources.item_pages(self._api, thread_id, user, limit, order)
        return _iterate(self._driver, pages)


class AsyncSessions(_Endpoints[AsyncDriver]):
    """:class:`Sessions` for ``await``."""

    async def cancel(self, session_id: str) -> ChatSession:
        """Cancel a session; see :meth:`Sessions.cancel`."""
        return await self._driver.run(resources.cancel_session(self._api, session_id))


class AsyncThreads(_Endpoints[AsyncDriver]):
    """:class:`Threads` for ``await``; ``list`` and ``items`` are for ``async for``."""

    def list(
        self, *, user: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> AsyncIterator[Thread]:
        """Iterate over threads; see :meth:`Threads.list`."""
        return _aiterate(self._driver, resources.thread_pages(self._api, user, limit, order))

    async def retrieve(self, thread_id: str, *, user: str | None = None) -> Thread:
        """Retrieve a thread by its id."""
        return await self._driver.run(resources.retrieve_thread(self._api, thread_id, user))

    async def delete(self, thread_id: str, *, user: str | None = None) -> ThreadDeleted:
        """Delete a thread with its items."""
        return await self._driver.run(resources.delete_thread(self._api, thread_id, user))

    def items(
        self, thread_id: str, *, user: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> AsyncIterator[ThreadItem]:
        """Iterate over a thread's items; see :meth:`Threads.items`."""
        pages = resources.item_pages(self._api, thread_id, user, limit, order)
        return _aiterate(self._driver, pages)
