"""Lists of the API, page after page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from .._effects import Operation, Request
from .api import Api
from .listing import Listing, SessionMessage, newest_first, read_listing, read_message
from .responses import unusable

MOST_PAGES = 100
"""The largest number of pages that are read for one look."""

Page: TypeAlias = Mapping[str, str | int]
"""``limit``, ``order`` and ``after`` of a page."""


def read_entries(
    api: Api,
    request: Callable[[Page], Request],
    limit: int,
    enough: Callable[[list[object]], bool],
    *,
    strict: bool = True,
) -> Operation[list[object]]:
    """The entries of a list, as the server orders them.

    Args:
        api: The API.
        request: Makes the request for a page.
        limit: The size of a page.
        enough: Whether a list that begins with these entries need not be read further.
        strict: Whether a page without ``data`` is an error. It is no proof of an empty list, but
            while a run is waited for, the session messages protocol has it for "not yet".

    Raises:
        APIStatusError: A page is not a list.
    """
    entries: list[object] = []
    page: dict[str, str | int] = {"limit": limit, "order": "desc"}
    for _ in range(MOST_PAGES):
        response = yield from api.fetch(request(page))
        body = api.json(response)
        data = body.get("data")
        if data is None and not strict and "error" not in body:
            data = []
        if not isinstance(data, list):
            raise unusable(response, "something that is no list")
        entries += cast("list[object]", data)
        after = next_page(body, cast("str | None", page.get("after")))
        if after is None or enough(entries):
            break
        page["after"] = after
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
        listing = read_listing({"data": entries})
        return (
            listing is not None
            and not _ascending(entries)
            and any(
                message.role == "user" and message_id in (None, message.id)
                for message in listing.messages
            )
        )

    entries = yield from read_entries(api, request, limit, enough, strict=strict)
    listing = read_listing({"data": entries})
    return Listing([]) if listing is None else listing


OTHER_ROLES = frozenset(
    {
        *("assistant", "system", "developer", "tool", "task", "task_group", "workflow", "widget"),
        *("client_tool_call", "structured_input", "end_of_turn", "generated_image"),
        *("hidden_context_item", "sdk_hidden_context"),
    }
)
"""The roles and item types that are known not to be a message of the user."""


def all_messages(entries: list[object]) -> list[SessionMessage]:
    """Every entry as a message, newest first, also those that can't be read."""
    messages: list[SessionMessage] = []
    for entry in entries:
        fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        kind = str(fields.get("role") or fields.get("type") or "")
        role = kind.removeprefix("chatkit.")
        messages.append(read_message(fields, role.removesuffix("_message")))
    return newest_first(messages)


def is_newest_first(entries: list[object]) -> bool:
    """Whether the times of the entries prove that the newest ones come first."""
    times = _times(entries)
    return times is not None and times[0] > times[1]


def _ascending(entries: list[object]) -> bool:
    times = _times(entries)
    return times is not None and times[0] < times[1]


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
