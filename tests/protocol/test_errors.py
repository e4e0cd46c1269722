"""The tree of errors, and their attributes."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

import edn360_chatkit
from edn360_chatkit import (
    APIError,
    ChatKitError,
    ChatSession,
    InvalidInputError,
    Message,
    WorkflowError,
)


def every_error() -> list[type[ChatKitError]]:
    public = (getattr(edn360_chatkit, name) for name in edn360_chatkit.__all__)
    return [cls for cls in public if isinstance(cls, type) and issubclass(cls, ChatKitError)]


def test_error_tree_is_as_documented() -> None:
    parents = {cls.__name__: cls.__mro__[1].__name__ for cls in every_error()}
    assert parents == {
        "ChatKitError": "Exception",
        "ConfigurationError": "ChatKitError",
        "InvalidInputError": "ChatKitError",
        "APIError": "ChatKitError",
        "APIConnectionError": "APIError",
        "APITimeoutError": "APIConnectionError",
        "APIStatusError": "APIError",
        "BadRequestError": "APIStatusError",
        "AuthenticationError": "APIStatusError",
        "PermissionDeniedError": "APIStatusError",
        "NotFoundError": "APIStatusError",
        "SessionNotFoundError": "NotFoundError",
        "EndpointNotFoundError": "NotFoundError",
        "ConflictError": "APIStatusError",
        "UnprocessableEntityError": "APIStatusError",
        "RateLimitError": "APIStatusError",
        "InternalServerError": "APIStatusError",
        "WorkflowError": "ChatKitError",
        "WorkflowFailedError": "WorkflowError",
        "WorkflowTimeoutError": "WorkflowError",
        "InvalidResponseError": "WorkflowError",
        "TruncatedResponseError": "InvalidResponseError",
        "MissingProgramError": "InvalidResponseError",
        "ProgramValidationError": "InvalidResponseError",
    }
    assert issubclass(InvalidInputError, ValueError)
    assert issubclass(edn360_chatkit.WorkflowTimeoutError, TimeoutError)


@pytest.mark.parametrize("cls", every_error())
def test_error_pickles_with_its_attributes(cls: type[ChatKitError]) -> None:
    run = {"session": ChatSession(id="s"), "message": Message(session_id="s")}
    error = cls("what to do", **(run if issubclass(cls, WorkflowError) else {}))
    for name in vars(error):
        if name not in ("message", "session", "sent_message", "steps"):
            setattr(error, name, f"the {name}")
    for duplicate in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(duplicate) is cls
        assert vars(duplicate) == vars(error)
        assert str(duplicate) == str(error) == "what to do"


def test_api_error_message_is_its_text() -> None:
    assert (
        json.dumps({"message": APIError("what happened").message}) == '{"message": "what happened"}'
    )
