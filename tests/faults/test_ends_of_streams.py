"""The end of a stream is believed only where it can be told from a connection that broke."""

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
    """Its stream ends in the middle of the run, in order; the answer comes a few looks later.

    Args:
        marked: Whether the stream has an end of its own, or just that of its connection.
        looks: How many looks at the thread show no answer.
    """

    def __init__(self, *, marked: bool, looks: int) -> None:
        self.marked = marked
        self.looks = looks
        self.asked: list[str] = []

    def __call__(self, exchange: Exchange) -> Iterable[bytes]:
        self.asked.append(json.loads(exchange.body)["type"])
        if self.asked[-1] == "threads.create":
            framing = b"transfer-encoding: chunked\r\n" if self.marked else b""
            yield b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + framing + b"\r\n"
            said = event(type="thread.item.done", item=item("assistant_message", "msg_2", SORRY))
            for part in (TAKEN, said):
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
def test_what_the_thread_holds_is_delivered(
    make_client: MakeClient, marked: bool, looks: int
) -> None:
    answer = Server(marked=marked, looks=looks)
    with own_server(answer) as server:
        response = make_client(server_url=server.server_url).run_workflow(INPUT)
    assert response.text == PROGRAM
    assert answer.asked == ["threads.create", *["items.list"] * (looks + 1)]


def test_an_end_that_is_marked_is_the_end_of_the_run(make_client: MakeClient) -> None:
    answer = Server(marked=True, looks=1)
    with own_server(answer) as server, pytest.raises(InvalidResponseError) as caught:
        make_client(server_url=server.server_url).run_workflow(INPUT)
    assert caught.value.text == SORRY
    assert answer.asked == ["threads.create", "items.list"]
