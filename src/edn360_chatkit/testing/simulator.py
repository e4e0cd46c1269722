"""``ChatKitSimulator``: a real HTTP server on loopback that behaves like ChatKit.

It knows the data models and never the clients: a simulator built on the code that it tests would
prove nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Literal, TypeAlias

import uvicorn
from pydantic import ValidationError

from ..models.inputs import EDN360Input
from ._answers import AnswerKind, answer_text, dumps
from ._server import Fault, Post, RecordedRequest, Run, Session, build_app
from ._workflow import simulated_steps

Endpoint: TypeAlias = Literal["create_session", "send_message", "list_messages", "cancel_session"]


class ChatKitSimulator:
    """A ChatKit server on loopback, in a thread of its own; for sync and async tests alike.

    It enforces what the real API enforces: the bearer key, the beta header, content types, known
    parameters, known sessions and workflows. Its workflow makes a plausible program from the
    input, by the rules in ``docs/simulated-workflow.md``, and says in it that it is simulated.
    All settings but ``host``, ``port`` and ``api_key`` can be changed while it runs, and hold for
    the messages sent from then on.

    Args:
        api_key: The one key that it accepts.
        workflow_ids: The workflows that it has; any id that begins with ``wf_`` if left out.
        answer: What the workflow answers: one of :data:`AnswerKind`, or a function that is given
            the message's text and returns the answer's.
        steps: What the workflow posts before its answer: ``True`` for three typical steps, or
            the texts themselves.
        delay: Seconds from the message to the answer; the steps come evenly before.
        empty_polls: How many polls see no answer, however much time has passed.
        host: The loopback address that it listens on.
        port: The port; a free one if it is 0.

    Attributes:
        base_url: What a client takes as ``base_url``.
        requests: Every request that it got, in order.
        sessions: The sessions that were made, by id.

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
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.api_key = api_key
        self.workflow_ids: Sequence[str] | None = workflow_ids
        self.answer: AnswerKind | Callable[[str], str] = answer
        self.steps: bool | Sequence[str] = steps
        self.delay = delay
        self.empty_polls = empty_polls
        self.requests: list[RecordedRequest] = []
        self.sessions: dict[str, Session] = {}
        self._faults: list[Fault] = []
        self._made_with = (workflow_ids, answer, steps, delay, empty_polls)
        self._host = host
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """What a client takes as ``base_url``."""
        return f"http://{self._host}:{self._port}/v1/chatkit"

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
            endpoint: Which requests.
            status: The status of the answer; ``None`` breaks the connection in its middle.
            times: How many requests.
            taken: Whether the request is carried out before its answer fails.
            headers: Headers of the failure, such as ``{"retry-after": "1"}``.
            body: The failure's body; the API's error body for the status if left out.
        """
        fault = Fault(endpoint, status, taken, headers or {}, body)
        self._faults.extend([fault] * times)

    def reset(self) -> None:
        """Forget all sessions, requests and failures, and go back to the first settings.

        Starting takes a few milliseconds and stopping some hundred: a test suite starts one
        simulator and resets it between its tests.
        """
        (self.workflow_ids, self.answer, self.steps, self.delay, self.empty_polls) = self._made_with
        self.requests = []
        self.sessions = {}
        self._faults = []

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

    def take_fault(self, endpoint: str) -> Fault | None:
        """The failure that is set for an endpoint's next request."""
        for index, fault in enumerate(self._faults):
            if fault.endpoint == endpoint:
                return self._faults.pop(index)
        return None

    def start_run(self, text: str) -> Run:
        """What the workflow will post for a message, and when."""
        posts: list[str] = []
        asked = self.answer
        answer = asked(text) if callable(asked) else answer_text(asked, text)
        if self.steps is True:
            posts = _typical_steps(text)
        elif self.steps:
            posts = list(self.steps)
        if answer is not None:
            posts.append(answer)
        return Run(
            started=time.monotonic(),
            delay=self.delay,
            empty_polls=self.empty_polls,
            posts=[Post(text=post) for post in posts],
        )


def _typical_steps(text: str) -> list[str]:
    try:
        return [dumps(step) for step in simulated_steps(EDN360Input.model_validate_json(text))]
    except ValidationError:
        return []
