"""A client of the thread protocol that is not ours: plain HTTP requests to the simulator.

``openai-chatkit``'s own types check the events: an event that passes through them unchanged has no
missing, additional or renamed field.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from httpx_sse import EventSource
from pydantic import BaseModel, TypeAdapter

from edn360_chatkit.program.model import ROOT_KEY
from tests.support.samples import ATHLETE

with warnings.catch_warnings():
    # openai-chatkit deprecates its own widget classes, and warns when it defines them.
    warnings.simplefilter("ignore", DeprecationWarning)
    from chatkit.types import ThreadStreamEvent

TEXT = json.dumps(ATHLETE)
EVENT: TypeAdapter[Any] = TypeAdapter(ThreadStreamEvent)

Event = dict[str, Any]


def chatkit_json(model: BaseModel) -> Any:
    """The JSON data that openai-chatkit's server writes for a model."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))


def message_input(text: str = TEXT, **changes: Any) -> dict[str, Any]:
    return {
        "content": [{"type": "input_text", "text": text}],
        "attachments": [],
        "quoted_text": "",
        "inference_options": {},
        **changes,
    }


@dataclass
class ThreadClient:
    """Sends requests to the hosted or to the self-hosted endpoint."""

    http: httpx.Client
    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    def request(self, kind: str, **params: Any) -> httpx.Request:
        body = {"type": kind, "params": params, "metadata": self.metadata}
        return self.http.build_request("POST", self.url, json=body, headers=self.headers)

    def post(self, kind: str, **params: Any) -> httpx.Response:
        return self.http.send(self.request(kind, **params))

    def run(self, text: str = TEXT, **params: Any) -> list[Event]:
        """The events of a run; in a new thread, unless the parameters name a thread."""
        kind = "threads.add_user_message" if params else "threads.create"
        response = self.post(kind, input=message_input(text), **params)
        assert response.headers["content-type"].startswith("text/event-stream")
        return events_of(response)

    def read_until_error(self) -> tuple[bytes, httpx.HTTPError | None]:
        """Start a run: its bytes, and the error that ended the stream."""
        received = b""
        stream = self.http.send(self.request("threads.create", input=message_input()), stream=True)
        try:
            for chunk in stream.iter_raw():
                received += chunk
        except httpx.HTTPError as error:
            return received, error
        finally:
            stream.close()
        return received, None

    def hang_up(self, after: Callable[[Event], bool]) -> None:
        """Start a run, and close the connection after an event."""
        stream = self.http.send(self.request("threads.create", input=message_input()), stream=True)
        for event in EventSource(stream).iter_sse():
            if after(json.loads(event.data)):
                break
        stream.close()

    def newest_items(self) -> list[dict[str, Any]]:
        """The items of the newest thread, newest first."""
        thread = self.post("threads.list", limit=1).json()["data"][0]
        items: list[dict[str, Any]] = self.post("items.list", thread_id=thread["id"]).json()["data"]
        return items

    def has_answer(self) -> bool:
        item = self.newest_items()[0]
        return item["type"] == "assistant_message" and has_program(item)


def has_program(item: dict[str, Any]) -> bool:
    try:
        return ROOT_KEY in json.loads(item["content"][0]["text"])
    except ValueError:
        return False


def events_of(response: httpx.Response) -> list[Event]:
    return [json.loads(event.data) for event in EventSource(response).iter_sse()]


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def updates(events: list[Event]) -> list[dict[str, Any]]:
    return [event["update"] for event in events if event["type"] == "thread.item.updated"]


def stored_items(events: list[Event], kind: str = "assistant_message") -> list[dict[str, Any]]:
    """The items of a type that the events report as done."""
    return [
        event["item"]
        for event in events
        if event["type"] == "thread.item.done" and event["item"]["type"] == kind
    ]


def error(response: httpx.Response) -> tuple[int, str, str | None, str | None]:
    """Status, message, parameter and code of an error of the API."""
    details = response.json()["error"]
    return response.status_code, details["message"], details["param"], details["code"]
