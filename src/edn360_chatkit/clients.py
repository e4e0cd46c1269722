"""The sync client. ``async_client`` has its methods for ``await``.

A method checks its arguments, builds an operation (``_protocol``) and hands it to a driver
(``_transport``). It deletes the raw input first: a traceback holds this frame, and rich and pytest
show the frame's variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from typing_extensions import Unpack

from ._client import BaseClient, checked_run, checked_session, transport_settings
from ._config import ClientOptions, SessionOptions, WaitOptions, config_or_error
from ._progress import shown_in_notebook
from ._protocol.inputs import WorkflowInput, prepare
from ._transport import HTTPClient, OperationRun, SyncDriver
from .batch import BatchInput, BatchOptions, BatchRun
from .events import RunStatus, WorkflowEvent, WorkflowResponse
from .models.run import RunReference
from .models.session import ChatSession, Message
from .resources import Sessions, Threads

WorkflowRun: TypeAlias = OperationRun[WorkflowEvent, WorkflowResponse]
"""The result of ``ChatKitClient.stream_workflow``: a context manager that iterates over events."""
OnEvent: TypeAlias = Callable[[WorkflowEvent], object]
"""A function that is called with each event of a run."""


class ChatKitClient(BaseClient):
    """Runs the EDN360 training workflow through ChatKit.

    A client can be shared between threads. It is a context manager; without a ``with`` block, call
    :meth:`close` at the end.

    Args:
        api_key: The OpenAI API key; default ``$EDN360_OPENAI_API_KEY``, then ``$OPENAI_API_KEY``.
        workflow_id: The workflow (``wf_…``); default ``$EDN360_TRAINING_WORKFLOW_ID``.
        base_url: The ChatKit API; default ``$EDN360_CHATKIT_BASE_URL``, then OpenAI's. It must be
            https unless it is loopback.
        server_url: A self-hosted ChatKit server; default ``$EDN360_CHATKIT_SERVER_URL``. It needs
            no key and no workflow id. ``$EDN360_SERVER_TOKEN`` is sent to it as bearer token
            unless ``headers`` has an ``Authorization``.
        protocol: ``"messages"`` for session messages, ``"threads"`` for ChatKit's thread protocol.
            ``"auto"`` tries session messages, and uses threads if the API reports that it does not
            have them.
        headers: Headers of every request: a mapping, or a function that returns them before each
            request.
        timeout: The longest time of a request, in seconds, once it has a connection; of a stream
            until its response starts. An ``httpx.Timeout`` limits each step of a request instead
            (connect, write, each read).
        max_retries: The largest number of retries of a failed request.
        poll_interval: Seconds between two polls, or ``"adaptive"``: few polls while an answer is
            unlikely. It learns how long runs take.
        max_attempts: The largest number of polls. The defaults (60 polls, 2 s) wait for two
            minutes; real runs took 60 to 205 s.
        poll_limit: The number of messages that a poll asks for, 1 to 100.
        deadline: The longest time of a call, in seconds.
        max_response_bytes: The largest response, and the largest text that is kept of a stream, in
            bytes after decompression.
        http_client: Your ``httpx.Client`` or ``httpx2.Client``, with your proxies and limits. This
            package never closes it, and does not use its ``timeout`` and ``auth``.

    Raises:
        ConfigurationError: A setting is missing or invalid.

    Example:
        >>> client = ChatKitClient(api_key="sk-...", workflow_id="wf_...")  # doctest: +SKIP
        >>> response = client.run_workflow(edn360_input)  # doctest: +SKIP
        >>> response.program.title  # doctest: +SKIP
    """

    def __init__(
        self, *, http_client: HTTPClient | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        config = config_or_error(options)
        del options
        super().__init__(config)
        self._driver = SyncDriver(transport_settings(self._config), http_client)
        self.sessions: Sessions = Sessions(self._workflow.api, self._driver)
        self.threads: Threads = Threads(self._workflow.api, self._driver)

    def create_session(self, user: str, **options: Unpack[SessionOptions]) -> ChatSession:
        """Create a session, the first of the three steps.

        Args:
            user: The end user of the session, such as the athlete's ``user_id``.
            workflow_id: Another workflow than the client's.
            version: A version of the workflow; the default is the production version.
            state_variables: Values for the workflow's state variables (names of at most 64
                characters; values are strings, booleans or numbers).
            tracing: Whether OpenAI keeps a trace of the run; the default is ``True``.
            expires_after: The session's lifetime in seconds; the default is 600.
            max_requests_per_minute: The session's rate limit; the default is 10.
            chatkit_configuration: ChatKit's own settings, as OpenAI documents them.

        Returns:
            The session. For a self-hosted server it is made locally, without a request.

        Raises:
            ConfigurationError: The workflow id is missing.
            InvalidInputError: An argument is invalid; nothing was sent.
            APIError: The request failed.
        """
        return self._driver.run(self._create(user, options))

    def send_message(self, session: ChatSession | str, message: WorkflowInput) -> Message:
        """Send the athlete's data, the second of the three steps. It starts a paid run.

        The message is sent once: if its response is lost, the server's messages are read before the
        message is sent again. In the thread protocol this method returns when the server has stored
        the message. The stream stays open for :meth:`poll_response`.

        Args:
            session: The session, or its id.
            message: An ``EDN360Input``, a mapping that is validated as one, or a text that is
                sent unchanged.

        Returns:
            The message, for :meth:`poll_response`.

        Raises:
            InvalidInputError: The input is invalid; nothing was sent.
            APIError: The message was rejected, or ``.may_have_been_taken`` is true and the server
                may have stored it.
        """
        prepared = prepare(message)
        del message
        operation = self._workflow.send_message(
            checked_session(session), prepared.check(), self._waiting({})
        )
        return self._driver.run(operation).message

    def poll_response(
        self,
        session: ChatSession | RunReference | str,
        *,
        after: Message | str | None = None,
        on_event: OnEvent | None = None,
        **options: Unpack[WaitOptions],
    ) -> WorkflowResponse:
        """Wait for the program, the last of the three steps. It also resumes an earlier run.

        With session messages it polls at once, and then every ``poll_interval`` seconds. A poll
        that fails with a connection error, a 5xx or a 429 counts as an attempt. In the thread
        protocol it reads the run's stream; without an open stream it polls the thread.

        Args:
            session: The session or its id, or the ``RunReference`` of a run or its JSON text.
            after: With a session: the message to wait for, or its id; default the session's newest
                message. A run of another client over the thread protocol needs the ``Message``,
                which has the thread's id.
            on_event: Called with each event.
            poll_interval: Seconds between two polls; default the client's.
            max_attempts: The largest number of polls; default the client's.
            answer: ``"program"`` waits for a message with the program. With ``"first"``, the first
                message is the answer, and a message without a program fails at once.
            deadline: The longest time of this call, in seconds; default the client's. The last
                poll starts a second before its end.
            progress: Whether a notebook shows the time and the steps, if there is no ``on_event``.

        Returns:
            The response with the program.

        Raises:
            WorkflowTimeoutError: No answer yet; another call with the run resumes it.
            WorkflowError: The run failed; the text that was received is in ``.text``.
            APIError: The server rejected the polls.
        """
        waiting = self._waiting(options)
        with shown_in_notebook(on_event, progress=options.get("progress", True)) as on_event:
            operation = self._workflow.poll_response(
                *checked_run(session, after), waiting, watched=on_event is not None
            )
            return self._driver.run(operation, on_event, deadline=waiting.deadline)

    def start_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        on_event: OnEvent | None = None,
        **options: Unpack[WaitOptions],
    ) -> RunReference:
        """Start a run, and return when the server has its message.

        In the thread protocol the run's stream stays open. :meth:`poll_response` or
        :meth:`stream_response` reads it, and :meth:`close` closes it. A self-hosted server may
        cancel a run when its stream is closed.

        Args:
            edn360_input: The athlete's data, as for :meth:`send_message`.
            user: The end user of the session; default the input's ``user_profile.user_id``.
            on_event: Called with the session, and with the message when it is sent.
            poll_interval: Times ``max_attempts``, the longest silence of the stream.
            max_attempts: See ``poll_interval``.
            answer: Not used here.
            deadline: The longest time of this call, in seconds; default the client's.

        Returns:
            The reference that finds the run again, from any process. Store ``str(run)``.

        Raises:
            InvalidInputError: The input is invalid; nothing was sent.
            APIError: A request failed; see ``.may_have_been_taken``.
        """
        prepared = prepare(edn360_input)
        del edn360_input
        waiting = self._waiting(options)
        operation = self._workflow.start(prepared, prepared.owner(user), waiting)
        return self._driver.run(operation, on_event, deadline=waiting.deadline)

    def retrieve_run(self, run: RunReference | str) -> RunStatus:
        """Read the state of a run once, without waiting for it.

        Any process may call it, also while other calls read the run or wait for it.

        Args:
            run: The run's reference, or its JSON text.

        Returns:
            The state, with the response or the error.

        Raises:
            InvalidInputError: The text is not a reference.
            APIError: The request failed. It is not retried, and does not show the run's state.
        """
        return self._driver.run(self._workflow.retrieve_run(*checked_run(run), self._waiting({})))

    def stream_response(
        self, run: RunReference | str, **options: Unpack[WaitOptions]
    ) -> WorkflowRun:
        """Watch the events of a run that was started before, here or in another process.

        Args:
            run: The run's reference, or its JSON text.
            poll_interval: As for :meth:`poll_response`.
            max_attempts: As for :meth:`poll_response`.
            answer: As for :meth:`poll_response`.
            deadline: As for :meth:`poll_response`.

        Returns:
            As :meth:`stream_workflow`. The process that holds the run's stream gets its events.
            Another process reads the run's messages, and gets the steps and the response.
        """
        waiting = self._waiting(options)
        operation = self._workflow.poll_response(*checked_run(run), waiting, watched=True)
        return self._driver.watch(operation, deadline=waiting.deadline)

    def run_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        on_event: OnEvent | None = None,
        **options: Unpack[WaitOptions],
    ) -> WorkflowResponse:
        """Run the workflow: the three steps in one call.

        Args:
            edn360_input: The athlete's data, as for :meth:`send_message`.
            user: The end user of the session; default the input's ``user_profile.user_id``.
            on_event: Called with each event.
            poll_interval: As for :meth:`poll_response`.
            max_attempts: As for :meth:`poll_response`.
            answer: As for :meth:`poll_response`.
            deadline: The longest time of the whole run, in seconds; default the client's.
            progress: As for :meth:`poll_response`.

        Returns:
            The response with the program.

        Raises:
            InvalidInputError: The input is invalid; nothing was sent.
            APIError: A request failed. If ``.run`` is set, it resumes the run.
            WorkflowError: The run failed, or has not ended yet.
        """
        prepared = prepare(edn360_input)
        del edn360_input
        waiting = self._waiting(options)
        with shown_in_notebook(on_event, progress=options.get("progress", True)) as on_event:
            operation = self._workflow.run(
                prepared, prepared.owner(user), waiting, watched=on_event is not None
            )
            return self._driver.run(operation, on_event, deadline=waiting.deadline)

    def stream_workflow(
        self,
        edn360_input: WorkflowInput,
        *,
        user: str | None = None,
        **options: Unpack[WaitOptions],
    ) -> WorkflowRun:
        """Run the workflow and watch its events.

        Args:
            edn360_input: As for :meth:`run_workflow`.
            user: As for :meth:`run_workflow`.
            poll_interval: As for :meth:`poll_response`.
            max_attempts: As for :meth:`poll_response`.
            answer: As for :meth:`poll_response`.
            deadline: The longest time of the whole run, in seconds; default the client's.

        Returns:
            A context manager that iterates over the events; its ``get_response()`` waits for the
            end of the run and returns the response. Reading the first event sends the first
            request.

        Raises:
            InvalidInputError: The input is invalid; nothing was sent.
        """
        prepared = prepare(edn360_input)
        del edn360_input
        waiting = self._waiting(options)
        operation = self._workflow.run(prepared, prepared.owner(user), waiting, watched=True)
        return self._driver.watch(operation, deadline=waiting.deadline)

    def run_many(self, inputs: Iterable[BatchInput], **options: Unpack[BatchOptions]) -> BatchRun:
        """Run the workflow for many inputs, each once.

        A failed run does not end the others: its error is in its result. An input is read when its
        run can start, so ``inputs`` may be endless.

        Args:
            inputs: The athletes' data, as for :meth:`run_workflow`, or pairs of a key and the data.
                The key of an input is its ``user_id`` by default.
            max_concurrency: The largest number of runs in flight, 50 by default. Each has a thread.
            rate: The largest number of requests in a minute, polls included; no limit by default.
                A 429 always slows down every run.
            journal: A file that records each run and holds the programs. A later call with this
                file continues the batch, even after a crash: no run is paid for twice. A second
                batch can't use it at that time. A key with other data is an error: use a new
                journal for each month.
            ordered: Whether the results come in the order of the inputs. The default is the order
                in which the runs end.
            retry_failed: Whether the journal's failed runs are run again, and paid for again.
            poll_interval: As for :meth:`poll_response`; ``"adaptive"`` by default.
            max_attempts: As for :meth:`poll_response`, for each run; 400 by default if the
                interval is adaptive.
            answer: As for :meth:`poll_response`.
            deadline: The longest time of each run, in seconds; default the client's.

        Returns:
            An iterator over the results, which is also a context manager. If it is left early, no
            further run starts, and the runs in flight stay in the journal.

        Raises:
            ConfigurationError: A setting is invalid, or the journal can't be used.
        """
        return BatchRun(self._batch(options), self._driver, inputs)

    def close(self) -> None:
        """Close the connections. Your ``http_client`` stays open."""
        self._driver.close()

    def __enter__(self) -> ChatKitClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
