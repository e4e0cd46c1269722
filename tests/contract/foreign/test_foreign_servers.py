"""ChatKit servers of other authors serve our client. Each test runs with each server.

The servers differ in their ids, the order of their lists, the time when they store an item, and
the effect of a closed connection.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import anyio
import pytest

from edn360_chatkit import AsyncChatKitClient, Message, TruncatedResponseError, WorkflowError
from tests.contract.foreign.conftest import ForeignServer
from tests.contract.foreign.model import CLOSING, STEPS, athlete
from tests.contract.foreign.relay import Cut

numbers = count(1)


@pytest.fixture
def user() -> str:
    """A new user, who has no threads."""
    return f"athlete-{next(numbers)}"


def test_plain_program_is_returned(server: ForeignServer, user: str) -> None:
    response = server.make_client().run_workflow(athlete("plain", user=user, tag="plain"))
    assert response.program.title == "plain"
    assert server.model.runs[user] == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_run_survives_cut_stream(server: ForeignServer, user: str, backend: str) -> None:
    server.relay.cut_next(Cut(after=1500))

    async def run() -> str | None:
        options: dict[str, Any] = {"poll_interval": 0.1, "max_attempts": 50}
        async with AsyncChatKitClient(server_url=server.url, **options) as client:
            data = athlete("closing", user=user, tag="async", pause=0.02)
            return (await client.run_workflow(data)).program.title

    assert anyio.run(run, backend=backend) == "async"
    assert server.model.runs[user] == 1


def test_steps_before_program_are_events(server: ForeignServer, user: str) -> None:
    with server.make_client().stream_workflow(athlete("steps", user=user)) as run:
        steps = [event.text for event in run if event.type == "step"]
        assert run.get_response().program.title == "run"
    assert [json.loads(step) for step in steps] == [json.loads(step) for step in STEPS]


def test_closing_words_do_not_hide_program(server: ForeignServer, user: str) -> None:
    data = athlete("closing", user=user, tag="closing")
    client = server.make_client()
    session = client.create_session(user)
    message = client.send_message(session, data)
    live = client.poll_response(session, after=message)
    later = server.make_client().poll_response(session, after=message)
    assert (live.program.title, later.program.title) == ("closing", "closing")
    assert CLOSING not in live.text


def test_lost_response_starts_one_run(server: ForeignServer, user: str) -> None:
    server.relay.cut_next(Cut(after=0))
    response = server.make_client().run_workflow(athlete("steps", user=user, tag="lost"))
    assert response.program.title == "lost"
    assert server.model.runs[user] == 1


@pytest.mark.parametrize("after", [300, 1500])
def test_cut_stream_is_continued(server: ForeignServer, user: str, after: int) -> None:
    server.relay.cut_next(Cut(after))
    data = athlete("closing", user=user, tag="cut", pause=0.02)
    assert server.make_client().run_workflow(data).program.title == "cut"
    assert server.model.runs[user] == 1


def test_run_cancelled_by_server_is_not_repeated(server: ForeignServer, user: str) -> None:
    server.relay.cut_next(Cut(after=700, server_notices=True))
    data = athlete("steps", user=user, pause=0.05)
    try:
        program = server.make_client(max_attempts=10).run_workflow(data).program
    except WorkflowError:
        pass
    else:
        assert program.title == "run"  # this server finishes a run without its client
    assert server.model.runs[user] == 1


def test_ten_concurrent_runs_get_own_programs(server: ForeignServer, user: str) -> None:
    """Two users have five runs each."""
    client = server.make_client()
    tags = [f"{user}-{number % 2}-{number}" for number in range(10)]

    def run(tag: str) -> str | None:
        data = athlete("closing", user=tag.rpartition("-")[0], tag=tag)
        return client.run_workflow(data).program.title

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(run, tags)) == tags
    assert [server.model.runs[f"{user}-{number}"] for number in (0, 1)] == [5, 5]


def test_stored_message_resumes_run(server: ForeignServer, user: str) -> None:
    server.relay.cut_next(Cut(after=500))
    first = server.make_client()
    session = first.create_session(user)
    message = first.send_message(session, athlete("steps", user=user, tag="later", pause=0.02))
    first.close()
    stored = Message.model_validate_json(message.model_dump_json())
    response = server.make_client().poll_response(session, after=stored)
    assert response.program.title == "later"
    assert server.model.runs[user] == 1


def test_second_message_gets_its_own_program(server: ForeignServer, user: str) -> None:
    client = server.make_client()
    session = client.create_session(user)
    first = client.send_message(session, athlete("closing", user=user, tag="first"))
    assert client.poll_response(session, after=first).program.title == "first"
    second = client.send_message(session, athlete("closing", user=user, tag="second"))
    assert client.poll_response(session, after=second).program.title == "second"
    later = server.make_client()
    assert later.poll_response(session, after=first).program.title == "first"
    assert later.poll_response(session, after=second).program.title == "second"


def test_half_program_raises_truncated_error(server: ForeignServer, user: str) -> None:
    with pytest.raises(TruncatedResponseError) as caught:
        server.make_client(max_attempts=5).run_workflow(athlete("cut short", user=user))
    assert caught.value.text
