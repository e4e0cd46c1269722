"""A stream's end ends the run only if it differs from a broken connection."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from edn360_chatkit import InvalidResponseError
from tests.contract.conftest import MakeClient
from tests.faults.test_bounds import INPUT, PROGRAM, TAKEN, event
from tests.support.raw_server import Exchange, own_server, reply

SORRY = "Let me think."


def item(kind: str, item_id: str, text: str) -> dict[str, object]:
    return {"type": kind, "id": item_id, "thread_id": "thr_1", "content": [{"text": text}]}


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Server:
    """Its stream ends before the answer, without an error; the thread has the answer later.

    Args:
        marked: Whether HTTP marks the stream's end, or it ends with its connection.
        looks: How often the thread is read without an answer.
    """

    def __init__(self, *, marked: bool, looks: int) -> None:
        self.marked = marked
        self.looks = looks
        self.types: list[str] = []

    def __call__(self, exchange: Exchange) -> Iterable[bytes]:
        self.types.append(json.loads(exchange.body)["type"])
        if self.types[-1] == "threads.create":
            framing = b"transfer-encoding: chunked\r\n" if self.marked else b""
            yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + framing + b"\r\n"
            message = event(type="thread.item.done", item=item("assistant_message", "msg_2", SORRY))
            for part in (TAKEN, message):
                yield chunked(part) if self.marked else part
            if self.marked:
                yield chunked(b"")
            else:
                exchange.connection.close()
        else:
            stored = [
                item("assistant_message", "msg_2", SORRY),
                item("user_message", "msg_1", json.dumps(INPUT)),
            ]
            self.looks -= 1
            if self.looks < 0:
                stored.insert(0, item("assistant_message", "msg_3", PROGRAM))
            yield reply({"data": stored, "has_more": False})


@pytest.mark.parametrize(("marked", "looks"), [(True, 0), (False, 0), (False, 3)])
def test_program_in_thread_is_delivered_after_stream_end(
    make_client: MakeClient, marked: bool, looks: int
) -> None:
    answer = Server(marked=marked, looks=looks)
    with own_server(answer) as server:
        response = make_client(server_url=server.server_url).run_workflow(INPUT)
    assert response.text == PROGRAM
    assert answer.types == ["threads.create", *["items.list"] * (looks + 1)]


def test_marked_stream_end_ends_run(make_client: MakeClient) -> None:
    answer = Server(marked=True, looks=1)
    with own_server(answer) as server, pytest.raises(InvalidResponseError) as caught:
        make_client(server_url=server.server_url).run_workflow(INPUT)
    assert caught.value.text == SORRY
    assert answer.types == ["threads.create", "items.list"]
