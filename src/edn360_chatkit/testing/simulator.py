"""``ChatKitSimulator``: a real HTTP server on loopback that behaves like ChatKit.

It knows the data models and never the clients: a simulator built on the code that it tests would
prove nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, TypeAlias

import uvicorn
from pydantic import ValidationError

from ..inputs import EDN360Input
from ._answers import AnswerKind, answer_text, dumps
from ._host import Fault, Post, RecordedRequest, Run, Session, Stall, StreamSettings, Thread
from ._server import PREFIX, SERVER_PATH, build_app
from ._workflow import simulated_steps

Endpoint: TypeAlias = Literal[
    "create_session",
    "cancel_session",
    # the session messages protocol
    "send_message",
    "list_messages",
    # the thread protocol: all of the hosted endpoint, all of the self-hosted one
    "conversation",
    "server",
    # requests of one type, at either
    "threads.create",
    "threads.add_user_message",
    "threads.get_by_id",
    "threads.list",
    "threads.update",
    "threads.delete",
    "items.list",
    # the REST endpoints for threads
    "list_threads",
    "retrieve_thread",
    "delete_thread",
    "list_items",
]


class ChatKitSimulator:
    """A ChatKit server on loopback, in a thread of its own; for sync and async tests alike.

    It speaks the session messages protocol, ChatKit's thread protocol (hosted, with a session's
    client secret, and self-hosted) and OpenAI's REST endpoints for threads. It enforces what the
    real servers enforce: the bearer key, the beta header, content types, known parameters, known
    sessions, threads and workflows. Its workflow makes a plausible program from the input, by the
    rules in ``docs/simulated-workflow.md``, and says in it that it is simulated. All settings but
    ``host``, ``port`` and ``api_key`` can be changed while it runs, and hold for the messages sent
    from then on.

    Args:
        api_key: The one key that it accepts.
        workflow_ids: The workflows that it has; any id that begins with ``wf_`` if left out.
        answer: What the workflow answers: one of :data:`AnswerKind`, or a function that is given
            the message's text and returns the answer's.
        steps: What the workflow posts before its answer: ``True`` for three typical steps, or
            the texts themselves.
        delay: Seconds from the message to the answer; the steps come evenly before.
        empty_polls: How many polls of a session's messages see no answer, however much time has
            passed.
        messages_endpoint: Whether there is a session messages endpoint. OpenAI's published API
            has none: it answers 404 ``Invalid URL``.
        server_headers: Headers that the self-hosted server demands, by name; 401 without them.
        delta_size: How many characters of a message a text delta has; 0 for all in one, and
            ``None`` for messages that come whole, without any delta.
        keep_alive: Seconds between the comments that keep a waiting stream open; 0 for none.
        survives_hang_up: Whether a run on the self-hosted server goes on, and stores its answer,
            when the client hangs up. A real one cancels it, and stores what the message under way
            has so far. A hosted run always goes on.
        stream_error: The message of an ``error`` event that ends the stream in the place of the
            answer; ``""`` for one without a message and with the code ``stream.error``, as a
            server sends it for an exception that it did not expect.
        allow_retry: What the ``error`` event says of trying again.
        notice: The message of a ``notice`` event at the start of the stream.
        end_of_turn: Whether an ``end_of_turn`` item ends the stream.
        every_event: Whether the stream also has the known events and items that the run itself
            has no use for: ``client_effect``, a task, a widget, a client tool call that is
            replaced, a generated image, a structured input, and a message that is removed.
        unknown_events: Whether the stream also has events, items, updates, tasks, content parts
            and fields that nobody knows.
        host: The loopback address that it listens on.
        port: The port; a free one if it is 0.

    Attributes:
        requests: Every request that it got, in order.
        runs: How many runs were started, over all protocols: a test that sees two where it sent
            one message has found a message that was sent twice.
        sessions: The sessions that were made, by id.
        threads: The threads that there are, by id, hosted and self-hosted.

    Example:
        >>> with ChatKitSimulator() as sim:  # doctest: +SKIP
        ...     client = ChatKitClient(
        ...         api_key=sim.api_key, base_url=sim.base_url, workflow_id="wf_demo"
        ...     )
        ...     program = client.run_workflow(edn360_input).program
    """

    def __init__(
        self,
        *,
        api_key: str = "sk-simulated-key",
        workflow_ids: Sequence[str] | None = None,
        answer: AnswerKind | Callable[[str], str] = "program",
        steps: bool | Sequence[str] = False,
        delay: float = 0.0,
        empty_polls: int = 0,
        messages_endpoint: bool = True,
        server_headers: Mapping[str, str] | None = None,
        delta_size: int | None = 64,
        keep_alive: float = 0.0,
        survives_hang_up: bool = False,
        stream_error: str | None = None,
        allow_retry: bool = False,
        notice: str | None = None,
        end_of_turn: bool = False,
        every_event: bool = False,
        unknown_events: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.api_key = api_key
        self.workflow_ids: Sequence[str] | None = workflow_ids
        self.answer: AnswerKind | Callable[[str], str] = answer
        self.steps: bool | Sequence[str] = steps
        self.delay = delay
        self.empty_polls = empty_polls
        self.messages_endpoint = messages_endpoint
        self.server_headers: Mapping[str, str] = dict(server_headers or {})
        self.delta_size: int | None = delta_size
        self.keep_alive = keep_alive
        self.survives_hang_up = survives_hang_up
        self.stream_error: str | None = stream_error
        self.allow_retry = allow_retry
        self.notice: str | None = notice
        self.end_of_turn = end_of_turn
        self.every_event = every_event
        self.unknown_events = unknown_events
        self._made_with: dict[str, Any] = {
            name: value for name, value in vars(self).items() if name != "api_key"
        }
        self._forget()
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """What a client takes as ``base_url``: the simulated hosted API."""
        return f"http://{self._host}:{self._port}{PREFIX}"

    @property
    def server_url(self) -> str:
        """What a client takes as ``server_url``: the simulated self-hosted ChatKit server."""
        return f"http://{self._host}:{self._port}{SERVER_PATH}"

    def fail_next(
        self,
        endpoint: Endpoint,
        *,
        status: int | None = 503,
        times: int = 1,
        taken: bool = False,
        headers: dict[str, str] | None = None,
        body: str | None = None,
    ) -> None:
        """Make the next requests to an endpoint fail.

        Args:
            endpoint: Which requests: those to an endpoint, or those of one type of the thread
                protocol, at either of its endpoints.
            status: The status of the answer; ``None`` breaks the connection in its middle.
            times: How many requests.
            taken: Whether the request is carried out before its answer fails. For a run, that is
                a hang-up at its start: the message is stored, and the run goes on where runs do.
            headers: Headers of the failure, such as ``{"retry-after": "1"}``.
            body: The failure's body; the API's error body for the status if left out.
        """
        fault = Fault(endpoint, status, taken, headers or {}, body)
        self._faults.extend([fault] * times)

    def cut_next_stream(self, at: int) -> None:
        """Break the connection of the next stream; called twice, of the next two.

        Args:
            at: After how many bytes of the stream's body. A stream that is shorter is not cut;
                one that is as long breaks before its regular end.
        """
        self._cuts.append(at)

    def stall_next_stream(self, at: int, seconds: float) -> None:
        """Make the next stream stand still for a while; called twice, the next two.

        Nothing comes meanwhile, not even a keep-alive comment, and its run waits with it.

        Args:
            at: After how many bytes of the stream's body.
            seconds: For how long.
        """
        self._stalls.append(Stall(at, seconds))

    def reset(self) -> None:
        """Forget all sessions, threads, requests and failures, and go back to the first settings.

        Starting takes a few milliseconds and stopping some hundred: a test suite starts one
        simulator and resets it between its tests.
        """
        for name, value in self._made_with.items():
            setattr(self, name, value)
        self._forget()

    def _forget(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.runs = 0
        self.sessions: dict[str, Session] = {}
        self.threads: dict[str, Thread] = {}
        self._faults: list[Fault] = []
        self._cuts: list[int] = []
        self._stalls: list[Stall] = []

    def start(self) -> ChatKitSimulator:
        """Start to listen; ``with`` does this by itself.

        Raises:
            OSError: The port is taken.
        """
        # IPPROTO_TCP by name: asyncio sets TCP_NODELAY only where it sees it, and without it every
        # answer on a kept connection waits 40 ms for the peer's acknowledgement.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            build_app(self),
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=server.run, args=([listener],), name="chatkit-simulator", daemon=True
        )
        self._thread.start()
        while not server.started and self._thread.is_alive():
            time.sleep(0.002)
        return self

    def stop(self) -> None:
        """Stop to listen and break what is open; ``with`` does this by itself."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None

    def wait(self) -> None:
        """Block until it is stopped, for a simulator that runs on its own."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def __enter__(self) -> ChatKitSimulator:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    # What the server asks.

    def record(self, request: RecordedRequest) -> None:
        """Write a request down."""
        self.requests.append(request)

    def take_fault(self, *endpoints: str) -> Fault | None:
        """The failure that is set for the next request that goes by one of these names."""
        for index, fault in enumerate(self._faults):
            if fault.endpoint in endpoints:
                return self._faults.pop(index)
        return None

    def take_cut(self) -> int | None:
        """After how many bytes the stream that starts now is to break."""
        return self._cuts.pop(0) if self._cuts else None

    def take_stall(self) -> Stall | None:
        """Where the stream that starts now is to stand still."""
        return self._stalls.pop(0) if self._stalls else None

    def start_run(self, text: str) -> Run:
        """What the workflow will post for a message, and when."""
        self.runs += 1
        posts: list[Post] = []
        asked = self.answer
        answer = asked(text) if callable(asked) else answer_text(asked, text)
        if self.steps is True:
            posts = [Post(step) for step in _typical_steps(text)]
        elif self.steps:
            posts = [Post(step) for step in self.steps]
        if answer is not None:
            posts.append(Post(answer, is_answer=True))
        return Run(
            started=time.monotonic(), delay=self.delay, empty_polls=self.empty_polls, posts=posts
        )

    def stream_settings(self) -> StreamSettings:
        """How the run that starts now is told as a stream."""
        return StreamSettings(
            delta_size=self.delta_size,
            keep_alive=self.keep_alive,
            survives_hang_up=self.survives_hang_up,
            stream_error=self.stream_error,
            allow_retry=self.allow_retry,
            notice=self.notice,
            end_of_turn=self.end_of_turn,
            every_event=self.every_event,
            unknown_events=self.unknown_events,
        )


def _typical_steps(text: str) -> list[str]:
    try:
        return [dumps(step) for step in simulated_steps(EDN360Input.model_validate_json(text))]
    except ValidationError:
        return []
