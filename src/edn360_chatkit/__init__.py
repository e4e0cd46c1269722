"""Run the EDN360 training workflow through ChatKit, from any Python program.

>>> from edn360_chatkit import ChatKitClient
>>> with ChatKitClient() as client:  # doctest: +SKIP
...     program = client.run_workflow(edn360_input).program

The three steps are ``create_session``, ``send_message`` and ``poll_response``;
``run_workflow`` does the three in a call, and ``stream_workflow`` gives the events of the run.
``start_workflow`` returns a ``RunReference``, which finds the run from any process.
``AsyncChatKitClient`` has these methods for asyncio and trio.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .async_client import AsyncChatKitClient, AsyncWorkflowRun
from .batch import AsyncBatchRun, BatchResult, BatchRun
from .clients import ChatKitClient, WorkflowRun
from .errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ChatKitError,
    ConfigurationError,
    ConflictError,
    EndpointNotFoundError,
    FieldError,
    InternalServerError,
    InvalidInputError,
    InvalidResponseError,
    MissingProgramError,
    NotFoundError,
    PermissionDeniedError,
    ProgramValidationError,
    RateLimitError,
    SessionNotFoundError,
    TruncatedResponseError,
    UnprocessableEntityError,
    WorkflowError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from .events import (
    MessageSentEvent,
    NoticeEvent,
    ProgressEvent,
    RawEvent,
    ResponseEvent,
    RunStatus,
    SessionCreatedEvent,
    StepEvent,
    TaskEvent,
    TextDeltaEvent,
    WaitingEvent,
    WorkflowEvent,
    WorkflowResponse,
)
from .inputs import (
    EDN360Input,
    PreviousTrainingPlan,
    Questionnaire,
    RequestContext,
    Subscription,
    UserProfile,
)
from .models.run import RunReference
from .models.session import ChatSession, Message
from .models.thread import Thread, ThreadDeleted, ThreadItem
from .program.model import Block, EnrichedTrainingProgram, Exercise, TrainingSession

if TYPE_CHECKING:
    from .program.checks import Finding
    from .program.diff import ProgramDiff
    from .program.numbers import Range
else:
    _LAZY = {"Finding": "checks", "ProgramDiff": "diff", "Range": "numbers"}

    def __getattr__(name):
        """Import a rarely used name at its first use."""
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".program.{_LAZY[name]}", __name__), name)


# Silent by default, as the logging documentation asks of a library.
logging.getLogger("edn360_chatkit").addHandler(logging.NullHandler())

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncBatchRun",
    "AsyncChatKitClient",
    "AsyncWorkflowRun",
    "AuthenticationError",
    "BadRequestError",
    "BatchResult",
    "BatchRun",
    "Block",
    "ChatKitClient",
    "ChatKitError",
    "ChatSession",
    "ConfigurationError",
    "ConflictError",
    "EDN360Input",
    "EndpointNotFoundError",
    "EnrichedTrainingProgram",
    "Exercise",
    "FieldError",
    "Finding",
    "InternalServerError",
    "InvalidInputError",
    "InvalidResponseError",
    "Message",
    "MessageSentEvent",
    "MissingProgramError",
    "NotFoundError",
    "NoticeEvent",
    "PermissionDeniedError",
    "PreviousTrainingPlan",
    "ProgramDiff",
    "ProgramValidationError",
    "ProgressEvent",
    "Questionnaire",
    "Range",
    "RateLimitError",
    "RawEvent",
    "RequestContext",
    "ResponseEvent",
    "RunReference",
    "RunStatus",
    "SessionCreatedEvent",
    "SessionNotFoundError",
    "StepEvent",
    "Subscription",
    "TaskEvent",
    "TextDeltaEvent",
    "Thread",
    "ThreadDeleted",
    "ThreadItem",
    "TrainingSession",
    "TruncatedResponseError",
    "UnprocessableEntityError",
    "UserProfile",
    "WaitingEvent",
    "WorkflowError",
    "WorkflowEvent",
    "WorkflowFailedError",
    "WorkflowResponse",
    "WorkflowRun",
    "WorkflowTimeoutError",
    "__version__",
]
