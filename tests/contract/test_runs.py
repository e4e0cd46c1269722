"""A run is started by one client, and read and resumed by others through its reference.

The three worlds: session messages, the thread protocol, and a self-hosted server.
"""

from __future__ import annotations

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edn360_chatkit import (
    APIError,
    AuthenticationError,
    InvalidInputError,
    MessageSentEvent,
    ResponseEvent,
    RunReference,
    RunStatus,
    SessionCreatedEvent,
    WorkflowEvent,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient
from tests.support.patience import PATIENCE, eventually, growing
from tests.support.samples import ANSWER, ATHLETE

WORLDS: dict[str, dict[str, Any]] = {
    "messages": {},
    "threads": {"protocol": "threads"},
    "own server": {"api_key": None, "base_url": None, "workflow_id": None},
}


def settings(world: str, sim: ChatKitSimulator) -> dict[str, Any]:
    own = {"server_url": sim.server_url} if world == "own server" else {}
    return {**WORLDS[world], **own}


def wait_for_end(client: Any, run: RunReference) -> RunStatus:
    statuses: list[RunStatus] = []

    def has_ended() -> bool:
        statuses.append(client.retrieve_run(run))
        return statuses[-1].state != "running"

    assert eventually(has_ended)
    return statuses[-1]


@pytest.mark.parametrize(
    ("make_client", "world"),
    [*(("sync", world) for world in WORLDS), ("asyncio", "own server"), ("trio", "messages")],
    indirect=["make_client"],
)
def test_reference_finds_run_from_any_client(
    make_client: MakeClient, world: str, sim: ChatKitSimulator
) -> None:
    here, there = (make_client(**settings(world, sim)) for _ in range(2))
    for delay in growing(0.3):
        sim.reset()
        sim.delay, sim.steps = delay, True
        events: list[WorkflowEvent] = []
        run = here.start_workflow(ATHLETE, on_event=events.append)
        states = [client.retrieve_run(run).state for client in (here, there)]
        if "done" not in states:  # the look was quicker than the run
            break
    assert states == ["running"] * 2
    assert [type(event) for event in events] == [SessionCreatedEvent, MessageSentEvent]
    assert isinstance(events[1], MessageSentEvent)
    assert events[1].run == run == RunReference.model_validate_json(str(run))
    text = str(run)
    for client in (here, there):
        status = wait_for_end(client, run)
        assert (status.state, status.run, len(status.steps)) == ("done", run, 3)
        assert status.response is not None
        assert RunStatus.model_validate_json(status.model_dump_json()).response == status.response
        assert client.poll_response(text).text == status.response.text
    with here.stream_response(text) as stream:
        assert any(isinstance(event, ResponseEvent) for event in stream)
    assert sim.runs == 1


@pytest.mark.parametrize("make_client", ["sync", "asyncio"], indirect=True)
def test_run_is_retrieved_while_another_thread_waits(
    make_client: MakeClient, sim: ChatKitSimulator
) -> None:
    sim.delay, sim.steps = 0.3, True
    client = make_client(**settings("own server", sim))
    run = client.start_workflow(ATHLETE)
    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(wait_for_end, client, run) for _ in range(3)]
        response = pool.submit(client.poll_response, run)
        statuses = [look.result() for look in looks]
        ids = [status.response and status.response.message_id for status in statuses]
        assert ids == [response.result().message_id] * 3
    assert sim.runs == 1


