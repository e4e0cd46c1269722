"""Lists of the API, page after page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from .._effects import Operation
from .._json import as_object, is_list
from .api import Api, PageRequest
from .listing import SessionMessage, direction, newest_first, read_message
from .responses import unusable

MOST_PAGES = 100
"""The largest number of pages that are read for one look."""
LARGEST_PAGE = 100
"""The largest page that the API gives."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: ``entries`` is ``None`` if it is no list, ``after`` on the last one.

    Its repr, and so a traceback, has none of the athlete's data.
    """

    entries: list[object] | None = field(repr=False)
    after: str | None


def read_page(body: Mapping[str, Any], before: object, *, strict: bool) -> Page:
    """Read a page."""
    data: object = body.get("data")
    if data is None and before is None and not strict:
        # Only a first page without data means "not yet"; a later one has failed.
        data = []
    if body.get("error") or not is_list(data):
        return Page(None, None)
    entries = cast("list[object]", data)
    last = as_object(entries[-1]) if entries else {}
    after = body.get("after") or body.get("last_id") or last.get("id")
    more = body.get("has_more") and isinstance(after, str) and after not in ("", before)
    return Page(entries, after if more else None)


def _read_pages(
    api: Api,
    request: PageRequest,
    limit: int,
    enough: Callable[[list[SessionMessage]], bool],
    strict: bool,
) -> Operation[tuple[list[SessionMessage], bool]]:
    """The entries of a list until they are enough, and whether the list is complete."""
    messages: list[SessionMessage] = []
    query: dict[str, str | int] = {"limit": limit, "order": "desc"}
    for _ in range(MOST_PAGES):
        response = yield from api.fetch(request(query))
        page = read_page(api.json(response), query.get("after"), strict=strict)
        if page.entries is None:
            raise unusable(response, "something that is no list")
        messages += map(read_message, page.entries)
        if page.after is None:
            return messages, True
        if enough(messages):
            break
        query["after"] = page.after
    return messages, False


def read_new(api: Api, request: PageRequest) -> Operation[list[SessionMessage]]:
    """The entries of a list, newest first, at least the newest ones."""

    def enough(messages: list[SessionMessage]) -> bool:
        # Only times that fall prove that the newest entries are on the first page.
        return direction(messages) < 0

    messages, complete = yield from _read_pages(api, request, LARGEST_PAGE, enough, True)
    return newest_first(messages, None, complete=complete)


def read_back_to(
    api: Api, request: PageRequest, message_id: str | None, limit: int, *, strict: bool = True
) -> Operation[list[SessionMessage]]:
    """The newest messages, at least back to a message of the user (``None``: the newest one)."""

    def enough(messages: list[SessionMessage]) -> bool:
        return direction(messages) <= 0 and any(
            message.role == "user" and message_id in (None, message.id) for message in messages
        )

    messages, complete = yield from _read_pages(api, request, limit, enough, strict)
    return newest_first(messages, message_id, complete=complete)
