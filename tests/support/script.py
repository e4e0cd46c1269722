"""Runs operations without I/O: a script answers their effects, and the time is simulated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar, cast

from edn360_chatkit._config import ClientOptions, Config, load_config
from edn360_chatkit._effects import (
    Emit,
    Emitting,
    Open,
    Read,
    Request,
    Response,
    Send,
    Sleep,
    Stream,
)
from edn360_chatkit.events import WorkflowEvent

T = TypeVar("T")


@dataclass
class Scene(Stream):
    """A stream of a script: its events, and the exception that breaks it."""

    events: list[dict[str, Any]]
    breaks_with: Exception | None = None

    def next(self) -> str | None:
        """The next event's data, the stream's end, or its error."""
        if self.events:
            return json.dumps(self.events.pop(0))
        if self.breaks_with is not None:
            raise self.breaks_with
        return None


Scripted: TypeAlias = Response | Exception | Scene


def config(**settings: Any) -> Config:
    options = {"api_key": "sk-simulated-key", "workflow_id": "wf_demo", **settings}
    return load_config(cast("ClientOptions", options), environ={})


def answer(data: Any, status: int = 200, /, **headers: str) -> Response:
    """A response with a JSON body."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, fields, json.dumps(data).encode())


def api_error(
    status: int, message: str = "No.", code: str | None = None, **headers: str
) -> Response:
    error = {"message": message, "type": "some_error", "param": None, "code": code}
    return answer({"error": error}, status, **headers)


def user(message_id: str | None = "msg_1", text: str = "hello", **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"id": message_id, "role": "user", "content": content, **more}


def assistant(text: str, message_id: str | None = "msg_2", **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {"id": message_id, "role": "assistant", "content": content, **more}


def listing(*newest_first: dict[str, Any], **headers: str) -> Response:
    return answer({"object": "list", "data": list(newest_first)}, **headers)


@dataclass
class Play:
    """Gives an operation the scripted answers, and records its requests, pauses and events."""

    answers: Sequence[Scripted]
    seconds_per_request: float = 0.0
    requests: list[Request] = field(default_factory=list[Request])
    sleeps: list[float] = field(default_factory=list[float])
    events: list[WorkflowEvent] = field(default_factory=list[WorkflowEvent])
    clock: float = 1000.0

    def run(self, operation: Emitting[WorkflowEvent, T], reply: object = None) -> T:
        """Run an operation. ``reply`` answers the effect that a started operation waits for."""
        remaining = list(self.answers)
        error: Exception | None = None
        while True:
            try:
                effect = operation.throw(error) if error else operation.send(reply)
            except StopIteration as stop:
                assert not remaining, f"{len(remaining)} answers were not asked for"
                result: T = stop.value
                return result
            reply = error = None
            if isinstance(effect, Read):
                assert isinstance(effect.stream, Scene)
                try:
                    data = effect.stream.next()
                    reply = None if data is None else (data,)
                except Exception as broken:
                    error = broken
            elif isinstance(effect, (Send, Open)):
                assert remaining, f"an unexpected request: {effect.request}"
                self.requests.append(effect.request)
                self.clock += self.seconds_per_request
                scripted = remaining.pop(0)
                if isinstance(scripted, Exception):
                    error = scripted
                elif isinstance(scripted, Response):
                    reply = replace(scripted, request=effect.request)
                else:
                    reply = scripted
            elif isinstance(effect, Sleep):
                self.sleeps.append(effect.seconds)
                self.clock += effect.seconds
            elif isinstance(effect, Emit):
                self.events.append(effect.event)
            else:
                reply = self.clock

    @property
    def paths(self) -> list[str]:
        """Method and path of each request, without the base URL and the query."""
        base = "https://api.openai.com/v1/chatkit"
        return [f"{r.method} {r.url.removeprefix(base).partition('?')[0]}" for r in self.requests]

    def body(self, index: int) -> Any:
        content = self.requests[index].content
        assert content is not None
        return json.loads(content)
