"""ChatKit's thread protocol: its requests, and what can be read of a thread afterwards.

Hosted, a thread is written to with the session's client secret and read with the API key;
self-hosted, both go to the one endpoint of the server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import SecretStr

from .._config import Config
from .._effects import Operation, Request, Response, send
from ..errors import ConfigurationError
from ..models.session import ChatSession
from .listing import Listing, SessionMessage, newest_first, read_message
from .messages import server_time
from .requests import (
    call,
    fit_secret,
    json_object,
    segment,
    standard_headers,
    status_error,
    unusable,
)

PAGE = 50
"""How many items or threads are asked for at once."""
MOST_PAGES = 100
"""How many pages of a thread are read for one look at most: 5,000 items."""
SEARCHED_THREADS = 20
"""How many of a user's newest threads are searched for a message whose answer was lost."""


def user_input(text: str) -> dict[str, Any]:
    """A text as the protocol's ``input``."""
    return {
        "content": [{"type": "input_text", "text": text}],
        "attachments": [],
        "quoted_text": "",
        "inference_options": {},
    }


def thread_request(
    config: Config,
    session: ChatSession,
    kind: str,
    params: Mapping[str, Any],
    *,
    patience: float | None = None,
) -> Request:
    """A request of the thread protocol.

    Args:
        config: The client's configuration.
        session: The session, for its client secret or its user.
        kind: The request's type, such as ``threads.create``.
        params: Its parameters.
        patience: The longest silence of the stream that answers it, in seconds; ``None`` for a
            request that is answered with plain JSON.

    Raises:
        ConfigurationError: The session has no client secret, where one is needed.
    """
    body: dict[str, Any] = {"type": kind, "params": dict(params)}
    credential = None
    if config.server_url is None:
        if session.client_secret is None:
            raise ConfigurationError(
                "This session has no client secret, which ChatKit's thread protocol needs to "
                "send. Sessions lose it when they are stored: make a new one with "
                "create_session(...)."
            )
        url = f"{config.base_url}/conversation"
        credential = SecretStr(fit_secret(session.client_secret))
    else:
        url = config.server_url
        if session.user is not None:
            body["metadata"] = {"user": session.user}
    accept = "application/json" if patience is None else "text/event-stream"
    headers = {
        **standard_headers(config, accept),
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
    }
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Request("POST", url, headers, content, credential, patience)


def ask(
    config: Config, session: ChatSession, kind: str, params: Mapping[str, Any]
) -> Operation[Response]:
    """A request of the thread protocol that is answered with plain JSON."""
    request = thread_request(config, session, kind, params)
    return accepted(config, (yield from send(request)), kind)


def accepted(config: Config, response: Response, kind: str) -> Response:
    """The response, if its status is 2xx; else its error is raised."""
    if not 200 <= response.status < 300:
        error = status_error(config, response, kind)
        if response.status == 401 and config.server_url is None:
            error.message += (
                " Or the session's client secret is not valid any more: make a new session with "
                "create_session(...)."
            )
        raise error
    return response


def thread_messages(
    config: Config, session: ChatSession, thread_id: str, message_id: str | None
) -> Operation[Listing]:
    """The user's and the assistant's messages of a thread, newest first, back to ``message_id``.

    Without a ``message_id``, back to the newest message of the user. What is on the same page below
    it comes along: somebody else may have written in the thread after us.
    """
    messages: list[SessionMessage] = []
    after: str | None = None
    server_now: float | None = None
    found = False
    for _ in range(MOST_PAGES):
        page, server_now = yield from _items_page(config, session, thread_id, after)
        for item in objects(page.get("data")):
            message = read_message(item)
            if message is None:
                continue
            messages.append(message)
            found = found or (message.role == "user" and message_id in (None, message.id))
        after = next_page(page, after)
        if found or after is None:
            break
    return Listing(newest_first(messages, message_id, complete=after is None))


def _items_page(
    config: Config, session: ChatSession, thread_id: str, after: str | None
) -> Operation[tuple[dict[str, Any], float | None]]:
    paging: dict[str, Any] = {"limit": PAGE, "order": "desc"}
    if after is not None:
        paging["after"] = after
    if config.server_url is not None:
        params = {"thread_id": thread_id, **paging}
        response = yield from ask(config, session, "items.list", params)
    else:
        path = f"/threads/{segment('thread_id', thread_id)}/items"
        response = yield from call(config, "GET", path, query=paging)
    return _page(config, response, "items"), server_time(response.headers)


def _page(config: Config, response: Response, kind: str) -> dict[str, Any]:
    """A page of a list. Anything else does not say that there is nothing."""
    page = json_object(config, response)
    if not isinstance(page.get("data"), list):
        raise unusable(config, response, f"a list of {kind} that is no list")
    return page


def newest_threads(config: Config, session: ChatSession) -> Operation[list[str]]:
    """The ids of a user's newest threads, newest first."""
    paging: dict[str, Any] = {"limit": SEARCHED_THREADS, "order": "desc"}
    if config.server_url is not None:
        response = yield from ask(config, session, "threads.list", paging)
    else:
        query = {**paging, **({"user": session.user} if session.user else {})}
        response = yield from call(config, "GET", "/threads", query=query)
    page = _page(config, response, "threads")
    found = [thread.get("id") for thread in objects(page.get("data"))]
    return [thread_id for thread_id in found if isinstance(thread_id, str) and thread_id]


def next_page(page: Mapping[str, Any], before: str | None) -> str | None:
    """Where the next page begins; ``None`` after the last, or where the server repeats itself."""
    after = page.get("after") or page.get("last_id")
    if not page.get("has_more") or not isinstance(after, str) or after in ("", before):
        return None
    return after


def objects(data: object) -> Iterator[dict[str, Any]]:
    """The objects among the entries of a page."""
    if isinstance(data, list):
        for item in cast("list[object]", data):
            if isinstance(item, dict):
                yield cast("dict[str, Any]", item)
