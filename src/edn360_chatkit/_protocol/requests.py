"""One request to the ChatKit API: how it is put together, and what its status means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import quote, urlencode

from .._config import Config
from .._effects import Operation, Request, Response, send
from .._json import parse
from .._version import __version__
from ..errors import (
    APIError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    EndpointNotFoundError,
    InternalServerError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    SessionNotFoundError,
    UnprocessableEntityError,
)
from .quoting import quoted

BETA = "chatkit_beta=v1"
"""The value of ``OpenAI-Beta`` that ChatKit asks for (source: OpenAI's published client)."""

_ERRORS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}

_ADVICE: Mapping[type[APIStatusError], str] = {
    BadRequestError: "The API does not take the request as it is; see .param and .body.",
    AuthenticationError: (
        "Check the API key: api_key=..., $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY."
    ),
    PermissionDeniedError: "The API key may not do this; use one of the workflow's project.",
    NotFoundError: "Check workflow_id (or $EDN360_TRAINING_WORKFLOW_ID) and the key's project.",
    SessionNotFoundError: (
        "The session has expired, was cancelled, or belongs to another project: make a new one "
        "with create_session(...)."
    ),
    EndpointNotFoundError: (
        "This server has no such endpoint. OpenAI's published API has no session messages: leave "
        "protocol= out or use protocol='threads'. Otherwise check base_url (or "
        "$EDN360_CHATKIT_BASE_URL)."
    ),
    ConflictError: "Another request was in the way; try again.",
    UnprocessableEntityError: "The API does not take the content; see .param and .body.",
    RateLimitError: "Too many requests or no quota left; wait .retry_after seconds, or raise it.",
    InternalServerError: "The server failed; try again later.",
}


_OWN_SERVER_ADVICE: Mapping[type[APIStatusError], str] = {
    AuthenticationError: "Check what your server asks for, and pass it as headers=...",
    PermissionDeniedError: "Check what your server asks for, and pass it as headers=...",
    NotFoundError: "Your server does not know the thread, or not for this user.",
    SessionNotFoundError: "Your server does not know the thread, or not for this user.",
    EndpointNotFoundError: (
        "There is no ChatKit server at this address: check server_url (or "
        "$EDN360_CHATKIT_SERVER_URL)."
    ),
}

_STANDARD = frozenset({"Accept", "Cache-Control", "Content-Type", "OpenAI-Beta", "User-Agent"})
# Shorter ones are placeholders of somebody's tests, and common words would be blotted out.
_SHORTEST_KEY = 8
LARGE = 1_000_000
"""From how many bytes on a body is dropped once it is parsed; shorter ones explain an error."""


def segment(kind: str, value: object) -> str:
    """An id as one segment of a path, quoted so that it can't lead anywhere else.

    Raises:
        InvalidInputError: It is no id.
    """
    if not isinstance(value, str) or value.strip() in ("", ".", "..") or len(value) > 1000:
        raise InvalidInputError(
            f"{kind} must be an id such as the server gave it: a string, not empty, '.' or "
            "'..', and no longer than 1000 characters."
        )
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{kind} is no id: it has half a character in it.") from error


def text_argument(name: str, value: object) -> str:
    """A text of the caller's that is not empty and that UTF-8 can hold.

    Raises:
        InvalidInputError: It is none.
    """
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{name} must be a string that is not empty.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{name} has half a character (a lone surrogate).") from error
    return value


def fit_secret(value: object) -> str:
    """A client secret that can go into a header and nowhere else.

    Raises:
        InvalidInputError: It can't. It is not quoted.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise InvalidInputError(
            "The session's client secret has a blank, a line break or another character that no "
            "secret has; nothing was sent with it. Make a new session with create_session(...)."
        )
    return value


def call(
    config: Config,
    method: str,
    path: str,
    *,
    query: Mapping[str, str | int] | None = None,
    body: Mapping[str, Any] | None = None,
) -> Operation[Response]:
    """Send one request with the API key.

    Args:
        config: The client's configuration.
        method: The HTTP method.
        path: What comes after the base URL, its segments quoted.
        query: The query's parameters.
        body: The JSON body.

    Returns:
        The response, if its status is 2xx.

    Raises:
        APIStatusError: The class for the status, with what the API says and what to do.
        APIConnectionError: No answer came.
    """
    if config.server_url is not None:
        raise ConfigurationError(
            "A self-hosted ChatKit server (server_url) has no sessions and no REST endpoints; this "
            "call needs the ChatKit API (base_url, api_key)."
        )
    headers = {**standard_headers(config, "application/json"), "OpenAI-Beta": BETA}
    content = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    url = config.base_url + path + (f"?{urlencode(query)}" if query else "")
    request = Request(method, url, headers, content, config.api_key)
    response = yield from send(request)
    if not 200 <= response.status < 300:
        raise status_error(config, response, f"{method} {path}")
    return response


def standard_headers(config: Config, accept: str) -> dict[str, str]:
    """The caller's headers, asked for anew if need be, and our own."""
    headers = config.headers() if callable(config.headers) else config.headers
    named = any(name.lower() == "user-agent" for name in headers)
    ours = {} if named else {"User-Agent": f"edn360-chatkit/{__version__}"}
    return {**headers, "Accept": accept, **ours}


