"""The result of one input of a batch, and its form in the journal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

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
    """The result of one input: a response or an error.

    Attributes:
        key: The key of the input: that of its ``(key, input)`` pair, else its ``user_id``.
        response: The response with the program; ``None`` if there is an error.
        error: Why there is no response.
        run: The reference of the run, if its message was sent or may have been.
    """

    key: str
    response: WorkflowResponse | None = None
    error: ChatKitError | None = None
    run: RunReference | None = field(default=None, repr=False)


def error_json(error: WorkflowError) -> str:
    """An error as JSON. Its session is without the client secret."""
    data = {"type": type(error).__name__, "text": str(error), "attributes": error.__dict__}
    return to_json(data, fallback=str).decode()


def error_from_json(text: str) -> WorkflowError:
    """The error that :func:`error_json` wrote."""
    data = json.loads(text)
    kind: type[WorkflowError] = getattr(errors, data["type"], WorkflowError)
    error = kind.__new__(kind)
    error.args = (data["text"],)
    for name, value in data["attributes"].items():
        setattr(error, name, _attribute(name, value))
    return error


def _attribute(name: str, value: Any) -> Any:
    if name in _MODELS and isinstance(value, dict):
        return _MODELS[name].model_validate(value)
    # The errors keep their lists as tuples.
    return tuple(value) if is_list(value) else value
