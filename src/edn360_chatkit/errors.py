"""Every error that this package raises on purpose, as one tree.

::

    ChatKitError
    ├── ConfigurationError            an argument or environment variable is missing or wrong
    ├── InvalidInputError             (ValueError) the data is at fault; nothing was sent
    ├── APIError                      a request failed
    │   ├── APIConnectionError        no answer came
    │   │   └── APITimeoutError       none came in time
    │   └── APIStatusError            the server refused, failed, or answered nonsense
    │       ├── BadRequestError           400
    │       ├── AuthenticationError       401
    │       ├── PermissionDeniedError     403
    │       ├── NotFoundError             404
    │       │   ├── SessionNotFoundError      the session is gone
    │       │   └── EndpointNotFoundError     the server has no such endpoint
    │       ├── ConflictError             409
    │       ├── UnprocessableEntityError  422
    │       ├── RateLimitError            429
    │       └── InternalServerError       5xx
    └── WorkflowError                 the run itself went wrong
        ├── WorkflowFailedError       the workflow answered with an error
        ├── WorkflowTimeoutError      (TimeoutError) no answer yet; the run can be taken up again
        └── InvalidResponseError      an answer came, but no program can be read from it
            ├── TruncatedResponseError    its JSON stops in the middle
            ├── MissingProgramError       its JSON has no program
            └── ProgramValidationError    its program lacks what must be there

The names of the ``APIError`` branch and their attributes are those of OpenAI's Python client.
Errors pickle and copy with their attributes, so that services can send them through queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from .models.session import ChatSession, Message


class FieldError(TypedDict):
    """One field at fault, in the terms of pydantic's ``ValidationError.errors()``.

    Attributes:
        path: Where it is, joined with dots: ``sessions.0.blocks``.
        loc: The same as a tuple of keys and indexes.
        msg: What is wrong with it. Never quotes the value.
        type: pydantic's name for the kind of fault, such as ``missing``.
    """

    path: str
    loc: tuple[int | str, ...]
    msg: str
    type: str


class ChatKitError(Exception):
    """The root of the tree: ``except ChatKitError`` catches whatever this package raises.

    Attributes:
        session: The session of the run that was under way, if there was one.
        sent_message: The run's message, if it was sent: with it,
            ``client.poll_response(error.session, after=error.sent_message)`` takes the run up.
        text: The newest assistant text that came before, if any came.
    """

    session: ChatSession | None = None
    sent_message: Message | None = None
    text: str | None = None


class ConfigurationError(ChatKitError):
    """An argument or an environment variable is missing or wrong. Nothing was sent."""


class InvalidInputError(ChatKitError, ValueError):
    """The data is at fault. Nothing was sent.

    Attributes:
        errors: Every field at fault, with its path.
    """

    def __init__(self, text: str, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(text)
        self.errors = tuple(errors)


class APIError(ChatKitError):
    """A request to the ChatKit API failed.

    Attributes:
        message: What happened and what to do about it.
        may_have_been_taken: Whether it is not known if the server has taken the run's message.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.message = text
        self.may_have_been_taken = False

    def __str__(self) -> str:
        return self.message


class APIConnectionError(APIError):
    """No answer came: the server can't be reached, or the connection broke.

    Attributes:
        may_have_arrived: Whether the server may have got the request all the same. ``False``
            only where no byte of it left.
        retryable: Whether another attempt can help. ``False`` for a certificate that is not
            trusted, and for a proxy that refuses.
    """

    def __init__(self, text: str, *, may_have_arrived: bool = True, retryable: bool = True) -> None:
        super().__init__(text)
        self.may_have_arrived = may_have_arrived
        self.retryable = retryable


class APITimeoutError(APIConnectionError):
    """No answer came within the client's ``timeout``, or before the call's ``deadline``.

    Attributes:
        deadline_passed: Whether it was the ``deadline``.
    """

    def __init__(self, text: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(text, may_have_arrived=may_have_arrived)
        self.deadline_passed = False


class APIStatusError(APIError):
    """The server answered with an error status, or with something that can't be used.

    Attributes:
        status_code: The HTTP status.
        code: The API's code for the error, such as ``invalid_api_key``.
        param: The parameter that the API found at fault.
        type: The API's kind of error, such as ``invalid_request_error``.
        request_id: The ``x-request-id`` of the answer, which OpenAI's support asks for.
        body: The answer's body: the parsed JSON, or its text.
        retry_after: How long the server asks to wait, in seconds, where it says so.
    """

    def __init__(
        self,
        text: str,
        *,
        status_code: int = 0,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,
        request_id: str | None = None,
        body: Any = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.code = code
        self.param = param
        self.type = type
        self.request_id = request_id
        self.body = body
        self.retry_after = retry_after


class BadRequestError(APIStatusError):
    """400: the API does not accept the request as it is."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong or revoked."""


class PermissionDeniedError(APIStatusError):
    """403: the API key may not do this."""


class NotFoundError(APIStatusError):
    """404: what was asked for is not there, such as the workflow."""


class SessionNotFoundError(NotFoundError):
    """404: the session does not exist, or no longer."""


class EndpointNotFoundError(NotFoundError):
    """404: the server has no such endpoint."""


class ConflictError(APIStatusError):
    """409: the request collides with another one."""


class UnprocessableEntityError(APIStatusError):
    """422: the request is well formed, but its content is not accepted."""


class RateLimitError(APIStatusError):
    """429: too many requests, or no quota left. ``retry_after`` says how long to wait."""


class InternalServerError(APIStatusError):
    """5xx: the server failed."""


class WorkflowError(ChatKitError):
    """The run went wrong. What was received is all here: nothing that was paid for is lost.

    Attributes:
        session: The session of the run.
        message: The message that started it.
        text: The assistant text that came, as it came; ``None`` where none came.
    """

    def __init__(
        self,
        description: str,
        *,
        session: ChatSession | None = None,
        message: Message | None = None,
        text: str | None = None,
    ) -> None:
        super().__init__(description)
        self.session = session
        self.message = message
        self.text = text


class WorkflowFailedError(WorkflowError):
    """The workflow answered with an ``error`` and without a program, or the server gave it up.

    Attributes:
        allow_retry: What the server says of running it again, which is a second, paid run; ``None``
            where it does not say.
    """

    def __init__(self, description: str, *, allow_retry: bool | None = None, **facts: Any) -> None:
        super().__init__(description, **facts)
        self.allow_retry = allow_retry


class WorkflowTimeoutError(WorkflowError, TimeoutError):
    """The attempts are used up, or the deadline has passed, and no answer came.

    The run goes on at the server, and is paid for:
    ``client.poll_response(error.session, after=error.message)`` goes on waiting for it.
    """


class InvalidResponseError(WorkflowError):
    """An answer came, but no program can be read from it."""


class TruncatedResponseError(InvalidResponseError):
    """The answer's JSON stops in the middle: the model ran out of tokens."""


class MissingProgramError(InvalidResponseError):
    """The answer is a JSON object without the program.

    Attributes:
        keys: The root keys that came instead, from all of the run's messages, oldest first.
    """

    def __init__(self, description: str, *, keys: Sequence[str] = (), **facts: Any) -> None:
        super().__init__(description, **facts)
        self.keys = tuple(keys)


class ProgramValidationError(InvalidResponseError):
    """The answer has the program's root key, but what is under it is no training program.

    Attributes:
        errors: Every field at fault, with its path inside the program.
    """

    def __init__(
        self, description: str, *, errors: Sequence[FieldError] = (), **facts: Any
    ) -> None:
        super().__init__(description, **facts)
        self.errors = tuple(errors)
