"""Step 1: a session."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from .._config import Config
from .._effects import Operation, Response
from ..errors import ConfigurationError, InvalidInputError
from ..models.session import ChatSession
from .requests import call, json_object, segment, text_argument, unusable
from .retry import retrying

logger = logging.getLogger("edn360_chatkit")


def session_body(
    config: Config,
    user: str,
    *,
    workflow_id: str | None = None,
    version: str | None = None,
    state_variables: Mapping[str, str | bool | int | float] | None = None,
    tracing: bool | None = None,
    expires_after: int | None = None,
    max_requests_per_minute: int | None = None,
    chatkit_configuration: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of ``POST /sessions``: the workflow and the user, and what else is asked for.

    Raises:
        ConfigurationError: There is no workflow id.
        InvalidInputError: An argument is of the wrong kind; the text names it.
    """
    if config.server_url is not None:
        options = (workflow_id, version, state_variables, tracing, expires_after)
        if any(o is not None for o in (*options, max_requests_per_minute, chatkit_configuration)):
            raise InvalidInputError(
                "A self-hosted server (server_url) has no sessions of the API: only user is taken."
            )
        return {"user": text_argument("user", user)}
    workflow_id = workflow_id if workflow_id is not None else config.workflow_id
    if workflow_id is None:
        raise ConfigurationError(
            "No workflow id. Pass workflow_id=... to the client or to this call, or set the "
            "environment variable EDN360_TRAINING_WORKFLOW_ID (it begins with wf_)."
        )
    workflow: dict[str, Any] = {"id": text_argument("workflow_id", workflow_id)}
    body: dict[str, Any] = {"workflow": workflow, "user": text_argument("user", user)}
    if version is not None:
        workflow["version"] = text_argument("version", version)
    if state_variables is not None:
        workflow["state_variables"] = _state_variables(state_variables)
    if tracing is not None:
        if not isinstance(tracing, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInputError("tracing must be True or False.")
        workflow["tracing"] = {"enabled": tracing}
    if expires_after is not None:
        seconds = _whole("expires_after", expires_after)
        body["expires_after"] = {"anchor": "created_at", "seconds": seconds}
    if max_requests_per_minute is not None:
        limit = _whole("max_requests_per_minute", max_requests_per_minute)
        body["rate_limits"] = {"max_requests_per_1_minute": limit}
    if chatkit_configuration is not None:
        body["chatkit_configuration"] = _json("chatkit_configuration", chatkit_configuration)
    return body


def create_session(config: Config, body: Mapping[str, Any]) -> Operation[ChatSession]:
    """Make a session. A repeated request makes a second session at worst, which costs nothing."""
    response = yield from retrying(
        lambda: call(config, "POST", "/sessions", body=body), max_retries=config.max_retries
    )
    session = _read_session(config, response, body["user"])
    logger.info("session created: %s", session.id)
    return session


def _read_session(config: Config, response: Response, user: str) -> ChatSession:
    data = json_object(config, response)
    session_id = data.get("id")
    try:
        segment("session", session_id)
    except InvalidInputError as error:
        raise unusable(config, response, "a session without an id") from error
    try:
        return ChatSession.model_validate({"user": user, **data})
    except ValidationError:
        # Only the id is promised. What else is not as expected must not cost the session.
        secret = data.get("client_secret")
        return ChatSession(
            id=str(session_id), user=user, client_secret=secret if isinstance(secret, str) else None
        )


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise InvalidInputError(f"{name} must be a whole number of 1 or more, and no giant.")
    return value


def _state_variables(values: object) -> dict[str, str | bool | int | float]:
    if not isinstance(values, Mapping):
        raise InvalidInputError("state_variables must be a mapping of names to values.")
    variables: dict[str, str | bool | int | float] = {}
    for name, value in values.items():  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(name, str) or not isinstance(value, (str, bool, int, float)):
            raise InvalidInputError(
                "state_variables: names are strings; values are strings, booleans or numbers."
            )
        variables[name] = value
    return _json("state_variables", variables)


def _json(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping that is known to fit into a request."""
    try:
        text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (ValueError, TypeError, RecursionError):
        # Without its cause: a UnicodeEncodeError carries the whole text.
        raise InvalidInputError(f"{name} must be a mapping that JSON can hold.") from None
    return dict(value)
