"""No server holds a call past its deadline."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any

import httpx
import pytest

from edn360_chatkit import (
    APITimeoutError,
    ChatKitError,
    ConfigurationError,
    InternalServerError,
    Message,
    WorkflowTimeoutError,
)
from tests.contract.conftest import MakeClient
from tests.support.patience import growing
from tests.support.raw_server import (
    MESSAGE_STORED,
    SESSION,
    Exchange,
    dribble,
    event,
    message_list,
    own_server,
    raw_server,
    reply,
    stream_head,
)
from tests.support.samples import ANSWER, ATHLETE

DEADLINE = 0.6
LATEST = 60.0
"""How late a call may end, in seconds: without a deadline it would wait for 30 minutes."""


@contextmanager
def in_time(deadline: float = DEADLINE) -> Iterator[None]:
    """Check that the deadline ends the block: without it, the block would take much longer."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < deadline + LATEST


def never_ending_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in count():
        yield from dribble(f"x-{number}: 1\r\n".encode())


def flood_of_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in count():
        yield f"x-{number}: 1\r\n".encode()


def dribbled() -> Iterator[bytes]:
    return dribble(reply(message_list(ANSWER)))


def endless_blanks() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    while True:
        yield b" "
        time.sleep(0.01)


def silence() -> Iterator[bytes]:
    while True:
        yield b""
        time.sleep(0.01)


@pytest.mark.parametrize("protocol", ["messages", "threads"])
@pytest.mark.parametrize(
    "poll", [never_ending_headers, flood_of_headers, dribbled, endless_blanks, silence]
)
def test_poll_ends_at_deadline(make_client: MakeClient, poll: Any, protocol: str) -> None:
    with raw_server(lambda exchange: poll()) as server:
        client = make_client(base_url=server.base_url, protocol=protocol, timeout=1800)
        message = Message(id="msg_1", session_id="s_1", thread_id="thr_1")
        after = message if protocol == "threads" else "msg_1"
        with in_time(), pytest.raises(WorkflowTimeoutError) as caught:
            client.poll_response("s_1", after=after, deadline=DEADLINE)
    assert caught.value.session
    assert caught.value.session.id == "s_1"
    assert caught.value.message
    assert caught.value.message.id == "msg_1"
    assert "deadline" in str(caught.value)


@pytest.mark.slow  # It measures time, so a busy machine gets five attempts.
@pytest.mark.parametrize("poll", [flood_of_headers, endless_blanks, silence])
def test_poll_ends_soon_after_deadline(make_client: MakeClient, poll: Any) -> None:
    with raw_server(lambda exchange: poll()) as server:
        client = make_client(base_url=server.base_url, timeout=1800)
        for _ in range(5):
            started = time.monotonic()
            with pytest.raises(WorkflowTimeoutError):
                client.poll_response("s_1", after="msg_1", deadline=DEADLINE)
            if time.monotonic() - started < DEADLINE + 0.5:
                return
    pytest.fail("the call ends late")


def keep_alives() -> Iterator[bytes]:
    while True:
        yield b": still there\n\n"
        time.sleep(0.01)


def progress_without_end() -> Iterator[bytes]:
    while True:
        yield event(type="progress_update", text="still at it")


def half_an_event() -> Iterator[bytes]:
    yield MESSAGE_STORED[:20]
    yield from silence()


MANY = 500_000
"""More events than a client can read within ``DEADLINE``."""


def many_events_in_one() -> Iterator[bytes]:
    yield b"data: [" + b"{}," * MANY + b"{}]\n\n"
    yield from silence()


def stream_of(rest: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    yield stream_head()
    yield MESSAGE_STORED
    yield from rest()


@pytest.mark.parametrize("rest", [keep_alives, progress_without_end, half_an_event, silence])
def test_stream_ends_at_deadline(make_client: MakeClient, rest: Any) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        if b'"threads.create"' in exchange.body:
            yield from stream_of(rest)
        else:
            yield reply({}, status=500)

    with own_server(answer) as server:
        client = make_client(server_url=server.server_url, timeout=1800)
        for deadline in growing(DEADLINE):
            with in_time(deadline), pytest.raises(ChatKitError) as caught:
                client.run_workflow(ATHLETE, deadline=deadline)
            if getattr(caught.value, "message", None) is not None:
                break
    assert isinstance(caught.value, WorkflowTimeoutError)
    assert caught.value.message
    assert caught.value.message.thread_id == "thr_1"


@pytest.mark.parametrize("rest", [keep_alives, many_events_in_one])
def test_watched_stream_ends_at_deadline(make_client: MakeClient, rest: Any) -> None:
    with own_server(lambda exchange: stream_of(rest)) as server:
        client = make_client(server_url=server.server_url, timeout=1800)
        for deadline in growing(DEADLINE):
            events: list[object] = []
            with (
                in_time(deadline),
                client.stream_workflow(ATHLETE, deadline=deadline) as run,
                pytest.raises(ChatKitError) as caught,
            ):
                events.extend(run)
            assert len(events) < MANY or deadline > DEADLINE
            if getattr(caught.value, "message", None) is not None:
                break
    assert isinstance(caught.value, WorkflowTimeoutError)


@pytest.mark.slow  # It measures time, so a busy machine gets five attempts.
@pytest.mark.parametrize("rest", [progress_without_end, many_events_in_one, silence])
def test_stream_ends_soon_after_deadline(make_client: MakeClient, rest: Any) -> None:
    with own_server(lambda exchange: stream_of(rest)) as server:
        client = make_client(server_url=server.server_url, timeout=1800)
        for _ in range(5):
            started = time.monotonic()
            with pytest.raises(ChatKitError), client.stream_workflow(ATHLETE, deadline=2) as run:
                list(run)
            if time.monotonic() - started < 2 + 1.0:
                return
    pytest.fail("the stream ends late")


@pytest.mark.parametrize(
    "hanging", ["POST /v1/chatkit/sessions", "POST /v1/chatkit/sessions/cksess_1"]
)
def test_deadline_error_names_message_in_doubt(make_client: MakeClient, hanging: str) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        if exchange.line.removesuffix("/messages") == hanging:
            yield from never_ending_headers()
        yield reply(SESSION)

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url, timeout=1800)
        in_doubt = hanging.endswith("cksess_1")
        for deadline in growing(DEADLINE):
            with in_time(deadline), pytest.raises(APITimeoutError) as caught:
                client.run_workflow(ATHLETE, deadline=deadline)
            if caught.value.may_have_been_taken or not in_doubt:
                break
    assert caught.value.deadline_passed
    assert caught.value.may_have_been_taken is in_doubt
    assert ("may have been stored" in str(caught.value)) is in_doubt
    assert (caught.value.session is not None) is in_doubt


