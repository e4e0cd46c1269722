"""The first inputs of the fuzzers: texts that models, servers and proxies write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from edn360_chatkit.program.model import ROOT_KEY
from tests.fuzz.targets import VARIABLES
from tests.support.samples import ANSWER, ATHLETE, PROGRAM

HTML: Final = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1><script>a={}</script></html>"


def _events(*events: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, events))


def _update(kind: str, **more: Any) -> dict[str, Any]:
    update = {"type": kind, "content_index": 0, **more}
    return {"type": "thread.item.updated", "item_id": "msg_2", "update": update}


_PART = {"type": "output_text", "text": "x", "annotations": []}
_STREAM = _events(
    {"type": "thread.created", "thread": {"id": "thr_1"}},
    {"type": "thread.item.done", "item": {"type": "user_message", "id": "msg_1"}},
    {"type": "thread.item.added", "item": {"type": "assistant_message", "id": "msg_2"}},
    _update("assistant_message.content_part.added", content=_PART),
    _update("assistant_message.content_part.text_delta", delta=ANSWER[:20]),
    _update("workflow.task.added", task_index=0, task={"title": "t"}),
    {
        "type": "thread.item.done",
        "item": {"type": "assistant_message", "id": "msg_2", "content": [_PART]},
    },
    {"type": "progress_update", "icon": "x", "text": "y"},
    {"type": "notice", "level": "info", "message": "m"},
    {"type": "thread.item.removed", "item_id": "msg_2"},
    {"type": "error", "code": "c", "message": "m", "allow_retry": True},
)
_MESSAGE = {
    "id": "msg_1",
    "role": "user",
    "type": "chatkit.user_message",
    "content": [{"type": "input_text", "text": "hello"}],
    "created_at": 1767607200,
}
_REPLY = {**_MESSAGE, "id": "msg_2", "role": "assistant", "type": "assistant_message"}
_PAGE = json.dumps({"data": [_REPLY, _MESSAGE], "has_more": False, "last_id": "msg_1"})
_MORE = json.dumps({"data": [_REPLY], "has_more": True, "last_id": "msg_2", "after": "msg_2"})
_LOCAL = _PAGE.replace("1767607200", '"2026-01-05T10:00:00"')
_DATE = "Mon, 05 Jan 2026 10:00:00 GMT"

SEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "json": ('{"a": [1, 2.5, true, null, "x\\ud83d"]}', "[NaN, -Infinity, 1e400]", "9" * 4400),
    "answer": (
        ANSWER,
        f"```json\n{ANSWER}\n```",
        f'He wrote {{"A: and then {ANSWER} or {{"so on',
        f'{{"profile": {{}}}}\n{ANSWER[:-9]}',
        f'{{"{ROOT_KEY}": null, "error": {{"message": "no tokens"}}}}',
        HTML,
    ),
    "stream": (_STREAM,),
    "input": (json.dumps(ATHLETE), '"a text"'),
    "program": (json.dumps(PROGRAM),),
    "models": (
        '{"id": "cksess_1", "client_secret": "ek_hidden_1", "user": "ana", "expires_at": 5}',
        '{"id": "msg_1", "session_id": "cksess_1", "thread_id": "thr_1", "created_at": 1.5}',
    ),
    "config": (
        json.dumps({"api_key": "sk-hidden-key", "workflow_id": "wf_1", "poll_interval": 2}),
        json.dumps({"environ": dict.fromkeys(VARIABLES, "https://x.example/chatkit")}),
        json.dumps({"server_url": "http://[::1]:80/a", "headers": {"X-A": "b"}, "timeout": 3}),
    ),
    "error": (
        "\x01\x91\nretry-after: 7\nx-request-id: r\n\n"
        '{"error": {"message": "Incorrect key KEY", "code": "c", "param": null, "type": "t"}}',
        f"\x00\x00\nretry-after: {_DATE}\ndate: {_DATE}\n\n{HTML} KEY",
        'retry-after-ms: 1500\n\n{"client_secret": "KEY"}',
    ),
    "listing": (f"{_DATE}\n{_PAGE}", f"{_DATE}\n{_LOCAL}", f"x\n{_MORE}\n{_PAGE}", f"x\n{HTML}"),
}

FRAGMENTS: Final = (
    *("{", "}", "[", "]", '"', ":", ",", "\\", "\n", "```json\n", "```", "null", "true", "-0"),
    *(
        "\\ud83d",
        "\ud83d",
        "\ufeff",
        "\u2028",
        "\x85",
        "\x00",
        "NaN",
        "-Infinity",
        "1e400",
        "1e-400",
    ),
    *("9" * 25, "9" * 5000, "{" * 300, '{"a":' * 300, "[" * 3000, '"a":1,"a":2', "{}{}", HTML),
    *(f'"{ROOT_KEY}":', '"error":"x",', "Here it is: {name} ", "{'a': 1}", ANSWER, ANSWER[:30]),
    *('"id":""', '"data":[]', '"has_more":true', '"text":', "\r\n", "%2f", "@", "KEY", "é"),
    *('"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-12:00"', "Mon, 01 Jan 0001 00:00:00"),
)


def to_bytes(text: str) -> bytes:
    """The bytes that a target decodes to this text, half characters included."""
    return text.encode("utf-8", "surrogatepass")
