"""The stream of a run, and which run it belongs to."""

from __future__ import annotations

import json
import sys
from types import FrameType
from typing import Any

import pytest

from edn360_chatkit import (
    ChatSession,
    MessageSentEvent,
    RawEvent,
    RunReference,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit._effects import Emit, Now, Open, Read, Send, Sleep
from edn360_chatkit._protocol.inbox import Inbox
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.run import Run, Waiting
from edn360_chatkit._protocol.thread_events import TURN_EVENTS
from edn360_chatkit._protocol.threads import MOST_SESSIONS
from edn360_chatkit._protocol.workflow import Workflow
from tests.support.samples import ANSWER
from tests.support.script import Play, Scene, answer, config

from .thread_runs import (
    CREATED,
    HOSTED,
    NONE,
    OURS,
    TAKEN,
    begun,
    done,
    follow,
    item,
    items,
    start,
    threads_of,
)


def test_stream_is_read_to_its_end() -> None:
    runs, message = begun(done('{"profile": 1}'), done(ANSWER, "msg_3"))
    play = Play([])
    response = follow(play, runs, message)
    assert (response.text, response.thread_id, response.attempts) == (ANSWER, "thr_1", 1)
    assert [event.type for event in play.events if event.type != "raw"] == ["step", "response"]


def test_list_of_events_is_taken_in_turns() -> None:
    """Between the turns the clock is read, so a long list can't hold a call past its deadline."""
    events: Any = [{"type": "x"}] * (2 * TURN_EVENTS + 1)
    runs, message = begun(events, done(ANSWER))
    play = Play([])
    assert follow(play, runs, message).text == ANSWER
    assert play.sleeps == [0, 0]


def test_messages_without_ids_keep_their_streams() -> None:
    threads = threads_of()
    stored = {"type": "thread.item.done", "item": {"type": "user_message", "thread_id": "thr_1"}}
    texts = [ANSWER.replace("Fuerza", name) for name in ("Uno", "Dos", "Tres")]
    plays = [Play([OURS, Scene([stored, done(text)])]) for text in texts]
    plays[0].answers = [NONE, *plays[0].answers[1:]]
    runs = [start(play, threads) for play in plays]
    assert {run.message_id for run in runs} == {None}
    assert [follow(Play([]), threads, run).text for run in runs] == texts


@pytest.mark.parametrize("other", [{"previous_id": "msg_7"}, {"thread_id": "thr_0"}])
def test_run_in_doubt_ignores_other_runs_stream(other: dict[str, str]) -> None:
    threads, run = begun(done(ANSWER))
    in_doubt = run.model_copy(update={"message_id": None, **other})
    messages = [
        item("assistant_message", "msg_9", ANSWER.replace("Fuerza", "Antes")),
        item("user_message", "msg_8", "hello"),
        item("user_message", "msg_7", "hello"),
    ]
    earlier = items(*messages[: 3 if in_doubt.previous_id else 2])
    assert "Antes" in follow(Play([earlier]), threads, in_doubt).text
    assert "Fuerza" in follow(Play([]), threads, run).text


@pytest.mark.parametrize("after", ["msg_1", None])
def test_ids_find_the_open_stream(after: str | None) -> None:
    runs, _ = begun(done(ANSWER))
    response = follow(Play([]), runs, RunReference(message_id=after, session_id="cksess_1"))
    assert (response.text, response.thread_id) == (ANSWER, "thr_1")


def test_early_events_are_emitted() -> None:
    runs, message = begun(done(ANSWER))
    play = Play([])
    follow(play, runs, message)
    raw = [event.data["type"] for event in play.events if isinstance(event, RawEvent)]
    assert raw == ["thread.created", "thread.item.done", "thread.item.done"]


def test_oldest_sessions_are_forgotten() -> None:
    threads = threads_of()
    failed = {"type": "error", "message": "no capacity"}
    runs: list[RunReference] = []
    for number in range(MOST_SESSIONS + 2):
        session = ChatSession(id=f"cksess_{number}", client_secret="ek_1", user="ana")
        runs.append(start(Play([NONE, Scene([CREATED, TAKEN, failed])]), threads, session))
        if number > 0:
            with pytest.raises(WorkflowFailedError):
                follow(Play([]), threads, runs[-1])
    open_stream, forgotten, remembered = runs[0], runs[1], runs[-1]
    assert threads.state_of(forgotten.session).thread_id is None
    with pytest.raises(WorkflowTimeoutError):
        follow(Play([OURS]), threads, forgotten, attempts=1)
    for run in (remembered, open_stream):
        assert threads.state_of(run.session).thread_id == "thr_1"
        with pytest.raises(WorkflowFailedError):
            follow(Play([]), threads, run)


@pytest.mark.parametrize("error", [ZeroDivisionError(), GeneratorExit()])
def test_abandoned_run_releases_its_stream(
    error: BaseException,
) -> None:
    scene = Scene([CREATED, TAKEN])
    workflow = Workflow(config(protocol="threads"))
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    operation = workflow.run(Prepared("hello"), "ana", waiting, watched=True)
    reply: object = None
    answers: list[object] = [answer({"id": "cksess_1", "client_secret": "ek_1"}), NONE, scene]
    while True:
        effect = operation.send(reply)
        reply = 1000.0 if isinstance(effect, Now) else None
        if isinstance(effect, (Send, Open)):
            reply = answers.pop(0)
        elif isinstance(effect, Read):
            reply = (json.dumps(scene.events.pop(0)),)
        elif isinstance(effect, Emit) and isinstance(effect.event, MessageSentEvent):
            break
    with pytest.raises(type(error)):
        operation.throw(error)
    assert not scene.keep_open


def test_stream_is_followed_by_one_call_alone() -> None:
    threads, message = begun(done(ANSWER))
    session = HOSTED.model_copy(update={"id": message.session_id})
    live = threads.state_of(session).find(message)
    assert live is not None
    # Another call reads the stream.
    live.readers.append(object())
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    runs = [Run(Inbox(session, message), waiting, 0.0, is_sent=True) for _ in range(2)]
    assert isinstance(next(threads.follow(runs[0])), Sleep)
    # It would wait for ever for its turn.
    second = threads.follow(runs[1])
    effect = next(second)
    while isinstance(effect, Now):
        effect = second.send(0.0)
    assert isinstance(effect, Send)


def test_interrupted_look_leaves_stream_readable() -> None:
    """A signal handler raises as the look gets its turn: the next call would wait for ever."""
    threads, message = begun(done(ANSWER))
    session = HOSTED.model_copy(update={"id": message.session_id})
    live = threads.state_of(session).find(message)
    assert live is not None
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")

    def raise_in_turn(frame: FrameType, event: str, arg: object) -> Any:
        if event == "return" and frame.f_code.co_name == "may_read":
            raise LookupError("a time limit")
        return raise_in_turn

    look = threads.check(Run(Inbox(session, message), waiting, 0.0, is_sent=True))
    tracer = sys.gettrace()
    sys.settrace(raise_in_turn)
    try:
        with pytest.raises(LookupError, match="time limit"):
            next(look)
    finally:
        sys.settrace(tracer)
    assert live.readers == []
    assert follow(Play([]), threads, message).text == ANSWER


def test_stream_without_thread_id_is_followed() -> None:
    threads = threads_of()
    taken = {"type": "thread.item.done", "item": {"type": "user_message", "id": "msg_1"}}
    run = start(Play([NONE, Scene([taken, done(ANSWER)])]), threads)
    assert run.thread_id is None
    assert follow(Play([]), threads, run).text == ANSWER


def test_simultaneous_streams_of_a_session_stay() -> None:
    threads, waiting = threads_of(), Waiting(2.0, 60, "program")
    inbox = Inbox(HOSTED, RunReference(session_id=HOSTED.id, user="ana"), message_text="hello")
    run = Run(inbox, waiting, 0.0, keep_open=True)
    first = threads.start(run, Prepared("hello"))
    assert isinstance(next(first), Send)
    assert isinstance(first.send(NONE), Open)
    item = {"type": "user_message", "id": "msg_9", "thread_id": "thr_1"}
    other = {"type": "thread.item.done", "item": item}
    second = start(Play([NONE, Scene([CREATED, other, done(ANSWER)])]), threads)
    Play([]).run(first, reply=Scene([CREATED, TAKEN, done(ANSWER)]))
    assert {run.inbox.reference.message_id, second.message_id} == {"msg_1", "msg_9"}
    assert follow(Play([]), threads, second).text == ANSWER
    assert follow(Play([]), threads, run.inbox.reference).text == ANSWER
