"""What a session can be made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ..errors import ConfigurationError, InvalidInputError
from .requests import text_argument


def session_body(
    workflow_id: str | None, user: str, options: Mapping[str, object]
) -> dict[str, Any]:
    """The body of ``POST /sessions``: the workflow, the user, and the options that are given.

    Args:
        workflow_id: The client's workflow.
        user: The end user.
        options: The ``SessionOptions``; ``None`` leaves one out.

    Raises:
        ConfigurationError: There is no workflow id.
        InvalidInputError: An argument is of the wrong kind; the text names it.
    """
    given = {name: value for name, value in options.items() if value is not None}
    workflow_id = cast("str | None", given.get("workflow_id", workflow_id))
    if workflow_id is None:
        raise ConfigurationError(
            "No workflow id. Pass workflow_id=... to the client or to this call, or set the "
            "environment variable EDN360_TRAINING_WORKFLOW_ID (it begins with wf_)."
        )
    workflow: dict[str, Any] = {"id": text_argument("workflow_id", workflow_id)}
    body: dict[str, Any] = {"workflow": workflow, "user": text_argument("user", user)}
    if "version" in given:
        workflow["version"] = text_argument("version", given["version"])
    if "state_variables" in given:
        workflow["state_variables"] = _state_variables(given["state_variables"])
    if "tracing" in given:
        if not isinstance(given["tracing"], bool):
            raise InvalidInputError("tracing must be True or False.")
        workflow["tracing"] = {"enabled": given["tracing"]}
    if "expires_after" in given:
        seconds = _whole("expires_after", given["expires_after"])
        body["expires_after"] = {"anchor": "created_at", "seconds": seconds}
    if "max_requests_per_minute" in given:
        limit = _whole("max_requests_per_minute", given["max_requests_per_minute"])
        body["rate_limits"] = {"max_requests_per_1_minute": limit}
    if "chatkit_configuration" in given:
        body["chatkit_configuration"] = _json(
            "chatkit_configuration", given["chatkit_configuration"]
        )
    return body


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise InvalidInputError(f"{name} must be a whole number from 1 to 2147483647.")
    return value


def _state_variables(values: object) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise InvalidInputError("state_variables must be a mapping of names to values.")
    for name, value in cast("Mapping[object, object]", values).items():
        if not isinstance(name, str) or not isinstance(value, (str, bool, int, float)):
            raise InvalidInputError(
                "state_variables: names are strings; values are strings, booleans or numbers."
            )
        if len(name) > LONGEST_NAME:
            raise InvalidInputError(
                f"state_variables: a name may have at most {LONGEST_NAME} characters."
            )
    return _json("state_variables", cast("Mapping[str, Any]", values))


LONGEST_NAME = 64
"""The longest name of a state variable, in characters (source: OpenAI's API reference)."""


def _json(name: str, value: object) -> dict[str, Any]:
    """A mapping that JSON can hold."""
    try:
        copy = dict(cast("Mapping[str, Any]", value))
        json.dumps(copy, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, TypeError, RecursionError):
        # Without its cause: a UnicodeEncodeError carries the whole text.
        raise InvalidInputError(f"{name} must be a mapping that JSON can hold.") from None
    return copy
