"""``ChatKitClient`` and ``AsyncChatKitClient``: the same methods, sync and async.

A method checks its arguments, builds an operation and hands it to the driver. What the operation
does is written once, in ``_operations``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, TypeAlias

import httpx

from ._checked import checked
from ._config import (
    DEFAULT_DEADLINE,
    DEFAULT_MAX_RESPONSE_BYTES,
    Config,
    Headers,
    Protocol,
    checked_choice,
    checked_count,
    checked_deadline,
    checked_seconds,
    load_config,
)
from ._effects import Operation
from ._protocol.inbox import AnswerRule, Waiting
from ._protocol.inputs import WorkflowInput, prepare
from ._protocol.requests import segment, text_argument
from ._protocol.sessions import session_body
from ._protocol.workflow import State, new_session, poll_response, run_workflow, send_input
from ._transport import (
    AsyncDriver,
    AsyncHTTPClient,
    AsyncOperationRun,
    HTTPClient,
    OperationRun,
    SyncDriver,
    TransportSettings,
)
from .errors import ConfigurationError, InvalidInputError
from .events import WorkflowEvent, WorkflowResponse
from .models.session import ChatSession, Message
from .resources import AsyncSessions, AsyncThreads, Sessions, Threads

OnEvent: TypeAlias = Callable[[WorkflowEvent], object]
OnEventAsync: TypeAlias = Callable[[WorkflowEvent], Awaitable[object] | object]

WorkflowRun: TypeAlias = OperationRun[WorkflowEvent, WorkflowResponse]
"""What ``ChatKitClient.stream_workflow`` gives: a context manager over the run's events."""
AsyncWorkflowRun: TypeAlias = AsyncOperationRun[WorkflowEvent, WorkflowResponse]
"""What ``AsyncChatKitClient.stream_workflow`` gives."""


_arguments = checked(InvalidInputError, "An argument")


class _Client:
    """What the two clients share: the configuration, and how a call becomes an operation."""

    _config: Config
    _state: State

    def __repr__(self) -> str:
        config = self._config
        if config.server_url is not None:
            return f"{type(self).__name__}(server_url={config.server_url!r})"
        return (
            f"{type(self).__name__}(base_url={config.base_url!r}, "
            f"workflow_id={config.workflow_id!r})"
        )

    def __reduce__(self) -> Any:
        raise TypeError(
            f"A {type(self).__name__} holds a key and connections and can't be pickled. Make one "
            "in each process; sessions and messages can be pickled."
        )

    @_arguments
    def _create_session(self, user: str, **options: Any) -> Operation[ChatSession]:
        return new_session(self._config, session_body(self._config, user, **options))

    @_arguments
    def _send_message(
        self, session: ChatSession | str, message: WorkflowInput
    ) -> Operation[Message]:
        waiting = self._waiting(None, None, "program", None)
        found = _as_session(session)
        return send_input(self._config, self._state, found, prepare(message), waiting)

    @_arguments
    def _poll_response(
        self,
        session: ChatSession | str,
        after: Message | str | None,
        waiting: Waiting,
        *,
        watched: bool,
    ) -> Operation[WorkflowResponse]:
        found = _as_session(session)
        message = _as_message(found, after)
        return poll_response(self._config, self._state, found, message, waiting, watched=watched)

    @_arguments
    def _run_workflow(
        self,
        edn360_input: WorkflowInput,
        user: str | None,
        waiting: Waiting,
        *,
        watched: bool,
    ) -> Operation[WorkflowResponse]:
        prepared = prepare(edn360_input)
        owner = user if user is not None else prepared.user_id
        if owner is None:
            raise InvalidInputError("A text names no user: pass user=... with it.")
        body = session_body(self._config, owner)
        return run_workflow(self._config, self._state, body, prepared, waiting, watched=watched)

    def _waiting(
        self,
        poll_interval: float | None,
        max_attempts: int | None,
        answer: AnswerRule,
        deadline: float | None,
    ) -> Waiting:
        checked_choice("answer", answer, ("program", "first"), ConfigurationError)
        config = self._config
        return Waiting(
            poll_interval=config.poll_interval
            if poll_interval is None
            else checked_seconds("poll_interval", poll_interval),
            max_attempts=config.max_attempts
            if max_attempts is None
            else checked_count("max_attempts", max_attempts, least=1),
            answer=answer,
            deadline=config.deadline if deadline is None else checked_deadline(deadline),
        )


