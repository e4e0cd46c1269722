"""The common part of the sync and async clients: from arguments to operations."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from pydantic import ValidationError

from ._config import (
    Config,
    SessionOptions,
    WaitOptions,
    check_names,
    checked_choice,
    checked_count,
    checked_interval,
    checked_seconds,
)
from ._effects import Operation
from ._protocol.durations import ADAPTIVE_ATTEMPTS, Durations
from ._protocol.inputs import segment, text_argument
from ._protocol.run import Waiting
from ._protocol.workflow import Workflow
from ._transport import TransportSettings
from ._validation import describe, field_errors
from .batch import Batch, BatchOptions
from .errors import ConfigurationError, InvalidInputError
from .models.run import RunReference
from .models.session import ChatSession, Message


class BaseClient:
    """Checks arguments and builds operations; a subclass hands them to its driver."""

    _awaited: ClassVar[bool] = False

    def __init__(self, config: Config | Exception) -> None:
        if not isinstance(config, Config):
            raise config
        self._config = config
        self._workflow = Workflow(self._config)
        self._durations = Durations()

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
            f"A {type(self).__name__} holds a key and connections, so it can't be pickled. Make a "
            "client in each process; sessions and messages can be pickled."
        )

    def _create(self, user: str, options: SessionOptions) -> Operation[ChatSession]:
        check_names(options, SessionOptions, "create_session")
        return self._workflow.api.create_session(user, options)

    def _waiting(self, options: WaitOptions) -> Waiting:
        check_names(options, WaitOptions, "this method")
        config = self._config
        answer = options.get("answer", "program")
        checked_choice("answer", answer, ("program", "first"), ConfigurationError)
        interval, attempts = options.get("poll_interval"), options.get("max_attempts")
        deadline = options.get("deadline")
        interval = config.poll_interval if interval is None else checked_interval(interval)
        if attempts is None:
            attempts = ADAPTIVE_ATTEMPTS if interval is None else config.max_attempts
        deadline = config.deadline if deadline is None else deadline
        return Waiting(
            poll_interval=interval,
            max_attempts=checked_count("max_attempts", attempts),
            answer=answer,
            deadline=checked_seconds("deadline", deadline, zero=False),
            durations=self._durations,
            awaited=self._awaited,
        )

    def _batch(self, options: BatchOptions) -> Batch:
        check_names(options, BatchOptions, "run_many")
        names = WaitOptions.__annotations__
        wait = {name: value for name, value in options.items() if name in names}
        waiting = self._waiting(cast("WaitOptions", {"poll_interval": "adaptive", **wait}))
        return Batch(self._workflow, waiting, options)


def transport_settings(config: Config) -> TransportSettings:
    """The part of the settings that the transport needs."""
    return TransportSettings(
        url=config.server_url or config.base_url,
        timeout=config.timeout,
        request_seconds=config.request_seconds,
        deadline=config.deadline,
        max_response_bytes=config.max_response_bytes,
    )


def checked_session(session: ChatSession | str) -> ChatSession:
    """A session, or the session with an id."""
    if not isinstance(session, ChatSession):
        segment("session", session)
        return ChatSession(id=session)
    # model_construct and model_copy(update=...) do not validate.
    segment("session.id", getattr(session, "id", None))
    if session.user is not None:
        text_argument("session.user", session.user)
    return session


def checked_run(
    run: RunReference | ChatSession | str, after: Message | str | None = None
) -> tuple[ChatSession, RunReference]:
    """A run's session and reference, from its reference, or from its session and message."""
    try:
        if isinstance(run, str) and run.lstrip().startswith("{"):
            run = RunReference.model_validate_json(run)
        # model_construct and model_copy(update=...) do not validate.
        if isinstance(run, RunReference):
            reference = RunReference.model_validate(dict(run))
            session = checked_session(reference.session)
        else:
            session = checked_session(run)
            ids = {"id": after, "session_id": session.id}
            message = Message.model_validate(dict(after) if isinstance(after, Message) else ids)
            reference = RunReference.of(message, session.user)
    except ValidationError as error:
        errors = field_errors(error)
        raise InvalidInputError(
            f"This is not the RunReference, session or message of a run:\n{describe(errors)}",
            errors=errors,
        ) from None
    if isinstance(run, RunReference) and after is not None:
        raise InvalidInputError("A RunReference names its message: leave after=... out.")
    if reference.session_id != session.id:
        raise InvalidInputError("after= is a message of another session.")
    for name in ("message_id", "thread_id"):
        if getattr(reference, name) is not None:
            segment(name, getattr(reference, name))
    return session, reference
