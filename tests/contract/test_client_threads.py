"""The thread protocol over real HTTP against the simulator, whose streams break and stall."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from edn360_chatkit import (
    APIError,
    AsyncChatKitClient,
    ConfigurationError,
    EndpointNotFoundError,
    InvalidInputError,
    Message,
    NotFoundError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient, lost_answers
from tests.support.patience import growing
from tests.support.samples import ATHLETE


@pytest.fixture(params=["hosted", "self-hosted"])
def client(request: pytest.FixtureRequest, make_client: MakeClient, sim: ChatKitSimulator) -> Any:
    if request.param == "hosted":
        return make_client(protocol="threads", max_attempts=20)
    settings = {"api_key": None, "base_url": None, "workflow_id": None}
    return make_client(server_url=sim.server_url, max_attempts=20, **settings)


def test_unknown_events_do_not_end_run(client: Any, sim: ChatKitSimulator) -> None:
    sim.steps, sim.unknown_events, sim.every_event = True, True, True
    sim.notice, sim.end_of_turn = "Take it easy", True
    with client.stream_workflow(ATHLETE) as run:
        events = list(run)
        response = run.get_response()
    kinds = {event.type for event in events}
    assert kinds >= {"progress", "task.added", "notice", "text.delta", "step", "raw", "response"}
    assert response.program.days_per_week == 4
    assert sim.runs == 1


@lost_answers
def test_lost_answer_starts_no_second_run(
    client: Any, sim: ChatKitSimulator, status: int | None, stored: bool
) -> None:
    sim.survives_hang_up = True
    sim.fail_next("threads.create", status=status, taken=stored)
    assert client.run_workflow(ATHLETE).program.title
    assert sim.runs == 1


def test_equal_input_starts_new_run(client: Any, sim: ChatKitSimulator) -> None:
    sim.survives_hang_up = True
    first = client.run_workflow(ATHLETE)
    sim.cut_next_stream(0)
    second = client.run_workflow(ATHLETE)
    # The list's newest thread belongs to the second run.
    assert second.thread_id != first.thread_id
    assert sim.runs == 2


@pytest.mark.parametrize("survives", [True, False])
def test_broken_stream_is_read_from_thread(
    client: Any, sim: ChatKitSimulator, survives: bool
) -> None:
    sim.delay, sim.survives_hang_up = 0.2, survives
    sim.cut_next_stream(1500)
    error: WorkflowTimeoutError | None = None
    try:
        client.run_workflow(ATHLETE, max_attempts=100)
    except WorkflowTimeoutError as timeout:
        error = timeout
    hosted = any(request.path.endswith("/conversation") for request in sim.requests)
    assert (error is None) == (survives or hosted)
    if error is not None:
        assert error.message is not None
        assert error.message.thread_id in sim.threads
    assert sim.runs == 1


def test_stalled_stream_is_waited_for(client: Any, sim: ChatKitSimulator) -> None:
    sim.stall_next_stream(1200, 0.3)
    assert client.run_workflow(ATHLETE).program.title
    assert sim.runs == 1


def test_max_attempts_of_call_limit_silence(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    options = {"api_key": None, "base_url": None, "workflow_id": None, "max_attempts": 1}
    for timeout in growing(0.2):
        sim.reset()
        sim.delay = 5 * timeout
        address = {"server_url": sim.server_url, "timeout": timeout}
        client = make_client(poll_interval=timeout / 2, **address, **options)
        attempts = client.run_workflow(ATHLETE, max_attempts=100).attempts
        if attempts == 1:
            break
        # The first event came after the timeout.
    assert attempts == 1
    assert sim.runs == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_wait_does_not_end_run(sim: ChatKitSimulator, backend: str) -> None:
    sim.delay, sim.survives_hang_up = 0.6, True

    async def main() -> str:
        async with (
            AsyncChatKitClient(server_url=sim.server_url, poll_interval=0.05) as client,
            client.stream_workflow(ATHLETE) as run,
        ):
            with anyio.move_on_after(0.2):
                async for _ in run:
                    pass
            return str((await run.get_response()).program.title)

    assert anyio.run(main, backend=backend).startswith("Programa simulado")
    assert sim.runs == 1


def test_error_event_sets_allow_retry(client: Any, sim: ChatKitSimulator) -> None:
    sim.stream_error, sim.allow_retry = "out of tokens", True
    with pytest.raises(WorkflowFailedError, match="out of tokens") as caught:
        client.run_workflow(ATHLETE)
    assert caught.value.allow_retry is True
    assert sim.runs == 1


def test_auto_detects_protocol_once(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    client = make_client()
    sim.messages_endpoint = False
    for _ in range(3):
        assert client.run_workflow(ATHLETE).thread_id in sim.threads
    refused = [r for r in sim.requests if r.path.endswith("/messages")]
    assert len(refused) == 1
    assert sim.runs == 3


def test_missing_session_messages_name_threads_protocol(
    make_client: MakeClient, sim: ChatKitSimulator
) -> None:
    sim.messages_endpoint = False
    with pytest.raises(EndpointNotFoundError, match="protocol='threads'"):
        make_client(protocol="messages").run_workflow(ATHLETE)


def test_auto_prefers_session_messages(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    assert make_client().run_workflow(ATHLETE).thread_id is None
    assert not sim.threads


def awaited(client: Any, call: Any, *args: Any) -> Any:
    """Call a sync or an async method, and return its result."""
    return client.portal.call(call, *args) if hasattr(client, "portal") else call(*args)


def all_of(client: Any, listing: Any) -> list[Any]:
    """The values of a sync or async iterator."""
    if not hasattr(listing, "__aiter__"):
        return list(listing)

    async def gather() -> list[Any]:
        return [value async for value in listing]

    values: list[Any] = client.portal.call(gather)
    return values


def test_threads_are_listed_retrieved_and_deleted(
    make_client: MakeClient, sim: ChatKitSimulator
) -> None:
    client = make_client(protocol="threads")
    for number in range(5):
        user = "ana" if number else "ben"
        client.run_workflow(ATHLETE, user=user)
    before = len(sim.requests)
    mine = all_of(client, client.threads.list(user="ana", limit=2))
    assert len({thread.id for thread in mine}) == 4
    assert len(all_of(client, client.threads.list(limit=3, order="asc"))) == 5
    assert len(sim.requests) - before == 2 + 2
    items = all_of(client, client.threads.items(mine[0].id, limit=2))
    assert {item.type for item in items} >= {"chatkit.user_message", "chatkit.assistant_message"}
    thread = awaited(client, client.threads.retrieve, mine[0].id)
    assert thread.id == mine[0].id
    deletion = awaited(client, client.threads.delete, thread.id)
    assert (deletion.id, deletion.deleted) == (thread.id, True)
    with pytest.raises(NotFoundError):
        awaited(client, client.threads.retrieve, thread.id)


def test_page_is_read_when_needed(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    client = make_client(protocol="threads")
    for _ in range(3):
        client.run_workflow(ATHLETE)
    sim.requests.clear()
    listing = client.threads.list(limit=1)
    assert not sim.requests
    if hasattr(listing, "__aiter__"):
        client.portal.call(listing.__anext__)
        client.portal.call(listing.aclose)
    else:
        next(listing)
        listing.close()
    assert len(sim.requests) == 1


def test_session_can_be_cancelled(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    client = make_client(protocol="threads")
    session = client.create_session("ana")
    ended = awaited(client, client.sessions.cancel, session.id)
    assert (ended.id, ended.status) == (session.id, "cancelled")


SELF_HOSTED: dict[str, Any] = {"api_key": None, "base_url": None, "workflow_id": None}


def test_own_server_has_threads_without_sessions(
    make_client: MakeClient, sim: ChatKitSimulator
) -> None:
    client = make_client(server_url=sim.server_url, **SELF_HOSTED)
    with pytest.raises(ConfigurationError, match="base_url"):
        awaited(client, client.sessions.cancel, "cksess_1")
    with pytest.raises(InvalidInputError, match="server_url"):
        client.create_session("ana", version="3")
    for number in range(5):
        client.run_workflow(ATHLETE, user="ana" if number else "ben")
    mine = all_of(client, client.threads.list(user="ana", limit=3))
    assert len({thread.id for thread in mine}) == 4
    items = all_of(client, client.threads.items(mine[0].id, user="ana", limit=2))
    assert {item.type for item in items} >= {"user_message", "assistant_message"}
    retrieve = partial(client.threads.retrieve, mine[0].id, user="ana")
    assert awaited(client, retrieve).id == mine[0].id
    deletion = awaited(client, partial(client.threads.delete, mine[0].id, user="ana"))
    assert (deletion.id, deletion.deleted) == (mine[0].id, True)
    with pytest.raises(NotFoundError):
        awaited(client, retrieve)


def test_message_in_doubt_can_be_resumed(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    """The error of a self-hosted run advises these calls."""
    client = make_client(server_url=sim.server_url, max_retries=0, **SELF_HOSTED)
    sim.survives_hang_up = True
    sim.fail_next("threads.create", status=None, taken=True)
    with pytest.raises(APIError, match=r"client\.threads\.list\(user='ana'\)") as caught:
        client.run_workflow(ATHLETE, user="ana")
    session = caught.value.session
    assert session is not None
    (thread,) = all_of(client, client.threads.list(user=session.user))
    message = Message(session_id=session.id, thread_id=thread.id)
    assert client.poll_response(session, after=message).thread_id == thread.id
    assert sim.runs == 1


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 101}, {"order": "up"}])
def test_invalid_page_argument_is_named(
    make_client: MakeClient, sim: ChatKitSimulator, wrong: dict[str, Any]
) -> None:
    client = make_client(protocol="threads")
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        all_of(client, client.threads.list(**wrong))
    assert not sim.requests
