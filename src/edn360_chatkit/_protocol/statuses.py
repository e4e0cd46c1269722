"""The meaning of each HTTP status: its error, its advice, and how this package reacts.

Retries, polls, sending and error texts read this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from .. import errors

Polling: TypeAlias = Literal["wait", "twice", "final"]
"""The reaction of a poll: keep waiting, fail after two in a row (a proxy may cause one), or fail at
once."""


@dataclass(frozen=True)
class Status:
    """The meaning of a status.

    Attributes:
        own_advice: The advice for a self-hosted server, if it differs.
        retried: Whether the request is sent again.
        may_be_stored: Whether the server may have stored a message that it answers with this
            status. ``False`` only if the status proves that it has not.
        stops_sending: Whether a message is not sent after this response to the read before it.
            The server would not take the message either.
    """

    error: type[errors.APIStatusError]
    advice: str = ""
    own_advice: str | None = None
    polling: Polling = "twice"
    retried: bool = False
    may_be_stored: bool = True
    stops_sending: bool = False


_BODY = "The API does not accept the request; see .param and .body."
_CREDENTIALS = "Pass the server's credentials in headers=... or in $EDN360_SERVER_TOKEN."
_THREAD = "Your server does not know the thread, or not for this user."
_LATER = "The server failed; try again later."

_refusal = partial(Status, may_be_stored=False)
_redirect = partial(
    Status,
    errors.APIStatusError,
    "Redirects are not followed, so that credentials and data stay here. Set base_url or "
    "server_url to the new address.",
    stops_sending=True,
)

STATUSES: Mapping[str, Status] = {
    "2xx": Status(errors.APIStatusError, polling="wait"),
    # After a 301, 302 or 303 a client does not repeat the POST (RFC 9110): it may be stored.
    "3xx": _redirect(),
    "307": _redirect(may_be_stored=False),
    "308": _redirect(may_be_stored=False),
    "4xx": Status(errors.APIStatusError),
    # The server rejects the request (RFC 9110, RFC 6585).
    **dict.fromkeys(
        ("402", "405", "406", "410", "411", "413", "414", "415", "417", "421", "426", "428", "431"),
        _refusal(errors.APIStatusError),
    ),
    "400": _refusal(errors.BadRequestError, _BODY),
    "401": _refusal(
        errors.AuthenticationError,
        "Check the API key: api_key=..., $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY.",
        _CREDENTIALS,
        "final",
        stops_sending=True,
    ),
    "403": _refusal(
        errors.PermissionDeniedError,
        "The API key may not do this; use a key of the workflow's project.",
        _CREDENTIALS,
        "final",
        stops_sending=True,
    ),
    "404": _refusal(
        errors.NotFoundError,
        "Check workflow_id (or $EDN360_TRAINING_WORKFLOW_ID) and the key's project.",
        _THREAD,
        "final",
    ),
    "404 session": _refusal(
        errors.SessionNotFoundError,
        "The session has expired, was cancelled, or belongs to another project: make a new one "
        "with create_session(...).",
        _THREAD,
        "final",
    ),
    "404 endpoint": _refusal(
        errors.EndpointNotFoundError,
        "This server has no such endpoint. OpenAI's published API has no session messages: leave "
        "protocol= out or use protocol='threads'. Otherwise check base_url (or "
        "$EDN360_CHATKIT_BASE_URL); the address of a self-hosted server goes into server_url=...",
        "There is no ChatKit server at this address: check server_url (or "
        "$EDN360_CHATKIT_SERVER_URL).",
        "final",
    ),
    "408": Status(errors.APIStatusError, polling="wait", retried=True),
    "409": _refusal(
        errors.ConflictError,
        "The request conflicts with another request; try again.",
        polling="wait",
        retried=True,
    ),
    "422": _refusal(errors.UnprocessableEntityError, _BODY),
    "429": _refusal(
        errors.RateLimitError,
        "Too many requests or no quota left; wait .retry_after seconds, or raise the limit.",
        polling="wait",
        retried=True,
    ),
    "5xx": Status(errors.InternalServerError, _LATER, polling="wait", retried=True),
    **dict.fromkeys(("501", "505"), Status(errors.InternalServerError, _LATER, polling="wait")),
}


def status_row(status: int) -> Status:
    """The row of a status, or the row of its class."""
    return STATUSES.get(str(status)) or STATUSES.get(f"{status // 100}xx", STATUSES["4xx"])