def json_object(config: Config, response: Response) -> dict[str, Any]:
    """The JSON object that a response's body is.

    Raises:
        APIError: It is larger than the limit.
        APIStatusError: It is none; some proxy or another kind of server has answered.
    """
    if response.too_large:
        raise APIError(
            f"The answer is larger than {config.max_response_bytes} bytes. Raise "
            "max_response_bytes=... if the server is to be trusted; the run can be taken up again."
        )
    try:
        data = parse(response.content)
    except ValueError as error:
        raise unusable(config, response, "no JSON object") from error
    if isinstance(data, dict):
        if len(response.content) > LARGE:
            response.content = b""
        return cast("dict[str, Any]", data)
    raise unusable(config, response, "no JSON object")


def unusable(config: Config, response: Response, what: str) -> APIStatusError:
    """The error for a 2xx answer that does not hold what it should."""
    return APIStatusError(
        f"The server answered {response.status} with {what}. Check that its address (base_url or "
        "server_url) is that of a ChatKit API and no proxy is in the way.",
        status_code=response.status,
        request_id=response.headers.get("x-request-id"),
        body=_body(response),
    )


def status_error(config: Config, response: Response, request: str) -> APIStatusError:
    """The error that a status stands for, with what the API says and what to do about it."""
    body = _body(response)
    said = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    fields = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    message = fields.get("message")
    cls = _error_class(response.status, message)
    words = quoted(message, _message_in(response.request)) if isinstance(message, str) else None
    said_so = "" if words is None else f": {words.rstrip('.')}"
    if 300 <= response.status < 400:
        advice = (
            "Redirects are not followed, to keep credentials and data here; set base_url or "
            "server_url to the new place."
        )
    else:
        advice = _ADVICE.get(cls, "")
    if config.server_url is not None:
        advice = _OWN_SERVER_ADVICE.get(cls, advice)
    code, param, kind = (fields.get(name) for name in ("code", "param", "type"))
    return cls(
        f"{request} was answered {response.status}{said_so}. {advice}".strip(),
        status_code=response.status,
        code=code if isinstance(code, str) else None,
        param=param if isinstance(param, str) else None,
        type=kind if isinstance(kind, str) else None,
        request_id=response.headers.get("x-request-id"),
        body=body,
        retry_after=_retry_after(response.headers),
    )


def _message_in(request: Request | None) -> str | None:
    """The text of the message that a request sends, if it sends one."""
    if request is None or request.content is None:
        return None
    body = json.loads(request.content)
    body = body.get("params", {}).get("input", body)
    content = body.get("content")
    return str(content[0]["text"]) if content else None


def _error_class(status: int, message: object) -> type[APIStatusError]:
    if status == 404:
        if not isinstance(message, str) or message.startswith("Invalid URL"):
            # Without the API's error body, it was some server's page for an unknown path.
            return EndpointNotFoundError
        if message.lower().startswith("chatkit session"):
            return SessionNotFoundError
    return _ERRORS.get(status, InternalServerError if status >= 500 else APIStatusError)


def _body(response: Response) -> Any:
    """An error's body, parsed if it is JSON. A server that echoes a secret does not get it out."""
    if response.too_large:
        return None
    text = response.content.decode("utf-8", "replace")
    for secret in _secrets(response.request):
        text = text.replace(secret, "***")
    try:
        body = parse(text)
    except ValueError:
        return text
    if isinstance(body, dict) and "client_secret" in body:
        body["client_secret"] = "***"  # noqa: S105
    return cast("Any", body)


def _secrets(request: Request | None) -> list[str]:
    """What a request carried that is nobody's business: the credential, the caller's headers."""
    if request is None:
        return []
    found = [value for name, value in request.headers.items() if name not in _STANDARD]
    # The token of a "Bearer ..." by itself, too.
    found += [value.rpartition(" ")[2] for value in found]
    if request.credential is not None:
        found.append(request.credential.get_secret_value())
    return [secret for secret in found if len(secret) >= _SHORTEST_KEY]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """How long the server asks to wait: in milliseconds, in seconds, or until a date.

    A date is compared with the answer's own ``Date``, so that the clocks need not agree
    (RFC 9110, section 10.2.3; ``retry-after-ms`` is what OpenAI's servers send).
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
