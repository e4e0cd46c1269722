"""A scripted model behind both HTTP APIs of OpenAI, for the agents of foreign servers.

Each agent sends the athlete's data. Their ``context.scenario`` names a list of texts in
``SCENARIOS``, and the number of the agent selects the text: ``agent-2`` answers the third.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from edn360_chatkit.program.model import ROOT_KEY
from tests.support.samples import ATHLETE, PROGRAM

PIECE = 60  # characters of a delta
STEPS = [json.dumps({"profile": {"age": 30}}), json.dumps({"training_plan": {"weeks": 4}})]
CLOSING = "The program is ready. Have a good training!"
# "PROGRAM" stands for the program, whose title is the run's tag.
SCENARIOS: dict[str, list[str]] = {
    "plain": ["PROGRAM"],
    "steps": [*STEPS, "PROGRAM"],
    "closing": ["PROGRAM", CLOSING],
    "cut short": ["HALF"],
}


def athlete(scenario: str, *, user: str, tag: str = "run", pause: float = 0.0) -> dict[str, Any]:
    """An athlete's data for a scenario.

    Args:
        scenario: A key of ``SCENARIOS``.
        user: The user's id.
        tag: The title of the program.
        pause: Seconds before each piece of a text.
    """
    context = {
        "scenario": scenario,
        "agents": len(SCENARIOS[scenario]),
        "tag": tag,
        "pause": pause,
    }
    return {**ATHLETE, "user_profile": {"user_id": user}, "context": context}


def program_text(tag: str) -> str:
    return json.dumps({ROOT_KEY: {**PROGRAM, "title": tag}}, ensure_ascii=False)


class ScriptedModel:
    """The model's HTTP server, in a thread of the tests.

    Attributes:
        runs: The number of runs of each user that have begun.
    """

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        routes = [
            Route("/v1/responses", self.responses, methods=["POST"]),
            Route("/v1/chat/completions", self.chat_completions, methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), lifespan="off", log_config=None, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.002)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def responses(self, request: Request) -> StreamingResponse:
        body = await request.json()
        events = responses_events(body["model"], self._pieces(body), self._is_cut(body))
        return StreamingResponse(events, media_type="text/event-stream")

    async def chat_completions(self, request: Request) -> StreamingResponse:
        body = await request.json()
        events = chat_events(body["model"], self._pieces(body), self._is_cut(body))
        return StreamingResponse(events, media_type="text/event-stream")

    def _is_cut(self, body: Any) -> bool:
        return bool(find_athlete(body)["context"]["scenario"] == "cut short")

    async def _pieces(self, body: Any) -> AsyncIterator[str]:
        """The pieces of an agent's text."""
        athlete = find_athlete(body)
        number = int(body["model"].removeprefix("agent-"))
        context = athlete["context"]
        if number == 0:
            self.runs[athlete["user_profile"]["user_id"]] += 1
        text = SCENARIOS[context["scenario"]][number]
        program = program_text(context["tag"])
        text = {"PROGRAM": program, "HALF": program[: len(program) // 2]}.get(text, text)
        for start in range(0, len(text), PIECE):
            await asyncio.sleep(context["pause"])
            yield text[start : start + PIECE]


def find_athlete(body: Any) -> dict[str, Any]:
    """The newest data of an athlete in a request to the model, in any field."""
    texts = [text for text in strings(body) if text.startswith("{") and '"user_profile"' in text]
    data: dict[str, Any] = json.loads(texts[-1])
    return data


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


async def responses_events(model: str, pieces: AsyncIterator[str], cut: bool) -> AsyncIterator[str]:
    """The events of OpenAI's Responses API for one text."""
    message_id = f"msg_{time.monotonic_ns()}"
    sequence = 0

    def event(type: str, **fields: Any) -> str:
        nonlocal sequence
        sequence += 1
        data = {"type": type, "sequence_number": sequence, **fields}
        return f"event: {type}\ndata: {json.dumps(data)}\n\n"

    def response(status: str, output: list[Any], **fields: Any) -> dict[str, Any]:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": int(time.time()),
            "status": status,
            "model": model,
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            **fields,
        }

    def message(status: str, content: list[Any]) -> dict[str, Any]:
        return {
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def part(text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": []}

    place: dict[str, Any] = {"item_id": message_id, "output_index": 0, "content_index": 0}
    yield event("response.created", response=response("in_progress", []))
    yield event("response.output_item.added", output_index=0, item=message("in_progress", []))
    yield event("response.content_part.added", part=part(""), **place)
    text = ""
    async for piece in pieces:
        text += piece
        yield event("response.output_text.delta", delta=piece, logprobs=[], **place)
    yield event("response.output_text.done", text=text, logprobs=[], **place)
    yield event("response.content_part.done", part=part(text), **place)
    status = "incomplete" if cut else "completed"
    item = message(status, [part(text)])
    yield event("response.output_item.done", output_index=0, item=item)
    details = {"incomplete_details": {"reason": "max_output_tokens"}} if cut else {}
    yield event(f"response.{status}", response=response(status, [item], **details))


async def chat_events(model: str, pieces: AsyncIterator[str], cut: bool) -> AsyncIterator[str]:
    """The chunks of OpenAI's Chat Completions API for one text."""

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> str:
        data = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }
        return f"data: {json.dumps(data)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    async for piece in pieces:
        yield chunk({"content": piece})
    yield chunk({}, "length" if cut else "stop")
    yield "data: [DONE]\n\n"
