"""OpenAI's REST endpoints for threads and their items: a view of the hosted threads."""

from __future__ import annotations

from typing import Any

from ._answers import dumps
from ._http import APIError, ListQuery, listed, page, read
from ._store import Item, RecordedRequest, Store, Thread

# Items of the thread protocol that these endpoints do not list.
_NOT_LISTED = ("end_of_turn", "generated_image", "structured_input")


class _ThreadQuery(ListQuery):
    user: str | None = None


class Threads:
    """The endpoints under ``/threads``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, request: RecordedRequest, _: str) -> dict[str, Any]:
        query = read(_ThreadQuery, request.query)
        threads, more = page(self._store.threads_of(query.user, hosted=True), query)
        return listed([_as_thread(thread) for thread in threads], more)

    def retrieve(self, _: RecordedRequest, thread_id: str) -> dict[str, Any]:
        return _as_thread(self._thread(thread_id))

    def delete(self, _: RecordedRequest, thread_id: str) -> dict[str, Any]:
        del self._store.threads[self._thread(thread_id).id]
        return {"id": thread_id, "object": "chatkit.thread.deleted", "deleted": True}

    def items(self, request: RecordedRequest, thread_id: str) -> dict[str, Any]:
        query = read(ListQuery, request.query)
        items = [item for item in self._thread(thread_id).items if item.type not in _NOT_LISTED]
        items, more = page(items, query)
        return listed([_as_item(item) for item in items], more)

    def _thread(self, thread_id: str) -> Thread:
        thread = self._store.threads.get(thread_id)
        if thread is None or not thread.hosted:
            raise APIError(404, f"Chatkit Thread with id '{thread_id}' not found.")
        return thread


def _as_thread(thread: Thread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "object": "chatkit.thread",
        "created_at": int(thread.created.timestamp()),
        "title": thread.title,
        "user": thread.user,
        "status": {"type": "active"},
    }


def _as_item(item: Item) -> dict[str, Any]:
    kind, fields = item.type, item.fields
    if kind == "user_message":
        fields = _user_message(fields)
    elif kind == "workflow":
        kind = "task_group"
        fields = {"tasks": [_task(task, "type") for task in fields["workflow"]["tasks"]]}
    elif kind == "task":
        fields = _task(fields["task"], "task_type")
    elif kind == "widget":
        fields = {"widget": dumps(fields["widget"])}
    elif kind == "client_tool_call":
        fields = _client_tool_call(fields)
    return {
        "id": item.id,
        "object": "chatkit.thread_item",
        "created_at": int(item.created.timestamp()),
        "thread_id": item.thread_id,
        "type": f"chatkit.{kind}",
        **fields,
    }


def _user_message(fields: dict[str, Any]) -> dict[str, Any]:
    quoted = fields.get("quoted_text")
    return {
        "content": [*fields["content"], *([{"type": "quoted_text", "text": quoted}] * bool(quoted))],
        "attachments": [],
        "inference_options": {"model": None, "tool_choice": None, **fields["inference_options"]},
    }


def _task(task: dict[str, Any], kind: str) -> dict[str, Any]:
    return {kind: task["type"], "heading": task.get("title"), "summary": task.get("content")}


def _client_tool_call(fields: dict[str, Any]) -> dict[str, Any]:
    completed = fields["status"] == "completed"
    return {
        "call_id": fields["call_id"],
        "name": fields["name"],
        "arguments": dumps(fields["arguments"]),
        "output": dumps(fields["output"]) if completed else None,
        "status": "completed" if completed else "in_progress",
    }
