"""Lists of the API, page after page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from .._effects import Operation
from .._json import as_object, is_list
from .api import Api, PageRequest, Query
from .listing import SessionMessage, direction, newest_first, read_message
from .responses import unusable

T = TypeVar("T")

MOST_PAGES = 100
"""The largest number of pages of a list that are read at once."""
LARGEST_PAGE = 100
"""The largest page that the API gives."""


class Pages(Generic[T]):
    """A list that is read page after page.

    Args:
        read: Reads an entry; raises a ``ValidationError`` if the entry has the wrong form.
        strict: Whether a first page without ``data`` is an error, and not an empty list.

    Attributes:
        more: Whether there may be another page.
    """

    def __init__(
        self,
        api: Api,
        request: PageRequest,
        read: Callable[[object], T],
        query: Query,
        *,
        strict: bool = False,
    ) -> None:
        self._api = api
        self._request = request
        self._read = read
        self._query: dict[str, str | int] = dict(query)
        self._strict = strict
        self.more: bool = True

    def next(self, *, retried: bool = True) -> Operation[list[T]]:
        """Request the next page."""
        api, request = self._api, partial(self._request, self._query)
        response = yield from api.retry(request) if retried else api.fetch(request())
        entries = self._take(api.json(response))
        # Raised here: in ``_take``, the variables hold the body.
        if isinstance(entries, ValidationError):
            content = "a list with an invalid entry"
            raise unusable(response, content) from entries.with_traceback(None)
        if entries is None:
            raise unusable(response, "JSON that is not a list")
        return entries

    def _take(self, body: Mapping[str, Any]) -> list[T] | ValidationError | None:
        """The entries of a page; ``None`` if it is not a list."""
        data, before = body.get("data"), self._query.get("after")
        if data is None and before is None and not self._strict:
            # A first page without data means "not yet". A later one is an error.
            data = []
        if body.get("error") or not is_list(data):  # pyright: ignore[reportUnknownArgumentType]
            return None
        try:
            entries = [self._read(entry) for entry in data]
        except ValidationError as error:
            return error
        last = as_object(data[-1]) if data else {}
        after = body.get("after") or body.get("last_id") or last.get("id")
        self.more = False
        if body.get("has_more") and isinstance(after, str) and after not in ("", before):
            self.more, self._query["after"] = True, after
        return entries


def _read_pages(
    pages: Pages[SessionMessage], enough: Callable[[list[SessionMessage]], bool]
) -> Operation[list[SessionMessage]]:
    """The entries of a list until they are enough."""
    messages: list[SessionMessage] = []
    for _ in range(MOST_PAGES):
        messages += yield from pages.next(retried=False)
        if not pages.more or enough(messages):
            break
    return messages


def read_new(api: Api, request: PageRequest) -> Operation[list[SessionMessage]]:
    """The newest entries of a list, newest first."""
    query: Query = {"limit": LARGEST_PAGE, "order": "desc"}
    pages = Pages(api, request, read_message, query, strict=True)
    # Only times that fall prove that the newest entries are on the first page.
    messages = yield from _read_pages(pages, lambda messages: direction(messages) < 0)
    return newest_first(messages, None, complete=not pages.more)


def read_back_to(
    api: Api, request: PageRequest, message_id: str | None, limit: int, *, strict: bool = True
) -> Operation[list[SessionMessage]]:
    """The newest messages, back to a user message or beyond it (``None``: the newest one)."""

    def enough(messages: list[SessionMessage]) -> bool:
        return direction(messages) <= 0 and any(
            message.role == "user" and message_id in (None, message.id) for message in messages
        )

    query: Query = {"limit": limit, "order": "desc"}
    pages = Pages(api, request, read_message, query, strict=strict)
    messages = yield from _read_pages(pages, enough)
    return newest_first(messages, message_id, complete=not pages.more)
