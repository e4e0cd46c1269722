"""OpenAI's REST endpoints for threads and their items, asked with the API key.

They give what the hosted thread protocol left, in the shapes that OpenAI's published client has
for it. What has no such shape there, such as the end of a turn, is left out.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ._answers import dumps
from ._host import Host, Item, Thread
from ._wire import APIError, listed, read_query, select

# Kinds that the thread protocol has and these endpoints have not.
_LEFT_OUT = ("end_of_turn", "generated_image", "structured_input")


class Threads:
    """The endpoints under ``/threads``."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def list(self, request: Request) -> Response:
        asked = read_query(request.query_params, "user", least=0)
        user = request.query_params.get("user")
        threads = [
            thread
            for thread in tuple(self._host.threads.values())
            if thread.hosted and user in (None, thread.user)
        ]
        page, more = select(threads, asked, lambda thread: thread.id)
        return listed([_thread(thread) for thread in page], more)

    async def retrieve(self, request: Request) -> Response:
        return JSONResponse(_thread(self._thread(request)))

    async def delete(self, request: Request) -> Response:
        thread = self._thread(request)
        del self._host.threads[thread.id]
        return JSONResponse({"id": thread.id, "object": "chatkit.thread.deleted", "deleted": True})

    async def items(self, request: Request) -> Response:
        asked = read_query(request.query_params, least=0)
        items = [item for item in self._thread(request).items if item.type not in _LEFT_OUT]
        page, more = select(items, asked, lambda item: item.id)
        return listed([_item(item) for item in page], more)

    def _thread(self, request: Request) -> Thread:
        thread_id = request.path_params["thread_id"]
        thread = self._host.threads.get(thread_id)
        if thread is None or not thread.hosted:
            raise APIError(404, f"Chatkit Thread with id '{thread_id}' not found.")
        return thread


def _thread(thread: Thread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "object": "chatkit.thread",
        "created_at": int(thread.created.timestamp()),
        "title": thread.title,
        "user": thread.user,
        "status": {"type": "active"},
    }


def _item(item: Item) -> dict[str, Any]:
    kind, fields = _kind_and_fields(item.type, item.fields)
    return {
        "id": item.id,
        "object": "chatkit.thread_item",
        "created_at": int(item.created.timestamp()),
        "thread_id": item.thread_id,
        "type": f"chatkit.{kind}",
        **fields,
    }


def _kind_and_fields(kind: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if kind == "user_message":
        content, quoted = list[dict[str, Any]](fields["content"]), fields.get("quoted_text")
        if quoted:
            content.append({"type": "quoted_text", "text": quoted})
        options = {"model": None, "tool_choice": None, **fields["inference_options"]}
        return kind, {"content": content, "attachments": [], "inference_options": options}
    if kind == "workflow":
        return "task_group", {
            "tasks": [_task(task, "type") for task in fields["workflow"]["tasks"]]
        }
    if kind == "task":
        return kind, _task(fields["task"], "task_type")
    if kind == "widget":
        return kind, {"widget": dumps(fields["widget"])}
    if kind == "client_tool_call":
        done = fields["status"] == "completed"
        return kind, {
            "call_id": fields["call_id"],
            "name": fields["name"],
            "arguments": dumps(fields["arguments"]),
            "output": dumps(fields["output"]) if done else None,
            "status": "completed" if done else "in_progress",
        }
    return kind, fields


def _task(task: dict[str, Any], kind: str) -> dict[str, Any]:
    return {kind: task["type"], "heading": task.get("title"), "summary": task.get("content")}
