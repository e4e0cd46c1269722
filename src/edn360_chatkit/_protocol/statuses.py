"""What each HTTP status means: its error, its advice, and what this package does about it.

Retries, polls, the sending of messages and the texts of errors all read this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    EndpointNotFoundError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    SessionNotFoundError,
    UnprocessableEntityError,
)

Polling: TypeAlias = Literal["wait", "twice", "final"]
"""What a poll does that gets the status: it waits on, it gives up after two in a row (a proxy may
have caused one), or it gives up at once."""


@dataclass(frozen=True)
class Status:
    """The meaning of one status.

    Attributes:
        error: The error that it raises.
        advice: What the caller can do.
        own_advice: The same for a self-hosted server, where that differs.
        retried: Whether the same request is sent again.
        polling: What a poll does.
        taken: Whether the server may have taken a message that it answers like this.
    """

    error: type[APIStatusError]
    advice: str
    own_advice: str | None = None
    retried: bool = False
    polling: Polling = "twice"
    taken: bool = False


_SEE_BODY = "The API does not accept the request; see .param and .body."
_SEE_HEADERS = "Pass the credentials that your server asks for in headers=..."
_NO_THREAD = "Your server does not know the thread, or not for this user."
_TRY_LATER = "The server failed; try again later."

STATUSES: Mapping[str, Status] = {
    "2xx": Status(APIStatusError, "", polling="wait", taken=True),
    "3xx": Status(
        APIStatusError,
        "Redirects are not followed, so that credentials and data stay here. Set base_url or "
        "server_url to the new address.",
    ),
    "4xx": Status(APIStatusError, ""),
    "400": Status(BadRequestError, _SEE_BODY),
    "401": Status(
        AuthenticationError,
        "Check the API key: api_key=..., $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY.",
        f"{_SEE_HEADERS} or in $EDN360_SERVER_TOKEN.",
        polling="final",
    ),
    "403": Status(
        PermissionDeniedError,
        "The API key may not do this; use a key of the workflow's project.",
        f"{_SEE_HEADERS} or in $EDN360_SERVER_TOKEN.",
        polling="final",
    ),
    "404": Status(
        NotFoundError,
        "Check workflow_id (or $EDN360_TRAINING_WORKFLOW_ID) and the key's project.",
        _NO_THREAD,
        polling="final",
    ),
    "404 session": Status(
        SessionNotFoundError,
        "The session has expired, was cancelled, or belongs to another project: make a new one "
        "with create_session(...).",
        _NO_THREAD,
        polling="final",
    ),
    "404 endpoint": Status(
        EndpointNotFoundError,
        "This server has no such endpoint. OpenAI's published API has no session messages: leave "
        "protocol= out or use protocol='threads'. Otherwise check base_url (or "
        "$EDN360_CHATKIT_BASE_URL).",
        "There is no ChatKit server at this address: check server_url (or "
        "$EDN360_CHATKIT_SERVER_URL).",
        polling="final",
    ),
    "408": Status(APIStatusError, "", retried=True, polling="wait", taken=True),
    "409": Status(
        ConflictError, "Another request was in the way; try again.", retried=True, polling="wait"
    ),
    "422": Status(UnprocessableEntityError, _SEE_BODY),
    "429": Status(
        RateLimitError,
        "Too many requests or no quota left; wait .retry_after seconds, or raise the limit.",
        retried=True,
        polling="wait",
    ),
    "5xx": Status(InternalServerError, _TRY_LATER, retried=True, polling="wait", taken=True),
    "501": Status(InternalServerError, _TRY_LATER, polling="wait", taken=True),
    "505": Status(InternalServerError, _TRY_LATER, polling="wait", taken=True),
}


def status_row(status: int) -> Status:
    """The row of a status, or the row of its class."""
    return STATUSES.get(str(status)) or STATUSES.get(f"{status // 100}xx", STATUSES["4xx"])
