"""Runs over the thread protocol, without I/O: events, lists, and the two halves of a run."""

from __future__ import annotations

import json
from typing import Any

from edn360_chatkit import APIConnectionError, ChatSession, RunReference
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.inbox import Inbox
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.run import Run, Waiting
from edn360_chatkit._protocol.threads import Threads
from edn360_chatkit._protocol.workflow import Workflow
from tests.support.script import Play, Scene, Scripted, answer, api_error, config

HOSTED = ChatSession(id="cksess_1", client_secret="ek_1", user="ana")
LOST = APIConnectionError("lost")
CREATED = {"type": "thread.created", "thread": {"id": "thr_1"}}
TAKEN = {
    "type": "thread.item.done",
    "item": {"type": "user_message", "id": "msg_1", "thread_id": "thr_1"},
}


def done(text: str, item_id: str = "msg_2") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {
        "type": "thread.item.done",
        "item": {"type": "assistant_message", "id": item_id, "content": content},
    }


def item(kind: str, item_id: str, text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "input_text" if kind == "user_message" else "output_text", "text": text}
    return {"type": f"chatkit.{kind}", "id": item_id, "content": [part], **more}


def items(*newest_first: dict[str, Any], more: bool = False, **headers: str) -> Response:
    last = newest_first[-1]["id"] if newest_first else None
    data = {"data": list(newest_first), "has_more": more, "last_id": last, "after": last}
    return answer(data, **headers)


ITEMS = "GET /threads/thr_1/items"
# The list of threads of a user who has no threads.
NONE = answer({"data": []})
OURS = items(item("user_message", "msg_1", "hello"))


def threads_of(**settings: Any) -> Threads:
    return Threads(make_api(config(**{"protocol": "threads", **settings})))


def own_server(**settings: Any) -> Threads:
    return threads_of(api_key=None, server_url="https://own.example/chatkit", **settings)


def start(
    play: Play, threads: Threads | None = None, session: ChatSession = HOSTED, **settings: Any
) -> RunReference:
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    reference = RunReference(session_id=session.id, user=session.user)
    run = Run(Inbox(session, reference, sent="hello"), waiting, play.clock, held=True)
    threads = threads or threads_of(**settings)
    play.run(threads.start(run, Prepared("hello")))
    assert run.reference is not None
    return run.reference


def follow(play: Play, threads: Threads, message: RunReference, attempts: int = 3) -> Any:
    waiting = Waiting(poll_interval=2.0, max_attempts=attempts, answer="program")
    inbox = Inbox(HOSTED.model_copy(update={"id": message.session_id}), message)
    run = Run(inbox, waiting, play.clock, is_sent=True, watched=True)
    return play.run(threads.follow(run))


def kinds(play: Play) -> list[str]:
    """The requests: those of the thread protocol by their type, the others by method and path."""
    names: list[str] = []
    for path, request in zip(play.paths, play.requests, strict=True):
        own = path == "POST /conversation"
        names.append(json.loads(request.content or b"{}")["type"] if own else path)
    return names


def begun(*events: dict[str, Any], breaks_with: Any = None) -> tuple[Threads, RunReference]:
    threads = threads_of()
    scene = Scene([CREATED, TAKEN, *events], breaks_with)
    return threads, start(Play([NONE, scene]), threads)


def send_in(workflow: Workflow, session: ChatSession, *answers: Scripted) -> tuple[Any, Play]:
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    return workflow.send_message(session, Prepared("hello"), waiting), Play(answers)


REFUSED = api_error(404, "Invalid URL (POST /v1/chatkit/sessions/x/messages)")