@pytest.mark.parametrize("make_client", ["sync", "asyncio", "trio"], indirect=True)
def test_retrieve_run_does_not_wait(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.delay = 600
    client = make_client(**settings("own server", sim))
    run = client.start_workflow(ATHLETE)
    started = time.monotonic()
    assert {client.retrieve_run(run).state for _ in range(3)} == {"running"}
    assert time.monotonic() - started < PATIENCE


@pytest.mark.parametrize("make_client", ["sync"], indirect=True)
def test_retrieve_run_keeps_reading_the_stream(
    make_client: MakeClient, sim: ChatKitSimulator
) -> None:
    # The answer is larger than the buffers of a connection. Unread, it would block the server.
    sim.delta_size, sim.answer = 400_000, lambda _: ANSWER + " " * 12_000_000
    client = make_client(**settings("own server", sim), max_response_bytes=50_000_000)
    run = client.start_workflow(ATHLETE)
    assert wait_for_end(client, run).state == "done"
    assert client.poll_response(run).program.title


@pytest.mark.parametrize("make_client", ["sync", "trio"], indirect=True)
def test_error_event_makes_run_failed(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.stream_error = "no capacity"
    # The end of a kept-alive connection may stay in httpcore's buffer for some seconds.
    client = make_client(**settings("own server", sim), headers={"Connection": "close"})
    run = client.start_workflow(ATHLETE)
    for _ in range(2):
        status = wait_for_end(client, run)
        assert isinstance(status.error, WorkflowFailedError)
        assert "no capacity" in status.model_dump_json()
        assert "no capacity" in str(pickle.loads(pickle.dumps(status)).error)
        loaded = RunStatus.model_validate_json(status.model_dump_json())
        assert isinstance(loaded.error, WorkflowFailedError)
        assert (str(loaded.error), loaded.error.run) == (str(status.error), status.run)
        assert RunStatus.model_validate(status.model_dump()).model_dump() == status.model_dump()
        with pytest.raises(WorkflowFailedError, match="no capacity") as caught:
            client.poll_response(run)
        assert caught.value.run == run
    with pytest.raises(WorkflowFailedError) as caught:
        client.run_workflow(ATHLETE)
    assert client.retrieve_run(caught.value.run).state == "failed"


@pytest.mark.parametrize("make_client", ["sync"], indirect=True)
def test_error_of_run_has_reference(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = "nothing"
    client = make_client(max_attempts=1)
    with pytest.raises(WorkflowTimeoutError) as caught:
        client.run_workflow(ATHLETE)
    assert caught.value.run is not None
    assert caught.value.run.message == caught.value.message
    assert pickle.loads(pickle.dumps(caught.value)).run == caught.value.run
    sim.fail_next("list_messages", status=401)
    with pytest.raises(AuthenticationError) as refused:
        client.poll_response(caught.value.run)
    assert refused.value.run == caught.value.run
    sim.fail_next("create_session", status=401)
    with pytest.raises(AuthenticationError) as refused:
        client.run_workflow(ATHLETE)
    assert refused.value.run is None


@pytest.mark.parametrize("make_client", ["sync"], indirect=True)
@pytest.mark.parametrize("text", ["{", '{"message_id": "m"}', '{"session_id": 7}'])
def test_invalid_reference_text_is_refused(
    make_client: MakeClient, text: str, sim: ChatKitSimulator
) -> None:
    with pytest.raises(InvalidInputError, match="RunReference"):
        make_client().poll_response(text)
    assert sim.requests == []


@pytest.mark.parametrize("make_client", ["sync"], indirect=True)
@pytest.mark.parametrize("world", WORLDS)
def test_reference_without_thread_names_threads_list(
    make_client: MakeClient, world: str, sim: ChatKitSimulator
) -> None:
    sim.messages_endpoint = False
    session = make_client().create_session("athlete-1")
    run = RunReference(session_id=session.id, user="athlete-1", previous_id="")
    for method in ("poll_response", "retrieve_run"):
        client = make_client(**settings(world, sim))
        with pytest.raises(InvalidInputError, match=r"another server.*\.list\(user='athlete-1'\)"):
            getattr(client, method)(run)


@pytest.mark.parametrize(
    ("make_client", "world"),
    [*(("sync", world) for world in (*WORLDS, "auto")), ("asyncio", "own server")],
    indirect=["make_client"],
)
def test_reference_without_message_finds_the_run(
    make_client: MakeClient, world: str, sim: ChatKitSimulator
) -> None:
    """A process that is killed while it sends the message leaves no other reference."""
    sim.messages_endpoint, sim.survives_hang_up = world == "messages", True
    sim.answer = lambda text: ANSWER.replace("Fuerza", json.loads(text).get("note", "ours"))
    options = settings(world, sim) if world != "auto" else {}
    stored: list[str] = []

    def store(event: WorkflowEvent) -> None:
        if isinstance(event, SessionCreatedEvent):
            stored.append(str(event.run))

    for earlier in ({**ATHLETE, "note": "another"}, ATHLETE):
        make_client(**options).run_workflow(earlier)
    sim.fail_next(
        "send_message" if world == "messages" else "threads.create", status=None, taken=True
    )
    client = make_client(**options, max_retries=0)
    with pytest.raises(APIError) as caught:
        client.run_workflow(ATHLETE, on_event=store)
    assert str(caught.value.run) == stored[-1]
    assert len(stored) == (2 if world == "auto" else 1)
    make_client(**options).run_workflow({**ATHLETE, "note": "later"})
    run = RunReference.model_validate_json(stored[-1])
    assert wait_for_end(make_client(**options), run).run.message_id
    response = make_client(**options).poll_response(run)
    # Not that of another run of the user, before or after it.
    assert response.program.title.startswith("ours")
    assert sim.runs == 4


@pytest.mark.parametrize("make_client", ["sync"], indirect=True)
@pytest.mark.parametrize("is_followed", [True, False])
def test_lost_message_gets_no_later_answer(
    make_client: MakeClient, is_followed: bool, sim: ChatKitSimulator
) -> None:
    """Nor the stream or the thread of the next message, which is sent in the same session."""
    client = make_client(protocol="threads", max_retries=0, max_attempts=2)
    session = client.create_session("athlete-1")
    sim.fail_next("threads.create", status=None)
    with pytest.raises(APIError, match="may have been taken") as caught:
        client.send_message(session, {**ATHLETE, "note": "lost"})
    assert caught.value.run is not None
    message = client.send_message(session, ATHLETE)
    if is_followed:
        assert client.poll_response(session, after=message).program.title
    with pytest.raises(APIError, match="can't be told"):
        client.retrieve_run(caught.value.run)
    with pytest.raises(WorkflowTimeoutError, match="thread was not found"):
        client.poll_response(caught.value.run)
    if not is_followed:
        assert client.poll_response(session, after=message).program.title
