"""The JSON of a response, and the error for a response that is not a success."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from .._config import HEADERS
from .._effects import Request, Response
from .._json import as_object, as_text, is_object, parse, parse_or_none
from ..errors import APIError, APIStatusError
from .quoting import quoted, server_words
from .statuses import STATUSES, Status, status_row

# Shorter values are placeholders in tests, or common words.
_SHORTEST_SECRET = 8


LARGE_BODY = 1_000_000
"""A body above this size, in bytes, is dropped once it is parsed."""


def json_object(response: Response, max_bytes: int) -> dict[str, Any]:
    """The JSON object in a response's body."""
    if response.too_large:
        raise APIError(
            f"The answer is larger than {max_bytes} bytes. Raise max_response_bytes=... if you "
            "trust the server; the run can be resumed."
        )
    data = parse_or_none(response.content)
    if not is_object(data):
        del data
        raise unusable(response, "no JSON object")
    if len(response.content) > LARGE_BODY:
        # The body would be in memory twice while the program is validated.
        response.content = b""
    return data


def unusable(response: Response, content: str) -> APIStatusError:
    """The error for a 2xx response with the wrong content."""
    body = _body(response)
    return APIStatusError(
        f"The server answered {response.status} with {content}"
        f"{_words(body, _request_body(response))}. Check that its address (base_url or "
        "server_url) is that of a ChatKit API and no proxy is in the way.",
        status_code=response.status,
        request_id=response.headers.get("x-request-id"),
        body=body,
    )


def status_error(response: Response, *, own: bool) -> APIStatusError:
    """The error for a status, with the server's words and advice."""
    request, message, body = response.request, _request_body(response), _body(response)
    params = message.get("params")
    path = "" if request is None else urlsplit(request.url).path
    name = (
        "The request" if request is None else str(message.get("type") or f"{request.method} {path}")
    )
    row = status_row(response.status)
    if response.status == 404:
        about_thread = "thread_id" in params if params is not None else "/threads/" in path
        row = _not_found(server_words(body), about_thread=own and about_thread)
    advice = row.own_advice if own and row.own_advice is not None else row.advice
    if response.status == 401 and not own and params is not None:
        advice += (
            " Or the session's client secret is not valid any more: make a new session with "
            "create_session(...)."
        )
    fields = as_object(as_object(body).get("error"))
    return row.error(
        f"{name} was answered {response.status}{_words(body, message)}. {advice}".strip(),
        status_code=response.status,
        code=as_text(fields.get("code")),
        param=as_text(fields.get("param")),
        type=as_text(fields.get("type")),
        request_id=response.headers.get("x-request-id"),
        body=body,
        retry_after=parsed_retry_after(response.headers),
    )


def _not_found(words: str | None, *, about_thread: bool) -> Status:
    """The row of a 404. A response without an error message is a page for an unknown path."""
    bare = (words or "").strip().rstrip(".").casefold()
    if bare.startswith("chatkit session"):
        return STATUSES["404 session"]
    # "Not Found" is FastAPI's message for an unknown path.
    if not bare or bare.startswith("invalid url") or (bare == "not found" and not about_thread):
        return STATUSES["404 endpoint"]
    return STATUSES["404"]


def _words(body: object, message: dict[str, Any]) -> str:
    """The server's words for an error's text, without the athlete's data in the request."""
    words = server_words(body)
    content = message.get("params", {}).get("input", message).get("content")
    quote = quoted(words, str(content[0]["text"]) if content else None) if words else None
    return f": {quote.rstrip('.')}" if quote else ""


def _request_body(response: Response) -> dict[str, Any]:
    request = response.request
    return json.loads(request.content) if request is not None and request.content else {}


def _body(response: Response) -> object:
    """An error's body, parsed if it is JSON, without the secrets that a server repeats."""
    if response.too_large:
        return None
    text = response.content.decode("utf-8", "replace")
    with suppress(ValueError):
        # Some servers escape characters of a secret, such as \/ and \u002B.
        text = json.dumps(parse(text), ensure_ascii=False)
    for secret in _secrets(response.request):
        text = text.replace(json.dumps(secret)[1:-1], "***").replace(secret, "***")
    try:
        body: object = parse(text)
    except ValueError:
        return text
    fields = as_object(body)
    return {**fields, "client_secret": "***"} if "client_secret" in fields else body


def _secrets(request: Request | None) -> list[str]:
    """The secrets in a request: the credential and the caller's headers."""
    if request is None:
        return []
    headers = request.headers.items()
    values = [v for name, v in headers if HEADERS.get(name.lower(), "secret") == "secret"]
    # A "Bearer ..." also counts without its first word.
    values += [value.rpartition(" ")[2] for value in values]
    if request.credential is not None:
        values.append(request.credential.get_secret_value())
    return [value for value in values if len(value) >= _SHORTEST_SECRET]


def parsed_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the server asks to wait: in milliseconds, in seconds, or until a date.

    A date is compared with the response's own ``Date``, so that the clocks need not agree
    (RFC 9110, section 10.2.3; OpenAI's servers send ``retry-after-ms``).
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        until = parsedate_to_datetime(headers["retry-after"])
        since = parsedate_to_datetime(headers["date"])
        return max(0.0, (until - since).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
