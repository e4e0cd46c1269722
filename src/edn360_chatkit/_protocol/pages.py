"""Lists of the API, page after page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from .._effects import Operation, Request
from .api import Api
from .listing import Listing, SessionMessage, newest_first, read_message
from .responses import unusable

MOST_PAGES = 100
"""The largest number of pages that are read for one look."""

Page: TypeAlias = Mapping[str, str | int]
"""``limit``, ``order`` and ``after`` of a page."""


@dataclass(slots=True)
class Entries:
    """The entries of a list so far, in no repr and so in no traceback.

    Attributes:
        items: The entries.
        after: Where the next page begins; ``None`` after the last one.
    """

    items: list[object] = field(default_factory=list[object], repr=False)
    after: str | None = None

    def add(self, page: Mapping[str, Any], *, strict: bool) -> bool:
        """Add a page; ``False`` if it is not a list."""
        data = page.get("data")
        if data is None and not strict and not self.items:
            # Only a first page without data means "not yet"; a later one has failed.
            data = []
        if page.get("error") or not isinstance(data, list):
            return False
        self.items += cast("list[object]", data)
        self.after = next_page(page, self.after)
        return True

    def objects(self) -> list[dict[str, Any]]:
        """The entries that are JSON objects."""
        return [cast("dict[str, Any]", entry) for entry in self.items if isinstance(entry, dict)]


def read_entries(
    api: Api,
    request: Callable[[Page], Request],
    limit: int,
    enough: Callable[[list[object]], bool],
    *,
    strict: bool = True,
) -> Operation[Entries]:
    """The entries of a list in the server's order.

    Args:
        api: The API.
        request: Makes the request for a page.
        limit: The size of a page.
        enough: Whether a list that begins with these entries need not be read further.
        strict: Whether a page without ``data`` is an error. In a poll it means "not yet".

    Raises:
        APIStatusError: A page is not a list.
    """
    entries = Entries()
    page: dict[str, str | int] = {"limit": limit, "order": "desc"}
    for _ in range(MOST_PAGES):
        response = yield from api.fetch(request(page))
        if not entries.add(api.json(response), strict=strict):
            raise unusable(response, "something that is no list")
        if entries.after is None or enough(entries.items):
            break
        page["after"] = entries.after
    return entries


def read_messages(
    api: Api,
    request: Callable[[Page], Request],
    message_id: str | None,
    limit: int,
    *,
    strict: bool = True,
) -> Operation[Listing]:
    """The newest messages of a session or thread, at least back to a message of the user.

    Args:
        api: The API.
        request: Makes the request for a page.
        message_id: The user's message; ``None`` for the newest one.
        limit: The size of a page.
        strict: See :func:`read_entries`.
    """

    def enough(entries: list[object]) -> bool:
        times = _times(entries)
        ascending = times is not None and times[0] < times[1]
        users = [message for message in map(read_message, entries) if message is not None]
        return not ascending and any(
            message.role == "user" and message_id in (None, message.id) for message in users
        )

    entries = yield from read_entries(api, request, limit, enough, strict=strict)
    messages = [message for message in map(read_message, entries.items) if message is not None]
    return Listing(newest_first(messages, message_id, complete=entries.after is None))


def read_all_messages(
    api: Api, request: Callable[[Page], Request], limit: int
) -> Operation[list[SessionMessage]]:
    """Every entry of a list as a message, newest first; also those that are no messages.

    Only times that fall prove that the newest entries are on the first page.
    """
    entries = yield from read_entries(api, request, limit, is_newest_first)
    others = SessionMessage(None, "client", "")
    messages = [read_message(entry) or others for entry in entries.items]
    return newest_first(messages, complete=entries.after is None)


def is_newest_first(entries: list[object]) -> bool:
    """Whether the times of the entries prove that the newest ones come first."""
    times = _times(entries)
    return times is not None and times[0] > times[1]


def _times(entries: list[object]) -> tuple[Any, Any] | None:
    """When the first and the last entry were made, if the server says so in one format."""
    ends = (entries[0], entries[-1]) if entries else ()
    times = [cast("dict[str, Any]", e).get("created_at") for e in ends if isinstance(e, dict)]
    for kind in (str, (int, float)):
        if len(times) == 2 and all(isinstance(time, kind) for time in times):
            return times[0], times[1]
    return None


def next_page(page: Mapping[str, Any], before: str | None) -> str | None:
    """Where the next page begins; ``None`` after the last, or if the server repeats a page."""
    data = page.get("data")
    last = cast("list[object]", data)[-1] if isinstance(data, list) and data else None
    last_id = cast("dict[str, Any]", last).get("id") if isinstance(last, dict) else None
    after = page.get("after") or page.get("last_id") or last_id
    if not page.get("has_more") or not isinstance(after, str) or after in ("", before):
        return None
    return after
