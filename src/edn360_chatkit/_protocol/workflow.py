"""The run: the three steps one after the other, in whichever protocol the server speaks."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from .._config import Config
from .._effects import Operation, emit, now
from ..errors import ChatKitError, EndpointNotFoundError, WorkflowError
from ..events import MessageSentEvent, SessionCreatedEvent, WorkflowResponse
from ..models.session import ChatSession, Message
from .conversation import OpenRuns, follow_run, start_run
from .inbox import Inbox
from .inputs import Prepared
from .messages import list_messages
from .once import send_message
from .polling import Waiting, poll
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
    message = yield from _send_in(config, state, session, prepared, waiting, alone=True)
    try:
        yield from emit(MessageSentEvent(message=message))
    except GeneratorExit:
        # Left here, nobody follows the run: its stream is not to stay open.
        state.runs.take(message)
        raise
    return (
        yield from poll_response(
            *(config, state, session, message, waiting),
            watched=watched,
            started=started,
            sent=prepared.text,
        )
    )


def send_input(
    config: Config, state: State, session: ChatSession, prepared: Prepared, waiting: Waiting
) -> Operation[Message]:
    """The second step by itself."""
    prepared.log()
    return (yield from _send_in(config, state, session, prepared, waiting))


def _send_in(
    config: Config,
    state: State,
    session: ChatSession,
    prepared: Prepared,
    waiting: Waiting,
    *,
    alone: bool = False,
) -> Operation[Message]:
    """Send an input in a session; an error says which session it was."""
    text = prepared.text
    # A stream may be silent for as long as the whole waiting would last.
    patience = waiting.poll_interval * waiting.max_attempts
    try:
        if _protocol(config, state) == "threads":
            return (yield from start_run(config, session, text, state.runs, patience))
        try:
            message = yield from send_message(config, session.id, text, alone=alone)
        except EndpointNotFoundError as error:
            if config.protocol != "auto" or state.protocol is not None or not _is_refused(error):
                raise
            state.protocol = "threads"
            if session.client_secret is None:
                error.message += (
                    " This session has no client secret, which the thread protocol needs: "
                    "sessions lose it when they are stored. Make a new one with "
                    "create_session(...)."
                )
                raise
            logger.info("no session messages here: going on with the thread protocol")
            return (yield from start_run(config, session, text, state.runs, patience))
    except ChatKitError as error:
        error.session = error.session or session
        raise
    # Without an id it may have been a proxy's page, which says nothing about the API behind it.
    if config.protocol == "auto" and message.id is not None:
        state.protocol = "messages"
    return message


def _is_refused(error: EndpointNotFoundError) -> bool:
    """Whether the API itself says that it has no such endpoint, and nothing is in doubt.

    A page of some gateway says nothing about the API behind it.
    """
    body = error.body
    said = cast("dict[str, Any]", body).get("error") if isinstance(body, dict) else None
    message = cast("dict[str, Any]", said).get("message") if isinstance(said, dict) else None
    invalid = isinstance(message, str) and message.startswith("Invalid URL")
    return invalid and not error.may_have_been_taken


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
    sent: str | None = None,
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
        sent: The message's text, where it is known.

    Raises:
        WorkflowError: The run went wrong, or is not done yet; it carries what came.
        APIError: The server refused a poll in a way that no waiting helps.
    """
    if started is None:
        started = yield from now()
    inbox = Inbox(session, message, sent=sent)
    in_thread = message.thread_id is not None or state.runs.known(session)[1] is not None
    try:
        if in_thread or _protocol(config, state) == "threads":
            return (
                yield from follow_run(config, inbox, waiting, state.runs, started, watched=watched)
            )
        return (
            yield from poll(
                lambda: list_messages(config, session.id, message.id), inbox, waiting, started
            )
        )
    except ChatKitError as error:
        if not isinstance(error, WorkflowError):
            error.session, error.sent_message = inbox.session, inbox.message
            error.text = inbox.newest_text()
        raise
