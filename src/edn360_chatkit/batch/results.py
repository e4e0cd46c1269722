"""The result of an input of a batch, and its form in the journal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from pydantic_core import to_json

from .. import errors
from .._json import is_list
from ..errors import ChatKitError, WorkflowError
from ..events import WorkflowResponse
from ..models.run import RunReference
from ..models.session import ChatSession, Message

_MODELS: dict[str, type[ChatSession] | type[Message] | type[RunReference]] = {
    "session": ChatSession,
    "message": Message,
    "sent_message": Message,
    "run": RunReference,
}


@dataclass(frozen=True)
class BatchResult:
    """The result of an input: a response or an error.

    Attributes:
        key: The key of the input: the key of its ``(key, input)`` pair, or its ``user_id``.
        response: The response with the program; ``None`` if there is an error.
        error: The error; ``None`` if there is a response.
        run: The reference of the run, if its message was sent or may have been sent.
    """

    key: str
    response: WorkflowResponse | None = None
    error: ChatKitError | None = None
    run: RunReference | None = field(default=None, repr=False)


def error_json(error: WorkflowError) -> str:
    """An error as JSON, without the client secret of its session."""
    data = {"type": type(error).__name__, "text": str(error), "attributes": error.__dict__}
    return to_json(data, fallback=str).decode()


def error_from_json(text: str) -> WorkflowError:
    """The error that :func:`error_json` wrote."""
    data = json.loads(text)
    kind: type[WorkflowError] = getattr(errors, data["type"], WorkflowError)
    error = kind.__new__(kind)
    error.args = (data["text"],)
    for name, value in data["attributes"].items():
        if name in _MODELS and value is not None:
            value = _MODELS[name].model_validate(value)
        # The lists of an error are tuples.
        setattr(error, name, tuple(value) if is_list(value) else value)
    return error
