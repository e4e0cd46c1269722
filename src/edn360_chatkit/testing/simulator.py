"""``ChatKitSimulator``: a real HTTP server on loopback that behaves like ChatKit."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

import uvicorn
from starlette.responses import Response

from ._requests import APIError
from ._server import PREFIX, SERVER_PATH, build_app
from ._store import Failure, Store, StreamFault

# fmt: off
Endpoint: TypeAlias = Literal[
    "create_session", "cancel_session", "send_message", "list_messages",
    # the thread protocol: hosted, self-hosted
    "conversation", "server",
    # the requests of a type, hosted and self-hosted
    "threads.create", "threads.add_user_message", "threads.get_by_id", "threads.list",
    "threads.delete", "items.list",
    # the REST endpoints for threads
    "list_threads", "retrieve_thread", "delete_thread", "list_items",
]
# fmt: on


@dataclass(kw_only=True, eq=False, repr=False)
class ChatKitSimulator(Store):
    """A ChatKit server on loopback in its own thread, for sync and async tests.

    It has the session messages protocol, ChatKit's thread protocol (hosted and self-hosted) and
    OpenAI's REST endpoints for threads. It refuses the requests that the real servers refuse.
    Settings can change while it runs, except ``host``, ``port`` and ``api_key``. A change holds
    from the next message on.

    Args:
        api_key: The API key that it accepts.
        workflow_ids: The ids of its workflows; by default, every id that begins with ``wf_``.
        answer: An :data:`AnswerKind`, or a function that makes the answer from the message's text.
        lang: The language of the canned programs, ``"es"`` or ``"en"``.
        steps: The messages before the answer: ``True`` for three typical steps, or their texts.
        delay: Seconds from the message to the answer. The steps divide this time evenly.
        empty_polls: The number of polls that do not see a new run.
        messages_endpoint: Whether session messages exist. OpenAI's published API has no such
            endpoint.
        server_headers: Headers that the self-hosted server requires, by name; 401 without them.
        delta_size: Characters of a text delta; 0 for a single delta, ``None`` for no deltas.
        keep_alive: Seconds between the comments that keep a waiting stream open; 0 for no comments.
        survives_hang_up: Whether a self-hosted run continues after a hang-up. A hosted run always
            continues; a real self-hosted server cancels it.
        stream_error: The message of an ``error`` event instead of the answer; ``""`` for the code
            ``stream.error`` without a message. In a session, the answer is missing.
        allow_retry: The ``allow_retry`` flag of the ``error`` event.
        notice: The message of a ``notice`` event at the start of the stream.
        end_of_turn: Whether an ``end_of_turn`` item ends the stream.
        every_event: Whether the stream also has the known events that a run does not have.
        unknown_events: Whether the stream also has unknown events, items, updates and fields.
        host: The loopback address that it listens on.
        port: The port; 0 for any free port.

    Attributes:
        requests: Every request, in order.
        runs: The number of runs of every protocol. A message that arrives twice starts two runs.
        sessions: The sessions, by id.
        threads: The threads, by id, hosted and self-hosted.

    Example:
        >>> with ChatKitSimulator() as sim:  # doctest: +SKIP
        ...     client = ChatKitClient(server_url=sim.server_url)
        ...     program = client.run_workflow(edn360_input).program
    """

    host: InitVar[str] = "127.0.0.1"
    port: InitVar[int] = 0

    def __post_init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._first_settings = {each.name: getattr(self, each.name) for each in fields(self)}
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.forget()

    @property
    def base_url(self) -> str:
        """The ``base_url`` for a client: the simulated hosted API."""
        return f"http://{self._host}:{self._port}{PREFIX}"

    @property
    def server_url(self) -> str:
        """The ``server_url`` for a client: the simulated self-hosted ChatKit server."""
        return f"http://{self._host}:{self._port}{SERVER_PATH}"

    def fail_next(
        self,
        endpoint: Endpoint,
        *,
        status: int | None = 503,
        times: int = 1,
        taken: bool = False,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> None:
        """Make the next requests to an endpoint fail.

        It has six parameters, since a failure has a status, headers and a body.

        Args:
            endpoint: The endpoint, or the type of a request of the thread protocol.
            status: The status of the response; ``None`` breaks the connection.
            times: The number of requests that fail.
            taken: Whether the request is executed before its response fails. The stream of a run
                then hangs up at its start.
            headers: Headers of the response; for example, ``{"retry-after": "1"}``.
            body: The body of the response; by default, the API's error body for the status.

        Raises:
            ValueError: The endpoint is unknown.
        """
        if endpoint not in get_args(Endpoint):
            names = ", ".join(get_args(Endpoint))
            raise ValueError(f"There is no endpoint {endpoint!r}; the endpoints are {names}.")
        if status is None:
            # A body that is shorter than its content-length breaks the connection.
            response = Response(b"{", headers={"content-length": "1000"})
        elif body is None:
            response = APIError(status, f"Simulated failure {status}.").response
        else:
            response = Response(body, status)
        response.headers.update(headers or {})
        self._failures += [Failure(endpoint, response, taken)] * times

    def cut_next_stream(self, at: int) -> None:
        """Break the connection of the next stream after ``at`` bytes of its events.

        A shorter stream is not cut. Two calls break the next two streams.
        """
        self._cuts.append(StreamFault(at))

    def stall_next_stream(self, at: int, seconds: float) -> None:
        """Pause the next stream and its run, without comments, after ``at`` bytes of its events.

        Two calls pause the next two streams.
        """
        self._stalls.append(StreamFault(at, seconds))

    def reset(self) -> None:
        """Forget sessions, threads, requests and failures, and restore the first settings."""
        vars(self).update({**self._first_settings, "api_key": self.api_key})
        self.forget()

    def start(self) -> ChatKitSimulator:
        """Start to listen. ``with`` calls it.

        Raises:
            OSError: The port is in use.
        """
        # asyncio sets TCP_NODELAY only on a socket that was made with IPPROTO_TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._host, self._port))
        except (OSError, OverflowError):
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        quiet: dict[str, Any] = {"log_config": None, "log_level": "critical", "access_log": False}
        config = uvicorn.Config(
            build_app(self), lifespan="off", timeout_graceful_shutdown=1, **quiet
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
        """Stop listening, and break open connections. ``with`` calls it."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._server = self._thread = None

    def wait(self) -> None:
        """Block until the simulator is stopped."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)

    def __enter__(self) -> ChatKitSimulator:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
