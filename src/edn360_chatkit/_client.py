"""The part of a client that is the same for sync and async: from arguments to operations."""

from __future__ import annotations

from typing import Any

from ._config import (
    Config,
    SessionOptions,
    WaitOptions,
    check_names,
    checked_choice,
    checked_count,
    checked_seconds,
)
from ._effects import Emitting, Operation
from ._protocol.inputs import Prepared
from ._protocol.requests import segment, text_argument
from ._protocol.run import Waiting
from ._protocol.workflow import Workflow
from ._transport import TransportSettings
from .errors import ConfigurationError, InvalidInputError
from .events import WorkflowEvent, WorkflowResponse
from .models.session import ChatSession, Message


class BaseClient:
    """Checks arguments and builds operations; a subclass hands them to its driver."""

    def __init__(self, config: Config | ConfigurationError | TypeError) -> None:
        if not isinstance(config, Config):
            raise config
        self._config = config
        self._workflow = Workflow(self._config)

    def __repr__(self) -> str:
        name = type(self).__name__
        config: Config | None = getattr(self, "_config", None)
        if config is None:
            return f"{name}()"
        if config.server_url is not None:
            return f"{name}(server_url={config.server_url!r})"
        return f"{name}(base_url={config.base_url!r}, workflow_id={config.workflow_id!r})"

    def __reduce__(self) -> Any:
        raise TypeError(
            f"A {type(self).__name__} holds a key and connections and can't be pickled. Make one "
            "in each process; sessions and messages can be pickled."
        )

    def _create(self, user: str, options: SessionOptions) -> Operation[ChatSession]:
        check_names(options, SessionOptions, "create_session")
        return self._workflow.create_session(user, options)

    def _run(
        self, prepared: Prepared, user: str | None, waiting: Waiting, *, watched: bool
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        prepared.check()
        user = prepared.user_id if user is None else text_argument("user", user)
        if user is None:
            raise InvalidInputError("A text has no user: pass user=... with it.")
        return self._workflow.run(prepared, user, waiting, watched=watched)

    def _send(self, session: ChatSession | str, prepared: Prepared) -> Operation[Message]:
        session = _checked_session(session)
        return self._workflow.send_message(session, prepared.check(), self._waiting({}))

    def _poll(
        self,
        session: ChatSession | str,
        after: Message | str | None,
        waiting: Waiting,
        *,
        watched: bool,
    ) -> Emitting[WorkflowEvent, WorkflowResponse]:
        session = _checked_session(session)
        message = _checked_message(session, after)
        return self._workflow.poll_response(session, message, waiting, watched=watched)

    def _waiting(self, options: WaitOptions) -> Waiting:
        check_names(options, WaitOptions, "this method")
        config = self._config
        answer = options.get("answer", "program")
        checked_choice("answer", answer, ("program", "first"), ConfigurationError)
        interval, attempts = options.get("poll_interval"), options.get("max_attempts")
        deadline = options.get("deadline")
        interval = config.poll_interval if interval is None else interval
        attempts = config.max_attempts if attempts is None else attempts
        deadline = config.deadline if deadline is None else deadline
        return Waiting(
            poll_interval=checked_seconds("poll_interval", interval),
            max_attempts=checked_count("max_attempts", attempts),
            answer=answer,
            deadline=checked_seconds("deadline", deadline, zero=False),
        )


def transport_settings(config: Config) -> TransportSettings:
    """The part of the settings that the transport needs."""
    return TransportSettings(
        url=config.server_url or config.base_url,
        timeout=config.timeout,
        request_seconds=config.request_seconds,
        deadline=config.deadline,
        max_response_bytes=config.max_response_bytes,
    )


def _checked_session(session: ChatSession | str) -> ChatSession:
    if not isinstance(session, ChatSession):
        segment("session", session)
        return ChatSession(id=session)
    # model_construct and model_copy(update=...) validate nothing.
    segment("session.id", getattr(session, "id", None))
    if session.user is not None:
        text_argument("session.user", session.user)
    return session


def _checked_message(session: ChatSession, message: Message | str | None) -> Message:
    if not isinstance(message, Message):
        if message is not None:
            segment("after", message)
        return Message(id=message, session_id=session.id)
    if getattr(message, "session_id", None) != session.id:
        raise InvalidInputError("after= is a message of another session.")
    for name, part in (("id", message.id), ("thread_id", message.thread_id)):
        if part is not None:
            segment(f"after.{name}", part)
    return message
