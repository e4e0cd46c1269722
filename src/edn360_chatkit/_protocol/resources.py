"""The official endpoints of sessions and threads, in the manner of OpenAI's client.

A self-hosted server has no such endpoints; the thread protocol has requests for the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Generic, Literal, TypeAlias, TypeVar

from pydantic import ValidationError

from .._config import checked_choice, checked_count
from .._effects import Operation
from .._json import is_object
from ..errors import InvalidInputError
from ..models.base import OpenModel
from ..models.session import ChatSession
from ..models.thread import Thread, ThreadDeleted, ThreadItem
from .api import Api, PageRequest
from .inputs import segment
from .pages import LARGEST_PAGE, read_page
from .responses import unusable

M = TypeVar("M", bound=OpenModel)
Order: TypeAlias = Literal["asc", "desc"]


def cancel_session(api: Api, session_id: str) -> Operation[ChatSession]:
    """``POST /sessions/{id}/cancel``."""
    path = f"/sessions/{segment('session', session_id)}/cancel"
    return (yield from _one(api, partial(api.rest_request, "POST", path), ChatSession))


def retrieve_thread(api: Api, thread_id: str, user: str | None) -> Operation[Thread]:
    """``GET /threads/{id}``, or ``threads.get_by_id``."""
    return (yield from _one(api, api.lookup("threads.get_by_id", user, thread_id), Thread))


def delete_thread(api: Api, thread_id: str, user: str | None) -> Operation[ThreadDeleted]:
    """``DELETE /threads/{id}``, or ``threads.delete``, whose answer may be empty."""
    request = api.lookup("threads.delete", user, thread_id)
    return (yield from _one(api, request, ThreadDeleted, {"id": thread_id} if api.own else {}))


def _one(
    api: Api, request: PageRequest, model: type[M], defaults: Mapping[str, str] = {}
) -> Operation[M]:
    response = yield from api.retry(lambda: request({}))
    try:
        return model.model_validate({**defaults, **api.json(response)})
    except ValidationError as error:
        # Without its frames, which hold the body.
        raise unusable(response, f"no {model.__name__}") from error.with_traceback(None)


def thread_pages(api: Api, user: str | None, limit: int, order: Order) -> Pages[Thread]:
    """``GET /threads`` or ``threads.list``."""
    return Pages(api, api.lookup("threads.list", user, None), Thread, limit, order)


def item_pages(
    api: Api, thread_id: str, user: str | None, limit: int, order: Order
) -> Pages[ThreadItem]:
    """``GET /threads/{id}/items`` or ``items.list``."""
    return Pages(api, api.lookup("items.list", user, thread_id), ThreadItem, limit, order)


class Pages(Generic[M]):
    """A list that is read page after page.

    Attributes:
        more: Whether there may be another page.
    """

    def __init__(
        self, api: Api, request: PageRequest, model: type[M], limit: object, order: object
    ) -> None:
        limit = checked_count("limit", limit, most=LARGEST_PAGE, error=InvalidInputError)
        checked_choice("order", order, ("asc", "desc"), InvalidInputError)
        self._api = api
        self._request = request
        self._model = model
        self._query: dict[str, str | int] = {"limit": limit, "order": str(order)}
        self.more: bool = True

    def next(self) -> Operation[list[M]]:
        """Ask for the next page."""
        response = yield from self._api.retry(lambda: self._request(self._query))
        page = read_page(self._api.json(response), self._query.get("after"), strict=False)
        try:
            entries = filter(is_object, page.entries or ())
            models = [self._model.model_validate(entry) for entry in entries]
        except ValidationError as error:
            kind = "a list with an entry of another kind"
            # Without its frames, which hold the entry.
            raise unusable(response, kind) from error.with_traceback(None)
        self.more = page.after is not None
        if page.after is not None:
            self._query["after"] = page.after
        return models
