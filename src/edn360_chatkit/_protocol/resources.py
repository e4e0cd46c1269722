"""The official REST endpoints: sessions and threads, in the manner of OpenAI's client.

A self-hosted server has no such endpoints; there the same is asked by the thread protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar, cast

from pydantic import ValidationError

from .._config import Config, checked_choice
from .._effects import Operation, Response, emit
from ..errors import InvalidInputError
from ..models.base import OpenModel
from ..models.session import ChatSession
from ..models.thread import Thread, ThreadDeleted, ThreadItem
from .requests import call, json_object, segment, text_argument, unusable
from .retry import retrying
from .threads import ask, next_page, objects

M = TypeVar("M", bound=OpenModel)
Order: TypeAlias = Literal["asc", "desc"]


def cancel_session(config: Config, session_id: str) -> Operation[ChatSession]:
    """``POST /sessions/{id}/cancel``."""
    path = f"/sessions/{segment('session', session_id)}/cancel"
    return (yield from _one(config, partial(call, config, "POST", path), ChatSession))


def retrieve_thread(config: Config, thread_id: str, user: str | None) -> Operation[Thread]:
    """``GET /threads/{id}``, or ``threads.get_by_id``."""
    request = _of_thread(config, "GET", "", "threads.get_by_id", thread_id, user)
    return (yield from _one(config, request, Thread))


def delete_thread(config: Config, thread_id: str, user: str | None) -> Operation[ThreadDeleted]:
    """``DELETE /threads/{id}``, or ``threads.delete``, which has nothing to say."""
    request = _of_thread(config, "DELETE", "", "threads.delete", thread_id, user)
    deleted = {} if config.server_url is None else {"id": thread_id}
    return (yield from _one(config, request, ThreadDeleted, known=deleted))


def list_threads(config: Config, user: str | None, limit: int, order: Order) -> Operation[None]:
    """``GET /threads`` or ``threads.list``, page after page; every thread is emitted."""
    paging = _paging(limit, order)
    query = {} if user is None else {"user": text_argument("user", user)}
    if config.server_url is None:
        yield from _all(config, partial(_get, config, "/threads"), {**query, **paging}, Thread)
    else:
        yield from _all(config, _asking(config, "threads.list", user), paging, Thread)


def list_items(
    config: Config, thread_id: str, user: str | None, limit: int, order: Order
) -> Operation[None]:
    """``GET /threads/{id}/items`` or ``items.list``, page after page; every item is emitted."""
    request = _of_thread(config, "GET", "/items", "items.list", thread_id, user)
    yield from _all(config, request, _paging(limit, order), ThreadItem)


_Request: TypeAlias = Callable[..., Operation[Response]]
"""Makes a request; one for a page is given its paging."""


def _of_thread(
    config: Config, method: str, below: str, kind: str, thread_id: str, user: str | None
) -> _Request:
    """A request about a thread, as the server takes it."""
    path = f"/threads/{segment('thread', thread_id)}{below}"
    if config.server_url is None:
        return partial(_get, config, path) if below else partial(call, config, method, path)
    return _asking(config, kind, user, thread_id=thread_id)


def _get(config: Config, path: str, **query: Any) -> Operation[Response]:
    return (yield from call(config, "GET", path, query=query))


def _asking(config: Config, kind: str, user: str | None, **params: Any) -> _Request:
    """A request of the thread protocol; servers keep the threads of their users apart."""
    owner = None if user is None else text_argument("user", user)
    session = ChatSession(id="local", user=owner)
    return partial(_ask, config, session, kind, params)


def _ask(
    config: Config, session: ChatSession, kind: str, params: Mapping[str, Any], **paging: Any
) -> Operation[Response]:
    return (yield from ask(config, session, kind, {**params, **paging}))


def _paging(limit: object, order: object) -> dict[str, Any]:
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= 100:
        raise InvalidInputError("limit must be a whole number from 1 to 100.")
    checked_choice("order", order, ("asc", "desc"), InvalidInputError)
    return {"limit": limit, "order": order}


def _one(
    config: Config, request: _Request, model: type[M], known: Mapping[str, Any] | None = None
) -> Operation[M]:
    response = yield from retrying(request, max_retries=config.max_retries)
    try:
        return model.model_validate({**(known or {}), **json_object(config, response)})
    except ValidationError as error:
        raise unusable(config, response, f"no {model.__name__}") from error


def _all(
    config: Config, request: _Request, paging: Mapping[str, Any], model: type[OpenModel]
) -> Operation[None]:
    after: str | None = None
    while True:
        asked = {**paging, **({"after": after} if after else {})}
        response = yield from retrying(partial(request, **asked), max_retries=config.max_retries)
        page = json_object(config, response)
        for item in objects(page.get("data")):
            try:
                found = model.model_validate(item)
            except ValidationError as error:
                what = f"something else than a {model.__name__}"
                raise unusable(config, response, what) from error
            yield from emit(cast("Any", found))
        after = next_page(page, after)
        if after is None:
            return
