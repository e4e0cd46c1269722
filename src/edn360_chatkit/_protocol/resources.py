"""The official endpoints of sessions and threads, in the manner of OpenAI's client.

A self-hosted server has no such endpoints; the thread protocol has requests for the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, Literal, TypeAlias, TypeVar, cast

from pydantic import ValidationError

from .._config import checked_choice
from .._effects import Operation, Request
from ..errors import InvalidInputError
from ..models.base import OpenModel
from ..models.session import ChatSession
from ..models.thread import Thread, ThreadDeleted, ThreadItem
from .api import Api
from .pages import Page, next_page
from .requests import segment
from .responses import unusable
from .retry import retrying

T = TypeVar("T", bound=OpenModel)
M = TypeVar("M")
Order: TypeAlias = Literal["asc", "desc"]


def cancel_session(api: Api, session_id: str) -> Operation[ChatSession]:
    """``POST /sessions/{id}/cancel``."""
    path = f"/sessions/{segment('session', session_id)}/cancel"
    return (yield from _one(api, lambda: api.rest_request("POST", path), ChatSession))


def retrieve_thread(api: Api, thread_id: str, user: str | None) -> Operation[Thread]:
    """``GET /threads/{id}``, or ``threads.get_by_id``."""
    request = partial(api.lookup_request, "threads.get_by_id", user, thread_id)
    return (yield from _one(api, request, Thread))


def delete_thread(api: Api, thread_id: str, user: str | None) -> Operation[ThreadDeleted]:
    """``DELETE /threads/{id}``, or ``threads.delete``, whose answer may be empty."""
    request = partial(api.lookup_request, "threads.delete", user, thread_id)
    return (yield from _one(api, request, ThreadDeleted, {"id": thread_id} if api.own else {}))


def _one(
    api: Api, request: Callable[[], Request], model: type[T], defaults: dict[str, str] | None = None
) -> Operation[T]:
    response = yield from retrying(lambda: api.fetch(request()), max_retries=api.config.max_retries)
    try:
        return model.model_validate({**(defaults or {}), **api.json(response)})
    except ValidationError as error:
        raise unusable(response, f"no {model.__name__}") from error


def thread_pages(api: Api, user: str | None, limit: int, order: Order) -> Pages[Thread]:
    """``GET /threads`` or ``threads.list``."""
    request = partial(api.lookup_request, "threads.list", user, None)
    return Pages(api, request, Thread.model_validate, _paging(limit, order))


def item_pages(
    api: Api, thread_id: str, user: str | None, limit: int, order: Order
) -> Pages[ThreadItem]:
    """``GET /threads/{id}/items`` or ``items.list``."""
    segment("thread", thread_id)
    request = partial(api.lookup_request, "items.list", user, thread_id)
    return Pages(api, request, ThreadItem.model_validate, _paging(limit, order))


class Pages(Generic[M]):
    """A list that is read page after page.

    Attributes:
        more: Whether there may be another page.
    """

    def __init__(
        self,
        api: Api,
        request: Callable[[Page], Request],
        validate: Callable[[object], M],
        paging: Page,
    ) -> None:
        self._api = api
        self._request = request
        self._validate = validate
        self._paging = paging
        self._after: str | None = None
        self.more = True

    def next(self) -> Operation[list[M]]:
        """Ask for the next page.

        Raises:
            APIError: The request failed. Calling this again asks for the same page.
        """
        page = {**self._paging, **({} if self._after is None else {"after": self._after})}
        response = yield from retrying(
            lambda: self._api.fetch(self._request(page)), max_retries=self._api.config.max_retries
        )
        body = self._api.json(response)
        data = body.get("data")
        items = cast("list[object]", data) if isinstance(data, list) else []
        try:
            models = [self._validate(item) for item in items if isinstance(item, dict)]
        except ValidationError as error:
            raise unusable(response, "a list with an entry of another kind") from error
        self._after = next_page(body, self._after)
        self.more = self._after is not None
        return models


def _paging(limit: object, order: object) -> Page:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= 100:
        raise InvalidInputError("limit must be a whole number from 1 to 100.")
    checked_choice("order", order, ("asc", "desc"), InvalidInputError)
    return {"limit": limit, "order": str(order)}
