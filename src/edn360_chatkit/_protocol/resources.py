"""The official endpoints of sessions and threads, as in OpenAI's client.

A self-hosted server has no endpoints: the thread protocol has requests for threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal, TypeAlias, TypeVar

from pydantic import ValidationError

from .._config import checked_choice, checked_count
from .._effects import Operation
from ..errors import InvalidInputError
from ..models.base import OpenModel
from ..models.session import ChatSession
from ..models.thread import Thread, ThreadDeleted, ThreadItem
from .api import Api, PageRequest, Query
from .inputs import segment
from .pages import LARGEST_PAGE, Pages
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
        # Drop the frames, which hold the body.
        raise unusable(response, f"no {model.__name__}") from error.with_traceback(None)


def thread_pages(api: Api, user: str | None, limit: int, order: Order) -> Pages[Thread]:
    """``GET /threads`` or ``threads.list``."""
    query = _query(limit, order)
    return Pages(api, api.lookup("threads.list", user, None), Thread.model_validate, query)


def item_pages(
    api: Api, thread_id: str, user: str | None, limit: int, order: Order
) -> Pages[ThreadItem]:
    """``GET /threads/{id}/items`` or ``items.list``."""
    query = _query(limit, order)
    return Pages(api, api.lookup("items.list", user, thread_id), ThreadItem.model_validate, query)


def _query(limit: object, order: object) -> Query:
    checked_choice("order", order, ("asc", "desc"), InvalidInputError)
    limit = checked_count("limit", limit, most=LARGEST_PAGE, error=InvalidInputError)
    return {"limit": limit, "order": str(order)}