def _settings(config: Config) -> TransportSettings:
    return TransportSettings(
        url=config.server_url or config.base_url,
        timeout=config.timeout,
        request_seconds=config.request_seconds,
        deadline=config.deadline,
        max_response_bytes=config.max_response_bytes,
    )


def _as_session(session: ChatSession | str) -> ChatSession:
    if not isinstance(session, ChatSession):
        segment("session", session)
        return ChatSession(id=session)
    # model_construct and model_copy(update=...) validate nothing.
    segment("session.id", getattr(session, "id", None))
    if session.user is not None:
        text_argument("session.user", session.user)
    return session


def _as_message(session: ChatSession, message: Message | str | None) -> Message:
    if isinstance(message, Message):
        if getattr(message, "session_id", None) != session.id:
            raise InvalidInputError("after= is a message of another session.")
        for name, part in (("id", message.id), ("thread_id", message.thread_id)):
            if part is not None:
                segment(f"after.{name}", part)
        return message
    if message is not None:
        segment("after", message)
    return Message(id=message, session_id=session.id)


class ChatKitClient(_Client):
    """Runs the EDN360 training workflow through ChatKit.

    One client serves many threads. It is a context manager; outside of a ``with`` block, call
    :meth:`close` when it is not needed any more.

    Args:
        api_key: The OpenAI API key; else ``$EDN360_OPENAI_API_KEY``, else ``$OPENAI_API_KEY``.
        workflow_id: The workflow (``wf_…``); else ``$EDN360_TRAINING_WORKFLOW_ID``.
        base_url: The ChatKit API; else ``$EDN360_CHATKIT_BASE_URL``, else OpenAI's. It must be
            https unless it is loopback.
        server_url: A self-hosted ChatKit server; else ``$EDN360_CHATKIT_SERVER_URL``. It needs no
            key and no workflow id. It must be https unless it is loopback.
        protocol: ``"messages"`` is the session messages protocol, ``"threads"`` ChatKit's thread
            protocol. ``"auto"`` begins with the first, and goes on with the second where the API
            says that it has no such endpoint.
        headers: Added to every request: a mapping, or a function that is asked for one before
            each request.
        timeout: Of one request as a whole, in seconds, from when it has a connection; of a stream
            until it begins. An ``httpx.Timeout`` bounds each step of a request instead
            (connecting, writing, each wait for more of the answer).
        max_retries: How often one request is repeated at most, where that can help.
        poll_interval: Seconds between two polls.
        max_attempts: How many polls at most.
        poll_limit: How many of the session's newest messages a poll asks for, 1 to 100.
        deadline: How long a call may take as a whole, in seconds, whatever else is set.
        max_response_bytes: How large an answer, or what is kept of a stream, may be after
            decompression, in bytes.
        http_client: An ``httpx.Client`` of your own, with your proxies and limits. It is never
            closed by this package, and its own ``timeout`` and ``auth`` are not used.

    Raises:
        ConfigurationError: An argument or environment variable is missing or wrong.

    Example:
        >>> client = ChatKitClient(api_key="sk-...", workflow_id="wf_...")  # doctest: +SKIP
        >>> response = client.run_workflow(edn360_input)  # doctest: +SKIP
        >>> response.program.title  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        workflow_id: str | None = None,
        base_url: str | None = None,
        server_url: str | None = None,
        protocol: Protocol = "auto",
        headers: Headers | None = None,
        timeout: float | httpx.Timeout = 30.0,
        max_retries: int = 4,
        poll_interval: float = 2.0,
        max_attempts: int = 60,
        http_client: HTTPClient | None = None,
        poll_limit: int = 50,
        deadline: float = DEFAULT_DEADLINE,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
    ) -> None:
        self._config = load_config(
            api_key=api_key,
            workflow_id=workflow_id,
            base_url=base_url,
            server_url=server_url,
            protocol=protocol,
            headers=headers,
            timeout=timeout,
            max_retries=max_retries,
            poll_interval=poll_interval,
            max_attempts=max_attempts,
            poll_limit=poll_limit,
            deadline=deadline,
            max_response_bytes=max_response_bytes,
        )
        self._state = State()
        self._driver = SyncDriver(_settings(self._config), http_client)
        self.sessions = Sessions(self._config, self._driver)
        self.threads = Threads(self._config, self._driver)

    def create_session(
        self,
        user: str,
        *,
        workflow_id: str | None = None,
        version: str | None = None,
        state_variables: Mapping[str, str | bool | int | float] | None = None,
        tracing: bool | None = None,
        expires_after: int | None = None,
        max_requests_per_minute: int | None = None,
        chatkit_configuration: Mapping[str, Any] | None = None,
    ) -> ChatSession:
        """Make a session, the first of the three steps.

        Args:
            user: The end user that the session is for, such as the athlete's ``user_id``.
            workflow_id: Another workflow than the client's.
            version: A version of the workflow; else the one that is in production.
            state_variables: Values for the workflow's state variables.
            tracing: Whether OpenAI keeps a trace of the run; on unless it is ``False``.
            expires_after: How long the session lasts, in seconds; else 10 minutes.
            max_requests_per_minute: The session's rate limit; else 10.
            chatkit_configuration: ChatKit's own settings, as OpenAI documents them.

        Returns:
            The session.

        Raises:
            ConfigurationError: There is no workflow id.
            InvalidInputError: An argument is of the wrong kind; nothing was sent.
            APIError: The request failed.
        """
        return self._driver.run(
            self._create_session(
                user,
                workflow_id=workflow_id,
                version=version,
                state_variables=state_variables,
                tracing=tracing,
                expires_after=expires_after,
                max_requests_per_minute=max_requests_per_minute,
                chatkit_configuration=chatkit_configuration,
            )
        )

    def send_message(self, session: ChatSession | str, message: WorkflowInput) -> Message:
        """Send the athlete's data, the second of the three steps. It starts a paid run.

        It is sent once: where an answer is lost, the session or the thread is read before it is
        sent again. In the thread protocol this returns when the server has taken the message, and
        the client holds the run's stream open for :meth:`poll_response`.

        Args:
            session: The session, or its id.
            message: An ``EDN360Input``, a mapping that is validated as one, or a text that is
                sent as it is.

        Returns:
            The message; give it to :meth:`poll_response`.

        Raises:
            InvalidInputError: The input is at fault; nothing was sent.
            APIError: It was refused, or it is not known whether it was taken; the text says.
        """
        return self._driver.run(self._send_message(session, message))

    def poll_response(
        self,
        session: ChatSession | str,
        *,
        after: Message | str | None = None,
        poll_interval: float | None = None,
        max_attempts: int | None = None,
        answer: AnswerRule = "program",
        deadline: float | None = None,
        on_event: OnEvent | None = None,
    ) -> WorkflowResponse:
        """Wait for the program, the last of the three steps; also takes up a run from before.

        In the session messages protocol it asks at once, and then every ``poll_interval`` seconds.
        A poll that fails by the network, a 5xx or a 429 counts as an attempt, and the waiting goes
        on. In the thread protocol it reads the run's stream to its end; where there is none any
        more, it reads the thread in the same way.

        Args:
            session: The session, or its id.
            after: The message that the answer answers, or its id; the session's newest one if
                it is left out. Another client's run over the thread protocol needs the message
                itself, which knows its thread.
            poll_interval: Seconds between two polls; the client's if it is left out.
            max_attempts: How many polls at most; the client's if it is left out.
            answer: ``"program"`` waits for the message with the program; ``"first"`` takes the
                first message as the answer and fails at once if it is none.
            deadline: How long to wait at most, in seconds; the client's if it is left out. The
                last look at the server begins a second before.
            on_event: Called with every event, as it comes.

        Returns:
            The response with the program.

        Raises:
            WorkflowTimeoutError: No answer yet; the same call takes the run up again.
            WorkflowError: The run went wrong; what came is in ``.text``.
            APIError: The server refused a poll in a way that no waiting helps.
        """
        waiting = self._waiting(poll_interval, max_attempts, answer, deadline)
        return self._driver.run(
            self._poll_response(session, after, waiting, watched=on_event is not None),
            on_event,
            deadline=waiting.deadline,
        )

    def run_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        poll_interval: float | None = None,
        max_attempts: int | None = None,
        answer: AnswerRule = "program",
        deadline: float | None = None,
        on_event: OnEvent | None = None,
    ) -> WorkflowResponse:
        """Run the workflow: the three steps in one call.

        Args:
            edn360_input: The athlete's data, as for :meth:`send_message`.
            user: The end user of the session; else the input's ``user_profile.user_id``.
            poll_interval: As for :meth:`poll_response`.
            max_attempts: As for :meth:`poll_response`.
            answer: As for :meth:`poll_response`.
            deadline: How long the whole run may take, in seconds; the client's if it is left out.
            on_event: Called with every event, as it comes.

        Returns:
            The response with the program.

        Raises:
            InvalidInputError: The input is at fault; nothing was sent.
            APIError: A request failed; ``.session`` and ``.sent_message`` take the run up.
            WorkflowError: The run went wrong, or is not done yet.
        """
        waiting = self._waiting(poll_interval, max_attempts, answer, deadline)
        return self._driver.run(
            self._run_workflow(edn360_input, user, waiting, watched=on_event is not None),
            on_event,
            deadline=waiting.deadline,
        )

    def stream_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        poll_interval: float | None = None,
        max_attempts: int | None = None,
        answer: AnswerRule = "program",
        deadline: float | None = None,
    ) -> WorkflowRun:
        """Run the workflow and watch it.

        Args:
            edn360_input: As for :meth:`run_workflow`.
            user: As for :meth:`run_workflow`.
            poll_interval: As for :meth:`poll_response`.
            max_attempts: As for :meth:`poll_response`.
            answer: As for :meth:`poll_response`.
            deadline: How long the whole run may take, in seconds; the client's if it is left out.

        Returns:
            A context manager that iterates over the events; its ``get_response()`` waits for
            what is left and gives the response. Nothing is sent before the first event is
            asked for.

        Raises:
            InvalidInputError: The input is at fault; nothing was sent.
        """
        waiting = self._waiting(poll_interval, max_attempts, answer, deadline)
        return self._driver.watch(
            self._run_workflow(edn360_input, user, waiting, watched=True),
            deadline=waiting.deadline,
        )

    def close(self) -> None:
        """Close the connections; a ``http_client`` of the caller's stays open."""
        self._driver.close()

    def __enter__(self) -> ChatKitClient:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncChatKitClient(_Client):
    """:class:`ChatKitClient` for asyncio and trio: the same methods with the same parameters.

    One client serves many tasks of one event loop. It is an async context manager; outside of an
    ``async with`` block, call :meth:`aclose` when it is not needed any more.

    Args:
        http_client: An ``httpx.AsyncClient`` of your own, never closed by this package.

    The other parameters, and the errors, are those of :class:`ChatKitClient`.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        workflow_id: str | None = None,
        base_url: str | None = None,
        server_url: str | None = None,
        protocol: Protocol = "auto",
        headers: Headers | None = None,
        timeout: float | httpx.Timeout = 30.0,
        max_retries: int = 4,
        poll_interval: float = 2.0,
        max_attempts: int = 60,
        http_client: AsyncHTTPClient | None = None,
        poll_limit: int = 50,
        deadline: float = DEFAULT_DEADLINE,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
    ) -> None:
        self._config = load_config(
            api_key=api_key,
            workflow_id=workflow_id,
            base_url=base_url,
            server_url=server_url,
            protocol=protocol,
            headers=headers,
            timeout=timeout,
            max_retries=max_retries,
            poll_interval=poll_interval,
            max_attempts=max_attempts,
            poll_limit=poll_limit,
            deadline=deadline,
            max_response_bytes=max_response_bytes,
        )
        self._state = State()
        self._driver = AsyncDriver(_settings(self._config), http_client)
        self.sessions = AsyncSessions(self._config, self._driver)
        self.threads = AsyncThreads(self._config, self._driver)

    async def create_session(
        self,
        user: str,
        *,
        workflow_id: str | None = None,
        version: str | None = None,
        state_variables: Mapping[str, str | bool | int | float] | None = None,
        tracing: bool | None = None,
        expires_after: int | None = None,
        max_requests_per_minute: int | None = None,
        chatkit_configuration: Mapping[str, Any] | None = None,
    ) -> ChatSession:
        """Make a session; see :meth:`ChatKitClient.create_session`."""
        return await self._driver.run(
            self._create_session(
                user,
                workflow_id=workflow_id,
                version=version,
                state_variables=state_variables,
                tracing=tracing,
                expires_after=expires_after,
                max_requests_per_minute=max_requests_per_minute,
                chatkit_configuration=chatkit_configuration,
            )
        )

    async def send_message(self, session: ChatSession | str, message: WorkflowInput) -> Message:
        """Send the athlete's data; see :meth:`ChatKitClient.send_message`."""
        return await self._driver.run(self._send_message(session, message))

    async def poll_response(
        self,
        session: ChatSession | str,
        *,
        after: Message | str | None = None,
        poll_interval: float | None = None,
        max_attempts: int | None = None,
        answer: AnswerRule = "program",
        deadline: float | None = None,
        on_event: OnEventAsync | None = None,
    ) -> WorkflowResponse:
        """Wait for the program; see :meth:`ChatKitClient.poll_response`.

        ``on_event`` may be a coroutine function; it is awaited before the run goes on.
        """
        waiting = self._waiting(poll_interval, max_attempts, answer, deadline)
        return await self._driver.run(
            self._poll_response(session, after, waiting, watched=on_event is not None),
            on_event,
            deadline=waiting.deadline,
        )

    async def run_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        poll_interval: float | None = None,
        max_attempts: int | None = None,
        answer: AnswerRule = "program",
        deadline: float | None = None,
        on_event: OnEventAsync | None = None,
    ) -> WorkflowResponse:
        """Run the workflow; see :meth:`ChatKitClient.run_workflow`.

        ``on_event`` may be a coroutine function; it is awaited before the run goes on.
        """
        waiting = self._waiting(poll_interval, max_attempts, answer, deadline)
        return await self._driver.run(
            self._run_workflow(edn360_input, user, waiting, watched=on_event is not None),
            on_event,
            deadline=waiting.deadline,
        )

    def stream_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        poll_interval: float | None = None,
        max_attempts: int | None = None,
        answer: AnswerRule = "program",
        deadline: float | None = None,
    ) -> AsyncWorkflowRun:
        """Run the workflow and watch it; see :meth:`ChatKitClient.stream_workflow`.

        It is not awaited itself: ``async with client.stream_workflow(...) as run``.
        """
        waiting = self._waiting(poll_interval, max_attempts, answer, deadline)
        return self._driver.watch(
            self._run_workflow(edn360_input, user, waiting, watched=True),
            deadline=waiting.deadline,
        )

    async def aclose(self) -> None:
        """Close the connections; a ``http_client`` of the caller's stays open."""
        await self._driver.aclose()

    async def __aenter__(self) -> AsyncChatKitClient:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
