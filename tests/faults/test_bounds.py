"""No server holds a caller past the deadline, and none fills its memory."""

from __future__ import annotations

import gzip
import json
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any

import httpx
import pytest

from edn360_chatkit import (
    APIError,
    APITimeoutError,
    ConfigurationError,
    InternalServerError,
    Message,
    WorkflowTimeoutError,
)
from edn360_chatkit.testing._workflow import answer_text
from tests.contract.conftest import MakeClient
from tests.support.raw_server import Exchange, dribble, own_server, raw_server, reply

DEADLINE = 0.6
TOLERANCE = 0.5
"""How late a call may end, in seconds, apart from the time in which the machine was busy."""

INPUT = {
    "user_profile": {"user_id": "athlete-1"},
    "questionnaires": [{"source": "initial", "payload": {"days_per_week": 2}}],
}
PROGRAM = answer_text("program", json.dumps(INPUT)) or ""
SESSION = {"id": "cksess_1", "client_secret": "ek_1", "user": "athlete-1"}
SENT = {"id": "msg_1", "role": "user"}


def listing(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"data": [{"id": "msg_2", "role": "assistant", "content": content}, SENT]}


def stream_head(*, headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{headers}\r\n".encode()


def event(**fields: Any) -> bytes:
    return f"data: {json.dumps(fields)}\n\n".encode()


TAKEN = event(
    type="thread.item.done", item={"type": "user_message", "id": "msg_1", "thread_id": "thr_1"}
)


@contextmanager
def in_time(deadline: float = DEADLINE) -> Iterator[None]:
    """The block ends in time. Another thread measures how much later than due the machine wakes."""
    delays: list[float] = []
    ended = threading.Event()

    def measure() -> None:
        while not ended.is_set():
            due = time.monotonic() + 0.01
            ended.wait(0.01)
            delays.append(max(0.0, time.monotonic() - due))

    thread = threading.Thread(target=measure)
    thread.start()
    started = time.monotonic()
    try:
        yield
    finally:
        elapsed = time.monotonic() - started
        ended.set()
        thread.join()
    assert elapsed < deadline + TOLERANCE + sum(delays)


def never_ending_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in count():
        yield from dribble(f"x-{number}: 1\r\n".encode())


def flood_of_headers() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in count():
        yield f"x-{number}: 1\r\n".encode()


def dribbled() -> Iterator[bytes]:
    return dribble(reply(listing(PROGRAM)))


def endless_blanks() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    while True:
        yield b" "
        time.sleep(0.01)


def silence() -> Iterator[bytes]:
    time.sleep(2 * DEADLINE)
    yield b""


@pytest.mark.parametrize("protocol", ["messages", "threads"])
@pytest.mark.parametrize(
    "poll", [never_ending_headers, flood_of_headers, dribbled, endless_blanks, silence]
)
def test_poll_ends_at_the_deadline(make_client: MakeClient, poll: Any, protocol: str) -> None:
    with raw_server(lambda exchange: poll()) as server:
        client = make_client(base_url=server.base_url, protocol=protocol)
        message = Message(id="msg_1", session_id="s_1", thread_id="thr_1")
        after = message if protocol == "threads" else "msg_1"
        with in_time(), pytest.raises(WorkflowTimeoutError) as caught:
            client.poll_response("s_1", after=after, deadline=DEADLINE)
    assert caught.value.session
    assert caught.value.session.id == "s_1"
    assert caught.value.message
    assert caught.value.message.id == "msg_1"
    assert "deadline" in str(caught.value)


def keep_alives() -> Iterator[bytes]:
    while True:
        yield b": still there\n\n"
        time.sleep(0.01)


def progress_without_end() -> Iterator[bytes]:
    while True:
        yield event(type="progress_update", text="still at it")


def half_an_event() -> Iterator[bytes]:
    yield TAKEN[:20]
    yield from silence()


@pytest.mark.parametrize("rest", [keep_alives, progress_without_end, half_an_event, silence])
def test_stream_ends_at_the_deadline(make_client: MakeClient, rest: Any) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        if b'"threads.create"' in exchange.body:
            yield stream_head()
            yield TAKEN
            yield from rest()
        else:
            yield reply({}, status=500)

    with own_server(answer) as server:
        client = make_client(server_url=server.server_url)
        with in_time(), pytest.raises(WorkflowTimeoutError) as caught:
            client.run_workflow(INPUT, deadline=DEADLINE)
    assert caught.value.message
    assert caught.value.message.thread_id == "thr_1"


def test_watched_stream_ends_at_the_deadline(make_client: MakeClient) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield stream_head()
        yield TAKEN
        yield from keep_alives()

    with own_server(answer) as server:
        client = make_client(server_url=server.server_url)
        with (
            in_time(),
            client.stream_workflow(INPUT, deadline=DEADLINE) as run,
            pytest.raises(WorkflowTimeoutError),
        ):
            for _ in run:
                pass


@pytest.mark.parametrize(
    "held", ["POST /v1/chatkit/sessions", "POST /v1/chatkit/sessions/cksess_1"]
)
def test_deadline_error_says_whether_the_message_was_taken(
    make_client: MakeClient, held: str
) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        if exchange.line.removesuffix("/messages") == held:
            yield from never_ending_headers()
        yield reply(SESSION)

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url)
        with in_time(), pytest.raises(APITimeoutError) as caught:
            client.run_workflow(INPUT, deadline=DEADLINE)
    in_doubt = held.endswith("cksess_1")
    assert caught.value.deadline_passed
    assert caught.value.may_have_been_taken is in_doubt
    assert ("may have been taken" in str(caught.value)) is in_doubt
    assert (caught.value.session is not None) is in_doubt


