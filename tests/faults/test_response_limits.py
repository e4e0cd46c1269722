"""``max_response_bytes`` limits the memory that a response takes."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from itertools import count, product
from typing import Any

import pytest

from edn360_chatkit import APIError, InternalServerError
from tests.contract.conftest import MakeClient
from tests.support.raw_server import (
    MESSAGE_STORED,
    SESSION,
    Exchange,
    event,
    message_list,
    own_server,
    raw_server,
    reply,
    stream_head,
)
from tests.support.samples import ANSWER, ATHLETE


def bomb(mebibytes: int) -> bytes:
    """Zeros, compressed by a factor of 1,000; the checksum at the end is wrong."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    more = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + more * (mebibytes - 1) + packer.flush()


def test_decompressed_response_is_limited(make_client: MakeClient) -> None:
    compressed = reply(bomb(256), headers="content-encoding: gzip\r\n")
    with raw_server(lambda exchange: [compressed]) as server:
        client = make_client(base_url=server.base_url)
        tracemalloc.start()
        with pytest.raises(APIError, match="max_response_bytes") as caught:
            client.poll_response("s_1", after="msg_1")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # httpx decompresses 64 KiB at a time, which can give 64 MiB.
    assert peak < 200 * 2**20
    assert caught.value.session
    assert caught.value.session.id == "s_1"
    assert caught.value.sent_message
    assert caught.value.sent_message.id == "msg_1"


@pytest.mark.parametrize("compressed", [False, True])
def test_response_at_size_limit_is_read(make_client: MakeClient, compressed: bool) -> None:
    content = json.dumps(message_list(ANSWER)).encode()
    body = gzip.compress(content) if compressed else content
    headers = "content-encoding: gzip\r\n" if compressed else ""
    with raw_server(lambda exchange: [reply(body, headers=headers)]) as server:
        fits = make_client(base_url=server.base_url, max_response_bytes=len(content))
        assert fits.poll_response("s_1", after="msg_1").text == ANSWER
        small = make_client(base_url=server.base_url, max_response_bytes=len(content) - 1)
        with pytest.raises(APIError, match="max_response_bytes"):
            small.poll_response("s_1", after="msg_1")


def test_large_message_response_starts_no_second_run(
    make_client: MakeClient,
) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        if exchange.line.startswith("GET"):
            yield reply(message_list(ANSWER))
        else:
            yield reply({**SESSION, "more": "x" * (100_000 if "/messages" in exchange.line else 0)})

    with raw_server(answer) as server:
        client = make_client(base_url=server.base_url, max_response_bytes=10_000)
        assert client.run_workflow(ATHLETE).text == ANSWER
        assert server.requests.count("POST /v1/chatkit/sessions/cksess_1/messages") == 1


def test_large_error_page_gives_status(make_client: MakeClient) -> None:
    with raw_server(lambda exchange: [reply(b"x" * 5000, status=500)]) as server:
        client = make_client(base_url=server.base_url, max_response_bytes=1000, max_retries=0)
        with pytest.raises(InternalServerError) as caught:
            client.create_session("athlete-1")
    assert caught.value.body is None


# If its decoder raises, httpx drops its generators, and trio warns about them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "body", [b"no gzip at all", gzip.compress(b"{}" * 5000)[:-9]], ids=["other", "cut"]
)
def test_invalid_compression_raises_api_error(make_client: MakeClient, body: bytes) -> None:
    compressed = reply(body, headers="content-encoding: gzip\r\n")
    with raw_server(lambda exchange: [compressed]) as server:
        client = make_client(base_url=server.base_url, max_retries=0)
        with pytest.raises(APIError):
            client.create_session("athlete-1")


def test_unknown_encoding_raises_api_error(make_client: MakeClient) -> None:
    compressed = reply(b"{}", headers="content-encoding: br\r\n")
    with raw_server(lambda exchange: [compressed]) as server:
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


@pytest.mark.parametrize(
    ("after_message", "rest"),
    [
        *product([True], [endless_line, endless_text, endless_messages, endless_parts]),
        *product([False], [endless_line, endless_beginning]),
    ],
)
def test_endless_stream_ends_at_size_limit(
    make_client: MakeClient, after_message: bool, rest: Any
) -> None:
    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield stream_head()
        if after_message:
            yield MESSAGE_STORED
        yield from rest()

    with own_server(answer) as server:
        client = make_client(
            server_url=server.server_url, max_response_bytes=200_000, max_retries=0
        )
        with pytest.raises(APIError, match="max_response_bytes") as caught:
            client.run_workflow(ATHLETE, deadline=600)
    assert caught.value.session is not None
    assert caught.value.may_have_been_taken is not after_message
    assert server.requests == ["POST /chatkit"]


def test_compressed_stream_is_read_and_limited(make_client: MakeClient) -> None:
    done = {"type": "assistant_message", "id": "msg_2", "content": [{"text": ANSWER}]}
    events = MESSAGE_STORED + event(type="thread.item.done", item=done)
    bodies = [gzip.compress(events), bomb(64)]

    def answer(exchange: Exchange) -> Iterable[bytes]:
        body = bodies.pop(0)
        yield stream_head(headers=f"content-encoding: gzip\r\ncontent-length: {len(body)}\r\n")
        yield body

    with own_server(answer) as server:
        client = make_client(server_url=server.server_url, max_retries=0)
        assert client.run_workflow(ATHLETE).text == ANSWER
        with pytest.raises(APIError, match="max_response_bytes"):
            client.run_workflow(ATHLETE)
