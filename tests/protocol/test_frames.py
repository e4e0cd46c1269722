"""The local variables of our frames in a traceback show no body, no text and no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from traceback import walk_tb
from typing import Any

import pytest

from edn360_chatkit import APIConnectionError, ChatKitError, ChatSession
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.inputs import Prepared, prepare
from edn360_chatkit._protocol.resources import retrieve_thread, thread_pages
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from tests.support.script import Play, Scene, Scripted, answer, api_error, config, listing, user

SECRET = "hidden-words"
CREATED = {"type": "thread.created", "thread": {"id": "thr_1"}}
TAKEN = {
    "type": "thread.item.done",
    "item": {"type": "user_message", "id": "msg_1", "content": [{"text": SECRET}]},
}
SESSION = answer({"id": "cksess_1", "client_secret": f"ek_{SECRET}"})
SENT = answer({"id": "msg_1", "text": SECRET})
PAGE = answer({"data": [user("msg_9", SECRET)], "has_more": True, "last_id": "msg_9"})
NONE = answer({"data": []})
LOST = APIConnectionError("lost")


class SignalError(Exception):
    """An exception of the caller's signal handler."""


def variables(error: BaseException) -> Iterator[str]:
    """The variables of our frames, in the tracebacks of an exception and its causes."""
    link: BaseException | None = error
    while link is not None:
        for frame, _ in walk_tb(link.__traceback__):
            module = str(frame.f_globals.get("__name__"))
            if module.startswith(("edn360_chatkit._protocol", "pydantic", "json")):
                yield f"{module}.{frame.f_code.co_name}: {frame.f_locals!r}"
        link = link.__cause__ or link.__context__


def check(error: BaseException) -> None:
    leaks = [text for text in variables(error) if SECRET in text]
    assert not leaks, leaks[0]


@pytest.mark.parametrize("protocol", ["messages", "threads"])
@pytest.mark.parametrize(
    "answers",
    [
        [Response(200, {}, json.dumps({"client_secret": SECRET}).encode())],
        [Response(200, {}, f'["{SECRET}"]'.encode())],
        [Response(200, {}, f'{{"{SECRET}'.encode())],
        [SESSION, api_error(400, SECRET)],
        [SESSION, SENT, PAGE, api_error(401, SECRET)],
        [SESSION, SENT, PAGE, SignalError()],
        [SESSION, SignalError()],
        [SESSION, LOST, *[answer({"data": SECRET})] * 4],
        [SESSION, LOST, listing({"id": "x", "type": SECRET})],
        [SESSION, NONE, Scene([CREATED, TAKEN, {"type": "error", "message": SECRET}])],
        [SESSION, NONE, Scene([CREATED, TAKEN], SignalError())],
        [SESSION, NONE, Scene([{"type": "error", "message": SECRET}])],
        [SESSION, NONE, Scene([CREATED, {"type": "notice", "message": SECRET}]), NONE, NONE, NONE],
    ],
)
def test_failed_run_shows_no_secret(protocol: Any, answers: list[Scripted]) -> None:
    workflow = Workflow(config(protocol=protocol, max_retries=3, api_key="sk-simulated-key"))
    waiting = Waiting(poll_interval=2.0, max_attempts=2, answer="program")
    operation = workflow.run(Prepared(SECRET), "ana", waiting, watched=True)
    # Each script fits one protocol. With the other protocol, it fails in another way.
    with pytest.raises((ChatKitError, SignalError, AssertionError)) as caught:
        Play(answers).run(operation)
    check(caught.value)


def test_invalid_client_secret_is_not_shown() -> None:
    workflow = Workflow(config(protocol="threads", headers={"X-Token": SECRET}))
    waiting = Waiting(poll_interval=2.0, max_attempts=2, answer="program")
    for session in (
        ChatSession(id="cksess_1", client_secret=f"ek {SECRET}"),
        ChatSession(id="cksess_1"),
    ):
        with pytest.raises(ChatKitError) as caught:
            Play([]).run(workflow.send_message(session, Prepared(SECRET), waiting))
        check(caught.value)


def test_invalid_list_entry_is_not_shown() -> None:
    api = make_api(config())
    odd = answer({"data": [{"id": [SECRET]}]})
    with pytest.raises(ChatKitError) as caught:
        Play([odd]).run(thread_pages(api, "ana", 20, "desc").next())
    check(caught.value)
    with pytest.raises(ChatKitError) as caught:
        Play([answer({"id": [SECRET]})]).run(retrieve_thread(api, "thr_1", None))
    check(caught.value)


@pytest.mark.parametrize("value", [{"user_profile": SECRET}, f"{SECRET}\ud83d", {1: SECRET}])
def test_invalid_input_is_not_shown(value: Any) -> None:
    with pytest.raises(ChatKitError) as caught:
        prepare(value).check()
    check(caught.value)
