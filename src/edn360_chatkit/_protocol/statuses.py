"""What each HTTP status means: its error, its advice, and what this package does about it.

Retries, polls, sending and error texts read this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from .. import errors

Polling: TypeAlias = Literal["wait", "twice", "final"]
"""What a poll does that gets the status: it waits on, it gives up after two in a row (a proxy may
have caused one), or it gives up at once."""


@dataclass(frozen=True)
class Status:
    """The meaning of one status.

    Attributes:
        own_advice: What the users of a self-hosted server can do, if that differs.
        retried: Whether the same request is sent again.
        taken: Whether the server may have taken a message that it answers like this. A status that
            proves nothing leaves it in doubt.
    """

    error: type[errors.APIStatusError]
    advice: str = ""
    own_advice: str | None = None
    polling: Polling = "twice"
    retried: bool = False
    taken: bool = True


_BODY = "The API does not accept the request; see .param and .body."
_CREDENTIALS = "Pass the server's credentials in headers=... or in $EDN360_SERVER_TOKEN."
_THREAD = "Your server does not know the thread, or not for this user."
_LATER = "The server failed; try again later."

_refusal = partial(Status, taken=False)
_redirect = partial(
    Status,
    errors.APIStatusError,
    "Redirects are not followed, so that credentials and data stay here. Set base_url or "
    "server_url to the new address.",
)

STATUSES: Mapping[str, Status] = {
    "2xx": Status(errors.APIStatusError, polling="wait"),
    # After a 301, 302 or 303 the same message is not sent again (RFC 9110): it may be taken.
    "3xx": _redirect(),
    "307": _redirect(taken=False),
    "308": _redirect(taken=False),
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
    ),
    "403": _refusal(
        errors.PermissionDeniedError,
        "The API key may not do this; use a key of the workflow's project.",
        _CREDENTIALS,
        "final",
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
        "Another request was in the way; try again.",
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
