"""The tree of this package's exceptions.

::

    ChatKitError
    ├── ConfigurationError            an argument or environment variable is missing or invalid
    ├── InvalidInputError             (ValueError) the data is invalid; nothing was sent
    ├── APIError                      a request failed
    │   ├── APIConnectionError        no response: connection refused, reset, TLS or proxy failure
    │   │   └── APITimeoutError       no response within ``timeout`` or ``deadline``
    │   └── APIStatusError            an error status, or a body that can't be read
    │       ├── BadRequestError           400
    │       ├── AuthenticationError       401
    │       ├── PermissionDeniedError     403
    │       ├── NotFoundError             404
    │       │   ├── SessionNotFoundError      the session does not exist
    │       │   └── EndpointNotFoundError     the server lacks the endpoint
    │       ├── ConflictError             409
    │       ├── UnprocessableEntityError  422
    │       ├── RateLimitError            429
    │       └── InternalServerError       5xx
    └── WorkflowError                 the run failed, or its answer can't be used
        ├── WorkflowFailedError       the workflow or the server reported a failure
        ├── WorkflowTimeoutError      (TimeoutError) no answer yet; the run may continue
        └── InvalidResponseError      the answer is not JSON
            ├── TruncatedResponseError    the answer's JSON is cut
            ├── MissingProgramError       the answer's JSON has no program
            └── ProgramValidationError    the program's structure is invalid

The ``APIError`` branch has the class and attribute names of OpenAI's Python client. Exceptions can
be pickled and copied with their attributes, so that services can send them through queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from .models.run import RunReference

if TYPE_CHECKING:
    from .models.session import ChatSession, Message


class FieldError(TypedDict):
    """An invalid field, in the terms of pydantic's ``ValidationError.errors()``.

    Attributes:
        path: The path of the field, joined with dots: ``sessions.0.blocks``.
        loc: The path as a tuple of keys and indexes.
        msg: The reason. It never quotes the value.
        type: pydantic's name for the kind of error: ``missing``.
    """

    path: str
    loc: tuple[int | str, ...]
    msg: str
    type: str


class ChatKitError(Exception):
    """The base class: ``except ChatKitError`` catches every exception of this package.

    Attributes:
        run: The reference of the run, if the server has its message or may have it:
            ``client.poll_response(error.run)`` resumes it, from any process.
        session: The session of the run, if a run was in flight.
        sent_message: The run's message, if it was sent.
        text: The newest assistant text that was received before the error.
    """

    run: RunReference | None = None
    session: ChatSession | None = None
    sent_message: Message | None = None
    text: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own __reduce__ calls the class with positional arguments only.
        return _restore, (type(self), self.args), self.__dict__


def _restore(cls: type[ChatKitError], args: tuple[Any, ...]) -> ChatKitError:
    """Make an exception again from its pickle."""
    error = cls.__new__(cls, *args)
    error.args = args  # OSError.__new__ omits them if a subclass has its own __init__
    return error


class ConfigurationError(ChatKitError):
    """An argument or an environment variable is missing or invalid. Nothing was sent."""


class InvalidInputError(ChatKitError, ValueError):
    """The data is invalid. Nothing was sent.

    Attributes:
        errors: Every invalid field, with its path.
    """

    def __init__(self, text: str, *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(text)
        self.errors: tuple[FieldError, ...] = tuple(errors)


class APIError(ChatKitError):
    """A request to the ChatKit API failed.

    Attributes:
        message: The reason, and how to fix it.
        may_have_been_taken: ``True`` if the server may have stored the run's message although
            the request failed. Sending it again may then start a second, paid run.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.message: str = text
        self.may_have_been_taken: bool = False

    def __str__(self) -> str:
        return self.message


class APIConnectionError(APIError):
    """No response: the server can't be reached, or the connection broke.

    Attributes:
        may_have_arrived: ``False`` if no byte of the request left this process.
        retryable: ``False`` if a retry can't help, as with an untrusted certificate.
    """

    def __init__(self, text: str, *, may_have_arrived: bool = True, retryable: bool = True) -> None:
        super().__init__(text)
        self.may_have_arrived: bool = may_have_arrived
        self.retryable: bool = retryable


class APITimeoutError(APIConnectionError):
    """No response within the client's ``timeout``, or before the call's ``deadline``.

    Attributes:
        deadline_passed: Whether the ``deadline`` passed.
    """

    def __init__(self, text: str, *, may_have_arrived: bool = True) -> None:
        super().__init__(text, may_have_arrived=may_have_arrived)
        self.deadline_passed: bool = False