def test_deadline_between_retries_raises_last_error(make_client: MakeClient) -> None:
    failure = reply({}, status=503, headers="retry-after: 30\r\n")
    with raw_server(lambda exchange: [failure]) as server:
        client = make_client(base_url=server.base_url, max_retries=50, deadline=29.0)
        with in_time(), pytest.raises(InternalServerError):
            client.create_session("athlete-1")


def test_write_ends_at_deadline(make_client: MakeClient) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield reply(SESSION)
        # Of the next request, only the beginning is read.
        exchange.connection.recv(1)
        yield from silence()

    with raw_server(answer) as server:
        for deadline in growing(1.5):
            # A new connection: on one that is kept, the next session's request is not read.
            client = make_client(base_url=server.base_url, timeout=1800)
            with in_time(deadline), pytest.raises(APITimeoutError) as caught:
                client.run_workflow("x" * 12_000_000, user="athlete-1", deadline=deadline)
            if caught.value.may_have_been_taken:
                break
    assert caught.value.deadline_passed
    assert caught.value.may_have_been_taken


# A handshake that is cancelled leaves its socket to Python, which warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_handshake_ends_at_deadline(make_client: MakeClient) -> None:
    with raw_server(lambda exchange: silence()) as server:
        client = make_client(
            base_url=f"https://127.0.0.1:{server.port}", deadline=DEADLINE, timeout=1800
        )
        with in_time(), pytest.raises(APITimeoutError) as caught:
            client.create_session("athlete-1")
    gc.collect()
    assert not caught.value.may_have_arrived


def test_timeout_limits_whole_request(make_client: MakeClient) -> None:
    polls = count()

    def answer(exchange: Exchange) -> Iterable[bytes]:
        return dribbled() if next(polls) == 0 else [reply(message_list(ANSWER))]

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url, timeout=0.3)
        with in_time():
            response = client.poll_response("s_1", after="msg_1", deadline=600)
    assert response.attempts >= 2  # more if the machine is slow
    assert response.program.title


def test_httpx_timeout_limits_each_step(make_client: MakeClient) -> None:
    """Each byte comes in time, and all of them together do not."""
    steps = growing(0.2)

    def answer(exchange: Exchange) -> Iterator[bytes]:
        return dribble(reply(SESSION), every=timeout / 60)

    with raw_server(answer) as server:
        for timeout in steps:
            options = {"base_url": server.base_url, "max_retries": 0}
            client = make_client(timeout=httpx.Timeout(timeout), **options)
            with suppress(APITimeoutError):
                assert client.create_session("athlete-1").id == "cksess_1"
                return
    pytest.fail("a step took too long")


def test_last_poll_precedes_deadline(make_client: MakeClient) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        is_first = len(server.requests) == 1
        yield reply({"data": []} if is_first else message_list(ANSWER))

    for deadline in growing(1.6):
        with raw_server(answer) as server:
            client = make_client(base_url=server.base_url, poll_interval=600)
            with suppress(WorkflowTimeoutError):
                assert client.poll_response("s_1", after="msg_1", deadline=deadline).attempts == 2
                return
    pytest.fail("there was no last poll")


@pytest.mark.parametrize("value", [0, -1, True, "soon", float("nan"), float("inf"), 10**9])
def test_invalid_deadline_is_refused(make_client: MakeClient, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="deadline"):
        make_client(server_url="http://127.0.0.1:9/chatkit", deadline=value)
    client = make_client(server_url="http://127.0.0.1:9/chatkit")
    with pytest.raises(ConfigurationError, match="deadline"):
        client.run_workflow(ATHLETE, deadline=value)
