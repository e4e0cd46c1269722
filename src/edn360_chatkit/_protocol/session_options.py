"""The body of the request that makes a session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from .._config import checked_count
from ..errors import ConfigurationError, InvalidInputError
from .inputs import text_argument

_count = partial(checked_count, most=2**31 - 1, error=InvalidInputError)

LONGEST_NAME = 64
"""The longest name of a state variable, in characters (source: OpenAI's API reference)."""


def session_body(workflow_id: object, user: str, options: Mapping[str, object]) -> dict[str, Any]:
    """The body of ``POST /sessions``: the workflow, the user, and the options."""
    values = {name: value for name, value in options.items() if value is not None}
    workflow_id = values.get("workflow_id", workflow_id)
    if workflow_id is None:
        raise ConfigurationError(
            "No workflow id. Pass workflow_id=... to the client or to this call, or set the "
            "environment variable EDN360_TRAINING_WORKFLOW_ID (it begins with wf_)."
        )
    workflow: dict[str, Any] = {"id": text_argument("workflow_id", workflow_id)}
    body: dict[str, Any] = {"workflow": workflow, "user": text_argument("user", user)}
    for name, value in values.items():
        if name == "version":
            workflow["version"] = text_argument("version", value)
        elif name == "state_variables":
            workflow["state_variables"] = _state_variables(value)
        elif name == "tracing":
            if not isinstance(value, bool):
                raise InvalidInputError("tracing must be True or False.")
            workflow["tracing"] = {"enabled": value}
        elif name == "expires_after":
            body["expires_after"] = {"anchor": "created_at", "seconds": _count(name, value)}
        elif name == "max_requests_per_minute":
            body["rate_limits"] = {"max_requests_per_1_minute": _count(name, value)}
        elif name == "chatkit_configuration":
            body["chatkit_configuration"] = _json(name, value)
    return body


def _state_variables(values: object) -> dict[str, Any]:
    variables = _json("state_variables", values)
    for name, value in cast("dict[object, object]", variables).items():
        if not isinstance(name, str) or not isinstance(value, (str, bool, int, float)):
            raise InvalidInputError(
                "state_variables: names are strings; values are strings, booleans or numbers."
            )
        if len(name) > LONGEST_NAME:
            raise InvalidInputError(
                f"state_variables: a name may have at most {LONGEST_NAME} characters."
            )
    return variables


def _json(name: str, value: object) -> dict[str, Any]:
    try:
        copy = dict(cast("Mapping[str, Any]", value))
        json.dumps(copy, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, TypeError, RecursionError):
        # Drop the cause: a UnicodeEncodeError holds the whole text.
        raise InvalidInputError(f"{name} must be a mapping that JSON can hold.") from None
    return copy