def test_deadline_between_retries_raises_the_failure(make_client: MakeClient) -> None:
    failure = reply({}, status=503, headers="retry-after: 30\r\n")
    with raw_server(lambda exchange: [failure]) as server:
        client = make_client(base_url=server.base_url, max_retries=50, deadline=5.0)
        with in_time(5.0), pytest.raises(InternalServerError):
            client.create_session("athlete-1")


def test_write_ends_at_the_deadline(make_client: MakeClient) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield reply(SESSION)
        # The next request is not read.
        time.sleep(2 * DEADLINE)

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url)
        with in_time(), pytest.raises(APITimeoutError) as caught:
            client.run_workflow("x" * 12_000_000, user="athlete-1", deadline=DEADLINE)
    assert caught.value.deadline_passed
    assert caught.value.may_have_been_taken


def test_tls_handshake_ends_at_the_deadline(make_client: MakeClient) -> None:
    with raw_server(lambda exchange: silence()) as server:
        client = make_client(base_url=f"https://127.0.0.1:{server.port}", deadline=DEADLINE)
        with in_time(), pytest.raises(APITimeoutError) as caught:
            client.create_session("athlete-1")
    assert not caught.value.may_have_arrived


def test_timeout_limits_the_whole_request(make_client: MakeClient) -> None:
    polls = count()

    def answer(exchange: Exchange) -> Iterable[bytes]:
        return dribbled() if next(polls) == 0 else [reply(listing(PROGRAM))]

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url, timeout=0.3)
        with in_time():
            response = client.poll_response("s_1", after="msg_1", deadline=20)
    assert response.attempts == 2
    assert response.program.title


def test_httpx_timeout_limits_each_step(make_client: MakeClient) -> None:
    text = json.dumps(SESSION).encode()
    with raw_server(lambda exchange: dribble(reply(text), every=0.003)) as server:
        client = make_client(base_url=server.base_url, timeout=httpx.Timeout(0.2))
        assert client.create_session("athlete-1").id == "cksess_1"


def test_last_poll_comes_before_the_deadline(make_client: MakeClient) -> None:
    started = time.monotonic()

    def answer(exchange: Exchange) -> Iterable[bytes]:
        there = time.monotonic() - started > 0.3
        yield reply(listing(PROGRAM) if there else {"data": []})

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url, poll_interval=60)
        assert client.poll_response("s_1", after="msg_1", deadline=1.6).attempts == 2


# --- size -----------------------------------------------------------------------------------