class APIStatusError(APIError):
    """The server answered with an error status, or with a body that can't be read.

    Attributes:
        status_code: The HTTP status.
        code: The API's error code: ``invalid_api_key`` for example.
        param: The invalid parameter, if the API names it.
        type: The API's error type: ``invalid_request_error`` for example.
        request_id: The ``x-request-id`` header. OpenAI's support asks for it.
        body: The response's body: parsed JSON, or text.
        retry_after: The ``retry-after`` header, in seconds.
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
        # Eight parameters: the attributes are those of OpenAI's class with this name.
        super().__init__(text)
        self.status_code: int = status_code
        self.code: str | None = code
        self.param: str | None = param
        self.type: str | None = type
        self.request_id: str | None = request_id
        self.body: Any = body
        self.retry_after: float | None = retry_after


class BadRequestError(APIStatusError):
    """400: the API rejects the request."""


class AuthenticationError(APIStatusError):
    """401: the credentials are missing, invalid or revoked."""


class PermissionDeniedError(APIStatusError):
    """403: the credentials are not allowed to do this."""


class NotFoundError(APIStatusError):
    """404: the workflow or another object does not exist."""


class SessionNotFoundError(NotFoundError):
    """404: the session does not exist, or has expired."""


class EndpointNotFoundError(NotFoundError):
    """404: the server does not have the endpoint."""


class ConflictError(APIStatusError):
    """409: the request conflicts with another request."""


class UnprocessableEntityError(APIStatusError):
    """422: the request is well formed, but its content is not accepted."""


class RateLimitError(APIStatusError):
    """429: too many requests, or no quota. ``retry_after`` says how long to wait."""


class InternalServerError(APIStatusError):
    """5xx: the server failed."""


class WorkflowError(ChatKitError):
    """The run failed, or its answer can't be used. The text that was received is kept.

    Attributes:
        session: The session of the run.
        message: The message that started the run.
        text: The assistant text that was received, or ``None``.
    """

    def __init__(
        self,
        description: str,
        *,
        session: ChatSession,
        message: Message,
        text: str | None = None,
    ) -> None:
        super().__init__(description)
        # In the base class these may be None. Here they never are, so callers need no check.
        reference = RunReference.of(message, session.user)
        self.run: RunReference = reference  # pyright: ignore[reportIncompatibleVariableOverride]
        self.session: ChatSession = session  # pyright: ignore[reportIncompatibleVariableOverride]
        self.message: Message = message
        self.text: str | None = text


class WorkflowFailedError(WorkflowError):
    """The workflow answered with an ``error`` and no program, or the server reported a failure.

    Attributes:
        allow_retry: Whether the server allows another run, which costs money again; ``None``
            if the server does not say.
    """

    def __init__(self, description: str, *, allow_retry: bool | None = None, **run: Any) -> None:
        super().__init__(description, **run)
        self.allow_retry: bool | None = allow_retry


class WorkflowTimeoutError(WorkflowError, TimeoutError):
    """No answer within ``max_attempts`` polls or the ``deadline``.

    The run may continue on the server, and is paid for. Resume it with
    ``client.poll_response(error.run)``, from any process. Do not start it again.

    Attributes:
        steps: The texts of the steps that the workflow has posted so far, oldest first.
    """

    def __init__(self, description: str, *, steps: Sequence[str] = (), **run: Any) -> None:
        super().__init__(description, **run)
        self.steps: tuple[str, ...] = tuple(steps)


class InvalidResponseError(WorkflowError):
    """The answer is not JSON."""


class TruncatedResponseError(InvalidResponseError):
    """The answer's JSON is cut: the model reached its output limit."""


class MissingProgramError(InvalidResponseError):
    """The answer is JSON without a program.

    Attributes:
        keys: The root keys of the run's messages, oldest first.
    """

    def __init__(self, description: str, *, keys: Sequence[str] = (), **run: Any) -> None:
        super().__init__(description, **run)
        self.keys: tuple[str, ...] = tuple(keys)


class ProgramValidationError(InvalidResponseError):
    """The answer has the program's root key, but the program's structure is invalid.

    Attributes:
        errors: Every invalid field, with its path inside the program.
    """

    def __init__(self, description: str, *, errors: Sequence[FieldError] = (), **run: Any) -> None:
        super().__init__(description, **run)
        self.errors: tuple[FieldError, ...] = tuple(errors)
