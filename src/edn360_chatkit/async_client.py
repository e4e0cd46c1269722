"""The async client: the methods of ``clients`` for ``await``."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import TypeAlias

from typing_extensions import Unpack

from ._client import BaseClient, checked_run, checked_session, transport_settings
from ._config import ClientOptions, SessionOptions, WaitOptions, config_or_error
from ._progress import shown_in_notebook
from ._protocol.inputs import WorkflowInput, prepare
from ._transport import AsyncDriver, AsyncHTTPClient, AsyncOperationRun
from .batch import AsyncBatchRun, BatchInput, BatchOptions
from .events import RunStatus, WorkflowEvent, WorkflowResponse
from .models.run import RunReference
from .models.session import ChatSession, Message
from .resources import AsyncSessions, AsyncThreads

AsyncWorkflowRun: TypeAlias = AsyncOperationRun[WorkflowEvent, WorkflowResponse]
"""The result of ``AsyncChatKitClient.stream_workflow``."""
AsyncOnEvent: TypeAlias = Callable[[WorkflowEvent], Awaitable[object] | object]
"""A function or coroutine function that is called with each event of a run."""


class AsyncChatKitClient(BaseClient):
    """:class:`ChatKitClient` for asyncio and trio, with equal methods and parameters.

    A client can be shared between tasks. It is an async context manager; without an ``async with``
    block, call :meth:`aclose` at the end.

    Args:
        http_client: Your ``httpx.AsyncClient`` or ``httpx2.AsyncClient``. This package never
            closes it.

    The other parameters, and the exceptions, are those of :class:`ChatKitClient`.
    """

    _awaited = True

    def __init__(
        self, *, http_client: AsyncHTTPClient | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        config = config_or_error(options)
        del options
        super().__init__(config)
        self._driver = AsyncDriver(transport_settings(self._config), http_client)
        self.sessions: AsyncSessions = AsyncSessions(self._workflow.api, self._driver)
        self.threads: AsyncThreads = AsyncThreads(self._workflow.api, self._driver)

    async def create_session(self, user: str, **options: Unpack[SessionOptions]) -> ChatSession:
        """Create a session; see :meth:`ChatKitClient.create_session`."""
        return await self._driver.run(self._create(user, options))

    async def send_message(self, session: ChatSession | str, message: WorkflowInput) -> Message:
        """Send the athlete's data; see :meth:`ChatKitClient.send_message`."""
        prepared = prepare(message)
        del message
        operation = self._workflow.send_message(
            checked_session(session), prepared.check(), self._waiting({})
        )
        return (await self._driver.run(operation)).message

    async def poll_response(
        self,
        session: ChatSession | RunReference | str,
        *,
        after: Message | str | None = None,
        on_event: AsyncOnEvent | None = None,
        **options: Unpack[WaitOptions],
    ) -> WorkflowResponse:
        """Wait for the program; see :meth:`ChatKitClient.poll_response`.

        ``on_event`` may be a coroutine function; it is awaited before the run continues.
        """
        waiting = self._waiting(options)
        with shown_in_notebook(on_event, progress=options.get("progress", True)) as on_event:
            operation = self._workflow.poll_response(
                *checked_run(session, after), waiting, watched=on_event is not None
            )
            return await self._driver.run(operation, on_event, deadline=waiting.deadline)

    async def start_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        on_event: AsyncOnEvent | None = None,
        **options: Unpack[WaitOptions],
    ) -> RunReference:
        """Start a run; see :meth:`ChatKitClient.start_workflow`."""
        prepared = prepare(edn360_input)
        del edn360_input
        waiting = self._waiting(options)
        operation = self._workflow.start(prepared, prepared.owner(user), waiting)
        return await self._driver.run(operation, on_event, deadline=waiting.deadline)

    async def retrieve_run(self, run: RunReference | str) -> RunStatus:
        """Read the state of a run once; see :meth:`ChatKitClient.retrieve_run`."""
        return await self._driver.run(
            self._workflow.retrieve_run(*checked_run(run), self._waiting({}))
        )

    def stream_response(
        self, run: RunReference | str, **options: Unpack[WaitOptions]
    ) -> AsyncWorkflowRun:
        """Watch the events of a run; see :meth:`ChatKitClient.stream_response`."""
        waiting = self._waiting(options)
        operation = self._workflow.poll_response(*checked_run(run), waiting, watched=True)
        return self._driver.watch(operation, deadline=waiting.deadline)

    async def run_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        on_event: AsyncOnEvent | None = None,
        **options: Unpack[WaitOptions],
    ) -> WorkflowResponse:
        """Run the workflow; see :meth:`ChatKitClient.run_workflow`.

        ``on_event`` may be a coroutine function; it is awaited before the run continues.
        """
        prepared = prepare(edn360_input)
        del edn360_input
        waiting = self._waiting(options)
        with shown_in_notebook(on_event, progress=options.get("progress", True)) as on_event:
            operation = self._workflow.run(
                prepared, prepared.owner(user), waiting, watched=on_event is not None
            )
            return await self._driver.run(operation, on_event, deadline=waiting.deadline)

    def stream_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        **options: Unpack[WaitOptions],
    ) -> AsyncWorkflowRun:
        """Run the workflow and watch its events; see :meth:`ChatKitClient.stream_workflow`.

        Do not await the call: ``async with client.stream_workflow(...) as run``.
        """
        prepared = prepare(edn360_input)
        del edn360_input
        waiting = self._waiting(options)
        operation = self._workflow.run(prepared, prepared.owner(user), waiting, watched=True)
        return self._driver.watch(operation, deadline=waiting.deadline)

    def run_many(
        self,
        inputs: Iterable[BatchInput] | AsyncIterable[BatchInput],
        **options: Unpack[BatchOptions],
    ) -> AsyncBatchRun:
        """Run the workflow for many inputs; see :meth:`ChatKitClient.run_many`.

        Do not await the call: ``async for result in client.run_many(...)``. ``inputs`` may be an
        async iterable. Each run has a task.
        """
        return AsyncBatchRun(self._batch(options), self._driver, inputs)

    async def aclose(self) -> None:
        """Close the connections. Your ``http_client`` stays open."""
        await self._driver.aclose()

    async def __aenter__(self) -> AsyncChatKitClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
