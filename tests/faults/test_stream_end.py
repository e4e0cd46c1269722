"""A stream without an answer ends the run only if HTTP marks its end."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from edn360_chatkit import InvalidResponseError
from tests.contract.conftest import MakeClient
from tests.support.raw_server import (
    MESSAGE_STORED,
    Exchange,
    event,
    own_server,
    reply,
    thread_item,
)
from tests.support.samples import ANSWER, ATHLETE

SORRY = "Let me think."


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Server:
    """A server whose stream ends without the answer, which the thread holds later.

    Args:
        is_chunked: Whether HTTP marks the end of the stream, or only the connection ends.
        empty_polls: How often the thread is read before it has the answer.
    """

    def __init__(self, *, is_chunked: bool, empty_polls: int) -> None:
        self.is_chunked = is_chunked
        self.empty_polls = empty_polls
        self.types: list[str] = []

    def __call__(self, exchange: Exchange) -> Iterable[bytes]:
        self.types.append(json.loads(exchange.body)["type"])
        if self.types[-1] == "threads.create":
            framing = b"transfer-encoding: chunked\r\n" if self.is_chunked else b""
            yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + framing + b"\r\n"
            message = event(
                type="thread.item.done", item=thread_item("assistant_message", "msg_2", SORRY)
            )
            for part in (MESSAGE_STORED, message):
                yield chunk(part) if self.is_chunked else part
            if self.is_chunked:
                yield chunk(b"")
            else:
                exchange.connection.close()
        else:
            stored = [
                thread_item("assistant_message", "msg_2", SORRY),
                thread_item("user_message", "msg_1", json.dumps(ATHLETE)),
            ]
            self.empty_polls -= 1
            if self.empty_polls < 0:
                stored.insert(0, thread_item("assistant_message", "msg_3", ANSWER))
            yield reply({"data": stored, "has_more": False})


@pytest.mark.parametrize(("is_chunked", "empty_polls"), [(True, 0), (False, 0), (False, 3)])
def test_stored_program_is_delivered_after_stream_end(
    make_client: MakeClient, is_chunked: bool, empty_polls: int
) -> None:
    answer = Server(is_chunked=is_chunked, empty_polls=empty_polls)
    with own_server(answer) as server:
        response = make_client(server_url=server.server_url).run_workflow(ATHLETE)
    assert response.text == ANSWER
    assert answer.types == ["threads.create", *["items.list"] * (empty_polls + 1)]


def test_marked_stream_end_ends_run(make_client: MakeClient) -> None:
    answer = Server(is_chunked=True, empty_polls=1)
    with own_server(answer) as server, pytest.raises(InvalidResponseError) as caught:
        make_client(server_url=server.server_url).run_workflow(ATHLETE)
    assert caught.value.text == SORRY
    assert answer.types == ["threads.create", "items.list"]
