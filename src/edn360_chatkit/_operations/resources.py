"""The official REST endpoints: sessions and threads, in the manner of OpenAI's client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar, cast

from pydantic import ValidationError

from .._config import Config, checked_choice
from .._effects import Operation, emit
from .._retry import retrying
from ..errors import InvalidInputError
from ..models._open import OpenModel
from ..models.chatkit import ChatSession, Thread, ThreadDeleted, ThreadItem
from .requests import call, json_object, segment, text_argument, unusable

M = TypeVar("M", bound=OpenModel)
Order: TypeAlias = Literal["asc", "desc"]


def cancel_session(config: Config, session_id: str) -> Operation[ChatSession]:
    """``POST /sessions/{id}/cancel``."""
    path = f"/sessions/{segment('session', session_id)}/cancel"
    return (yield from _one(config, "POST", path, ChatSession))


def retrieve_thread(config: Config, thread_id: str) -> Operation[Thread]:
    """``GET /threads/{id}``."""
    return (yield from _one(config, "GET", f"/threads/{segment('thread', thread_id)}", Thread))


def delete_thread(config: Config, thread_id: str) -> Operation[ThreadDeleted]:
    """``DELETE /threads/{id}``."""
    path = f"/threads/{segment('thread', thread_id)}"
    return (yield from _one(config, "DELETE", path, ThreadDeleted))


def list_threads(config: Config, user: str | None, limit: int, order: Order) -> Operation[None]:
    """``GET /threads``, page after page; every thread is emitted."""
    query = {} if user is None else {"user": text_argument("user", user)}
    yield from _all(config, "/threads", {**query, **_paging(limit, order)}, Thread)


def list_items(config: Config, thread_id: str, limit: int, order: Order) -> Operation[None]:
    """``GET /threads/{id}/items``, page after page; every item is emitted."""
    path = f"/threads/{segment('thread', thread_id)}/items"
    yield from _all(config, path, _paging(limit, order), ThreadItem)


def _paging(limit: object, order: object) -> dict[str, Any]:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= 100:
        raise InvalidInputError("limit must be a whole number from 1 to 100.")
    checked_choice("order", order, ("asc", "desc"), InvalidInputError)
    return {"limit": limit, "order": order}


def _one(config: Config, method: str, path: str, model: type[M]) -> Operation[M]:
    response = yield from retrying(
        lambda: call(config, method, path), max_retries=config.max_retries
    )
    try:
        return model.model_validate(json_object(config, response))
    except ValidationError as error:
        raise unusable(config, response, f"no {model.__name__}") from error


def _all(
    config: Config, path: str, query: Mapping[str, Any], model: type[OpenModel]
) -> Operation[None]:
    after: str | None = None
    while True:
        asked = {**query, **({"after": after} if after else {})}
        page_request = partial(call, config, "GET", path, query=asked)
        response = yield from retrying(page_request, max_retries=config.max_retries)
        page = json_object(config, response)
        for item in _objects(page.get("data")):
            try:
                found = model.model_validate(item)
            except ValidationError as error:
                what = f"something else than a {model.__name__}"
                raise unusable(config, response, what) from error
            yield from emit(cast("Any", found))
        last = page.get("last_id")
        if not page.get("has_more") or not isinstance(last, str) or last in ("", after):
            return
        after = last


def _objects(data: object) -> Iterator[dict[str, Any]]:
    if isinstance(data, list):
        for item in cast("list[object]", data):
            if isinstance(item, dict):
                yield cast("dict[str, Any]", item)
