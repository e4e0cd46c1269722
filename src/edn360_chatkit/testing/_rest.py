"""OpenAI's REST endpoints for threads and their items: a view of the hosted threads."""

from __future__ import annotations

from typing import Any

from ._answers import dumps
from ._http import ListQuery, listed, page, read
from ._store import Item, RecordedRequest, Store, Thread

# Items of the thread protocol that these endpoints do not list.
_NOT_LISTED = ("end_of_turn", "generated_image", "structured_input")


class _ThreadQuery(ListQuery):
    user: str | None = None


def list_threads(store: Store, request: RecordedRequest, _: str) -> dict[str, Any]:
    """``GET /threads``."""
    query = read(_ThreadQuery, request.query)
    threads, more = page(store.threads_of(query.user, hosted=True), query)
    return listed([_as_thread(thread) for thread in threads], more)


def retrieve_thread(store: Store, _: RecordedRequest, thread_id: str) -> dict[str, Any]:
    """``GET /threads/{id}``."""
    return _as_thread(store.thread(thread_id, None, hosted=True))


def delete_thread(store: Store, _: RecordedRequest, thread_id: str) -> dict[str, Any]:
    """``DELETE /threads/{id}``."""
    del store.threads[store.thread(thread_id, None, hosted=True).id]
    return {"id": thread_id, "object": "chatkit.thread.deleted", "deleted": True}


def list_items(store: Store, request: RecordedRequest, thread_id: str) -> dict[str, Any]:
    """``GET /threads/{id}/items``."""
    query = read(ListQuery, request.query)
    items = store.thread(thread_id, None, hosted=True).items
    items, more = page([item for item in items if item.type not in _NOT_LISTED], query)
    return listed([_as_item(item) for item in items], more)


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
    quotes = [{"type": "quoted_text", "text": quoted}] if quoted else []
    return {
        "content": [*fields["content"], *quotes],
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
