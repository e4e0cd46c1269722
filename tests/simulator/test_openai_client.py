"""OpenAI's own client calls the simulator, and validates each response by OpenAI's types."""

from __future__ import annotations

import json
from collections.abc import Callable

import anyio
import httpx
import openai
import pytest

from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE
from tests.support.samples import ATHLETE


@pytest.fixture
def openai_client(sim: ChatKitSimulator) -> openai.OpenAI:
    base_url = sim.base_url.removesuffix("/chatkit")
    return openai.OpenAI(
        api_key=sim.api_key, base_url=base_url, max_retries=0, _strict_response_validation=True
    )


StartThread = Callable[..., str]


@pytest.fixture
def start_thread(openai_client: openai.OpenAI, sim: ChatKitSimulator) -> StartThread:
    """Run the workflow in a new thread of a new session, and return the thread's id."""

    def start(user: str = "athlete-1", **message: str) -> str:
        session = openai_client.beta.chatkit.sessions.create(user=user, workflow={"id": "wf_demo"})
        response = httpx.post(
            f"{sim.base_url}/conversation",
            timeout=PATIENCE,
            headers={"Authorization": f"Bearer {session.client_secret}"},
            json={
                "type": "threads.create",
                "params": {
                    "input": {
                        "content": [{"type": "input_text", "text": json.dumps(ATHLETE)}],
                        "attachments": [],
                        "inference_options": {},
                        **message,
                    }
                },
            },
        )
        first = json.loads(response.text.partition("\n")[0].removeprefix("data: "))
        thread_id: str = first["thread"]["id"]
        return thread_id

    return start


def test_session_is_created_and_cancelled(
    openai_client: openai.OpenAI, sim: ChatKitSimulator
) -> None:
    with openai_client:
        session = openai_client.beta.chatkit.sessions.create(
            user="athlete-1",
            workflow={"id": "wf_demo", "state_variables": {"days": 4}},
            expires_after={"anchor": "created_at", "seconds": 1200},
            rate_limits={"max_requests_per_1_minute": 20},
            chatkit_configuration={"history": {"enabled": False}},
        )
        assert session.status == "active"
        assert session.workflow.state_variables == {"days": 4}
        assert session.max_requests_per_1_minute == 20
        assert session.chatkit_configuration.history.enabled is False
        assert session.id in sim.sessions
        assert openai_client.beta.chatkit.sessions.cancel(session.id).status == "cancelled"


def test_errors_have_classes_of_api(openai_client: openai.OpenAI) -> None:
    with openai_client:
        with pytest.raises(openai.NotFoundError, match="No workflow found with id 'nope'"):
            openai_client.beta.chatkit.sessions.create(user="u", workflow={"id": "nope"})
        with pytest.raises(openai.NotFoundError, match="Chatkit Session with id 'x' not found"):
            openai_client.beta.chatkit.sessions.cancel("x")
        with pytest.raises(openai.BadRequestError) as caught:
            openai_client.beta.chatkit.sessions.create(
                user="u", workflow={"id": "wf_demo"}, extra_body={"input": "x"}
            )
        wrong = openai_client.with_options(api_key="sk-wrong")
        with pytest.raises(openai.AuthenticationError):
            wrong.beta.chatkit.sessions.create(user="u", workflow={"id": "wf_demo"})
    assert (caught.value.param, caught.value.code) == ("input", "unknown_parameter")


def test_thread_is_retrieved_and_deleted(
    openai_client: openai.OpenAI, start_thread: StartThread
) -> None:
    with openai_client:
        thread_id = start_thread()
        threads = openai_client.beta.chatkit.threads
        thread = threads.retrieve(thread_id)
        assert (thread.id, thread.user, thread.status.type) == (thread_id, "athlete-1", "active")
        assert thread.title == "Simulated training program"
        deletion = threads.delete(thread_id)
        assert (deletion.id, deletion.deleted) == (thread_id, True)
        for call in (threads.retrieve, threads.delete, threads.list_items):
            with pytest.raises(openai.NotFoundError, match="Chatkit Thread with id"):
                call(thread_id)


