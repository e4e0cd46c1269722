"""The run: the three steps one after the other, in whichever protocol the server speaks."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .._config import Config
from .._effects import Operation, emit, now
from ..errors import APIError, EndpointNotFoundError
from ..models.chatkit import ChatSession, Message, WorkflowResponse
from ..models.events import MessageSentEvent, SessionCreatedEvent
from .conversation import OpenRuns, follow_run, start_run
from .inbox import Inbox, Waiting, poll
from .inputs import Prepared
from .messages import list_messages
from .once import send_message
from .sessions import create_session

logger = logging.getLogger("edn360_chatkit")


@dataclass(slots=True)
class State:
    """What a client learns as it goes.

    Attributes:
        protocol: The protocol that ``"auto"`` turned out to be; ``None`` before it is known.
        runs: The runs whose streams are open.
    """

    protocol: Literal["messages", "threads"] | None = None
    runs: OpenRuns = field(default_factory=OpenRuns)


def new_session(config: Config, body: Mapping[str, Any]) -> Operation[ChatSession]:
    """The first step: a session of the API, or a local one for a self-hosted server."""
    if config.server_url is None:
        return (yield from create_session(config, body))
    session = ChatSession(id=f"local_{uuid.uuid4().hex}", user=body["user"])
    logger.info("session created: %s", session.id)
    return session


def run_workflow(
    config: Config,
    state: State,
    body: Mapping[str, Any],
    prepared: Prepared,
    waiting: Waiting,
    *,
    watched: bool,
) -> Operation[WorkflowResponse]:
    """The three steps: a session, the message, the answer."""
    started = yield from now()
    if config.server_url is None:
        logger.info("workflow %s", body["workflow"]["id"])
    prepared.log()
    session = yield from new_session(config, body)
    yield from emit(SessionCreatedEvent(session=session))
    message = yield from _send_in(config, state, session, prepared)
    yield from emit(MessageSentEvent(message=message))
    return (
        yield from poll_response(
            config, state, session, message, waiting, watched=watched, started=started
        )
    )


def send_input(
    config: Config, state: State, session: ChatSession, prepared: Prepared
) -> Operation[Message]:
    """The second step by itself."""
    prepared.log()
    return (yield from _send_in(config, state, session, prepared))


def _send_in(
    config: Config, state: State, session: ChatSession, prepared: Prepared
) -> Operation[Message]:
    """Send an input in a session; an error says which session it was."""
    try:
        if _protocol(config, state) == "threads":
            return (yield from start_run(config, session, prepared.text, state.runs))
        try:
            message = yield from send_message(config, session.id, prepared.text)
        except EndpointNotFoundError:
            if config.protocol != "auto" or session.client_secret is None:
                raise
            logger.info("no session messages here: going on with the thread protocol")
            state.protocol = "threads"
            return (yield from start_run(config, session, prepared.text, state.runs))
    except APIError as error:
        error.session = session
        raise
    if config.protocol == "auto":
        state.protocol = "messages"
    return message


def _protocol(config: Config, state: State) -> Literal["messages", "threads"]:
    if config.protocol != "auto":
        return config.protocol
    return state.protocol or "messages"


def poll_response(
    config: Config,
    state: State,
    session: ChatSession,
    message: Message,
    waiting: Waiting,
    *,
    watched: bool,
    started: float | None = None,
) -> Operation[WorkflowResponse]:
    """Wait for the answer.

    Args:
        config: The client's configuration.
        state: What the client has learned.
        session: The session of the run.
        message: The message that the answer answers.
        waiting: How long to wait, and for what.
        watched: Whether anybody wants to know of the answer's pieces.
        started: When the run began, on the driver's clock; now if it is not given.

    Raises:
        WorkflowError: The run went wrong, or is not done yet; it carries what came.
        APIError: The server refused a poll in a way that no waiting helps.
    """
    if started is None:
        started = yield from now()
    inbox = Inbox(session, message)
    if message.thread_id is not None or _protocol(config, state) == "threads":
        return (yield from follow_run(config, inbox, waiting, state.runs, started, watched=watched))
    return (yield from poll(lambda: list_messages(config, session.id), inbox, waiting, started))