@cache
def bomb(mebibytes: int) -> bytes:
    """Zeros, packed a thousand to one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(mebibytes)) + packer.flush()


def test_decompressed_response_is_limited(make_client: MakeClient) -> None:
    packed = reply(bomb(256), headers="content-encoding: gzip\r\n")
    with raw_server(lambda exchange: [packed]) as server:
        client = make_client(base_url=server.base_url)
        tracemalloc.start()
        with pytest.raises(APIError, match="max_response_bytes") as caught:
            client.poll_response("s_1", after="msg_1")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # httpx unpacks a packet of 64 KiB as a whole. It can hold 64 MiB.
    assert peak < 200 * 2**20
    assert caught.value.session
    assert caught.value.session.id == "s_1"
    assert caught.value.sent_message
    assert caught.value.sent_message.id == "msg_1"


@pytest.mark.parametrize("packed", [False, True])
def test_response_of_exactly_the_limit_is_read(make_client: MakeClient, packed: bool) -> None:
    content = json.dumps(listing(PROGRAM)).encode()
    body = gzip.compress(content) if packed else content
    headers = "content-encoding: gzip\r\n" if packed else ""
    with raw_server(lambda exchange: [reply(body, headers=headers)]) as server:
        fits = make_client(base_url=server.base_url, max_response_bytes=len(content))
        assert fits.poll_response("s_1", after="msg_1").text == PROGRAM
        small = make_client(base_url=server.base_url, max_response_bytes=len(content) - 1)
        with pytest.raises(APIError, match="max_response_bytes"):
            small.poll_response("s_1", after="msg_1")


def test_large_response_to_a_message_means_taken(
    make_client: MakeClient,
) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        if exchange.line.startswith("GET"):
            yield reply(listing(PROGRAM))
        else:
            yield reply({**SESSION, "more": "x" * (100_000 if "/messages" in exchange.line else 0)})

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url, max_response_bytes=len(PROGRAM) * 2)
        assert client.run_workflow(INPUT).text == PROGRAM
        assert server.requests.count("POST /v1/chatkit/sessions/cksess_1/messages") == 1


def test_large_error_page_gives_its_status(make_client: MakeClient) -> None:
    with raw_server(lambda exchange: [reply(b"x" * 5000, status=500)]) as server:
        client = make_client(base_url=server.base_url, max_response_bytes=1000, max_retries=0)
        with pytest.raises(InternalServerError) as caught:
            client.create_session("athlete-1")
    assert caught.value.body is None


# httpx drops its generators where its decoder raises, and trio warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "body", [b"no gzip at all", gzip.compress(b"{}" * 5000)[:-9]], ids=["other", "cut"]
)
def test_invalid_compression_raises_api_error(make_client: MakeClient, body: bytes) -> None:
    packed = reply(body, headers="content-encoding: gzip\r\n")
    with raw_server(lambda exchange: [packed]) as server:
        client = make_client(base_url=server.base_url, max_retries=0)
        with pytest.raises(APIError):
            client.create_session("athlete-1")


def test_unknown_encoding_raises_api_error(make_client: MakeClient) -> None:
    packed = reply(b"{}", headers="content-encoding: br\r\n")
    with raw_server(lambda exchange: [packed]) as server:
        client = make_client(base_url=server.base_url, max_retries=0)
        with pytest.raises(APIError):
            client.create_session("athlete-1")


def endless_line() -> Iterator[bytes]:
    yield b"data: "
    while True:
        yield b"x" * 10_000


def endless_text() -> Iterator[bytes]:
    update = {"type": "assistant_message.content_part.text_delta", "delta": "x" * 1000}
    while True:
        yield event(type="thread.item.updated", item_id="msg_2", update=update)


def endless_messages() -> Iterator[bytes]:
    for number in count():
        item = {"type": "assistant_message", "id": f"msg_{number}", "content": []}
        yield event(type="thread.item.added", item=item)


def endless_parts() -> Iterator[bytes]:
    for number in count():
        update = {"type": "assistant_message.content_part.added", "content_index": number}
        yield event(type="thread.item.updated", item_id="msg_2", update=update)


def endless_beginning() -> Iterator[bytes]:
    while True:
        yield event(type="progress_update", text="not yet")


@pytest.mark.parametrize("taken", [True, False], ids=["after", "before"])
@pytest.mark.parametrize(
    "rest", [endless_line, endless_text, endless_messages, endless_parts, endless_beginning]
)
def test_endless_stream_ends_at_the_size_limit(
    make_client: MakeClient, rest: Any, taken: bool
) -> None:
    if taken is (rest is endless_beginning) or (not taken and rest is not endless_beginning):
        rest = endless_line

    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield stream_head()
        if taken:
            yield TAKEN
        yield from rest()

    with own_server(answer) as server:
        client = make_client(
            server_url=server.server_url, max_response_bytes=200_000, max_retries=0
        )
        with pytest.raises(APIError, match="max_response_bytes") as caught:
            client.run_workflow(INPUT, deadline=20)
    assert caught.value.session is not None
    assert caught.value.may_have_been_taken is not taken
    assert server.requests == ["POST /chatkit"]


def test_compressed_stream_is_read_and_limited(make_client: MakeClient) -> None:
    done = {"type": "assistant_message", "id": "msg_2", "content": [{"text": PROGRAM}]}
    events = TAKEN + event(type="thread.item.done", item=done)
    bodies = [gzip.compress(events), bomb(64)]

    def answer(exchange: Exchange) -> Iterable[bytes]:
        body = bodies.pop(0)
        yield stream_head(headers=f"content-encoding: gzip\r\ncontent-length: {len(body)}\r\n")
        yield body

    with own_server(answer) as server:
        client = make_client(server_url=server.server_url, max_retries=0)
        assert client.run_workflow(INPUT).text == PROGRAM
        with pytest.raises(APIError, match="max_response_bytes"):
            client.run_workflow(INPUT)


@pytest.mark.parametrize("value", [0, -1, True, "soon", float("nan"), float("inf"), 10**9])
def test_invalid_deadline_is_refused(make_client: MakeClient, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="deadline"):
        make_client(server_url="http://127.0.0.1:9/chatkit", deadline=value)
    client = make_client(server_url="http://127.0.0.1:9/chatkit")
    with pytest.raises(ConfigurationError, match="deadline"):
        client.run_workflow(INPUT, deadline=value)