def test_threads_are_listed_in_pages(
    openai_client: openai.OpenAI, sim: ChatKitSimulator, start_thread: StartThread
) -> None:
    with openai_client:
        ids = [start_thread() for _ in range(5)]
        other = start_thread("athlete-2")
        threads = openai_client.beta.chatkit.threads
        sim.requests.clear()
        listed_ids = [thread.id for thread in threads.list(user="athlete-1", limit=2)]
        assert listed_ids == ids[::-1]
        assert [request.query.get("after") for request in sim.requests] == [None, ids[3], ids[1]]
        assert [thread.id for thread in threads.list(limit=1, order="asc")] == [*ids, other]
        page = threads.list(user="athlete-1", limit=2, before=ids[0])
        assert ([thread.id for thread in page.data], page.has_more) == ([ids[2], ids[1]], True)


def test_items_of_every_kind_are_listed(
    openai_client: openai.OpenAI, sim: ChatKitSimulator, start_thread: StartThread
) -> None:
    sim.every_event, sim.end_of_turn, sim.steps = True, True, True
    with openai_client:
        thread_id = start_thread(quoted_text="As agreed.")
        pages = openai_client.beta.chatkit.threads.list_items(thread_id, limit=3, order="asc")
        items = list(pages)
    kinds = [item.type.removeprefix("chatkit.") for item in items]
    assert kinds == [
        "user_message",
        "task",
        "widget",
        "client_tool_call",
        *["task_group", "assistant_message"] * 4,
    ]
    assert {item.thread_id for item in items} == {thread_id}
    message, task, widget, call, group = items[:5]
    assert message.type == "chatkit.user_message"
    assert [part.type for part in message.content] == ["input_text", "quoted_text"]
    assert task.type == "chatkit.task"
    assert (task.task_type, task.heading) == ("thought", "A thought")
    assert widget.type == "chatkit.widget"
    assert json.loads(widget.widget)["type"] == "Card"
    assert call.type == "chatkit.client_tool_call"
    assert (call.status, call.arguments, call.output) == ("completed", '{"week":1}', '{"ok":true}')
    assert group.type == "chatkit.task_group"
    assert [entry.heading for entry in group.tasks] == ["Read the input", "Write a message"]
    answer = items[-1]
    assert answer.type == "chatkit.assistant_message"
    assert "client_training_program_enriched" in json.loads(answer.content[0].text)


def test_wrong_list_parameter_is_named(
    openai_client: openai.OpenAI, start_thread: StartThread
) -> None:
    with openai_client:
        thread_id = start_thread()
        with pytest.raises(openai.BadRequestError) as caught:
            openai_client.beta.chatkit.threads.list_items(
                thread_id, extra_query={"user": "athlete-1"}
            )
    assert (caught.value.param, caught.value.code) == ("user", "unknown_parameter")


def test_async_client_lists_threads_and_items(
    sim: ChatKitSimulator, openai_client: openai.OpenAI, start_thread: StartThread
) -> None:
    with openai_client:
        ids = [start_thread() for _ in range(3)]

    async def listed() -> list[str]:
        async with openai.AsyncOpenAI(
            api_key=sim.api_key,
            base_url=sim.base_url.removesuffix("/chatkit"),
            max_retries=0,
            _strict_response_validation=True,
        ) as client:
            listed_ids = [t.id async for t in client.beta.chatkit.threads.list(limit=2)]
            assert [
                item.type async for item in client.beta.chatkit.threads.list_items(ids[0], limit=1)
            ] == ["chatkit.assistant_message", "chatkit.task_group", "chatkit.user_message"]
            return listed_ids

    assert anyio.run(listed) == ids[::-1]
