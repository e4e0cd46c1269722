"""The thread protocol against OpenAI's own ``ChatKitServer``: both shapes, sync and async."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from chatkit.errors import CustomStreamError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    CustomTask,
    NoticeEvent,
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    UserMessageItem,
    Workflow,
    WorkflowItem,
    WorkflowTaskAdded,
    WorkflowTaskUpdated,
)

from edn360_chatkit import (
    AsyncChatKitClient,
    ChatKitClient,
    InvalidResponseError,
    Message,
    MissingProgramError,
    ProgramValidationError,
    TruncatedResponseError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.program.model import ROOT_KEY
from tests.contract.conftest import Blocking
from tests.support.chatkit_server import ChatKitHost, Script, moment
from tests.support.samples import ANSWER, ATHLETE, PROGRAM

STEP = json.dumps({"profile": {"age": 30}})


@pytest.fixture(scope="module")
def one_host() -> Iterator[ChatKitHost]:
    host = ChatKitHost()
    yield host
    host.close()


@pytest.fixture
def host(one_host: ChatKitHost) -> ChatKitHost:
    one_host.reset()
    return one_host


@pytest.fixture(params=["hosted", "self-hosted"])
def shape(request: pytest.FixtureRequest) -> str:
    shape: str = request.param
    return shape


@pytest.fixture(params=["sync", "asyncio", "trio"])
def make(
    request: pytest.FixtureRequest,
    host: ChatKitHost,
    shape: str,
    portals: dict[str, BlockingPortal],
) -> Iterator[Any]:
    closers: list[Any] = []

    def make(**settings: Any) -> Any:
        options: dict[str, Any] = {"poll_interval": 0.01, "max_attempts": 20, **settings}
        if shape == "hosted":
            options |= {"api_key": host.api_key, "base_url": host.base_url}
            options |= {"workflow_id": "wf_demo", "protocol": options.get("protocol", "threads")}
        else:
            options |= {"server_url": host.server_url}
        if request.param == "sync":
            client = ChatKitClient(**options)
            closers.append(client.close)
            return client
        portal = portals[request.param]
        async_client = AsyncChatKitClient(**options)
        closers.append(lambda: portal.call(async_client.aclose))
        return Blocking(portal, async_client)

    yield make
    for close in closers:
        close()


# The clients share the code that reads answers.
sync_only = pytest.mark.parametrize("make", ["sync"], indirect=True)


@pytest.fixture
def client(make: Any) -> Any:
    return make()


def posts(*texts: str, delta: int = 0) -> Script:
    """A workflow that posts assistant messages, whole or in pieces."""

    async def script(thread: ThreadMetadata, _: UserMessageItem) -> AsyncIterator[Any]:
        for number, text in enumerate(texts):
            item = AssistantMessageItem(
                id=f"msg_{thread.id}_{number}",
                thread_id=thread.id,
                created_at=moment(),
                content=[AssistantMessageContent(text="")],
            )
            if delta:
                yield ThreadItemAddedEvent(item=item)
                for start in range(0, len(text), delta):
                    piece = text[start : start + delta]
                    update = AssistantMessageContentPartTextDelta(content_index=0, delta=piece)
                    yield ThreadItemUpdatedEvent(item_id=item.id, update=update)
            yield ThreadItemDoneEvent(
                item=item.model_copy(update={"content": [AssistantMessageContent(text=text)]})
            )

    return script


def test_run_lists_threads_before_sending(client: Any, host: ChatKitHost, shape: str) -> None:
    host.chatkit.script = posts(STEP, ANSWER)
    response = client.run_workflow(ATHLETE)
    assert response.program.model_dump(mode="json", exclude_unset=True) == PROGRAM
    assert response.thread_id in host.store.threads
    # The client lists the threads first, so that it can recognise its thread after a lost answer.
    expected = (
        ["threads.list", "threads.create"]
        if shape == "self-hosted"
        else ["POST /sessions", "GET /threads", "threads.create"]
    )
    assert host.requests == expected
    item = host.store.items[response.thread_id][0]
    assert isinstance(item, UserMessageItem)
    assert json.loads(getattr(item.content[0], "text", "")) == ATHLETE
    assert host.store.threads[response.thread_id][0] == "athlete-1"


def test_three_steps_share_one_stream(client: Any, host: ChatKitHost) -> None:
    host.chatkit.script = posts(STEP, ANSWER, delta=50)
    session = client.create_session("athlete-1")
    message = client.send_message(session, ATHLETE)
    assert message.thread_id in host.store.threads
    response = client.poll_response(session, after=message)
    assert (response.thread_id, response.attempts) == (message.thread_id, 1)
    again = client.send_message(session, ATHLETE)
    assert again.thread_id == message.thread_id
    assert client.poll_response(session, after=again).program.title == PROGRAM["title"]
    assert host.requests[-1] == "threads.add_user_message"
    assert host.chatkit.runs == 2


@sync_only
@pytest.mark.parametrize("rule", ["program", "first"])
@pytest.mark.parametrize(
    ("text", "cls"),
    [
        (json.dumps({ROOT_KEY: {"title": "t"}}), ProgramValidationError),
        ('{"error": {"message": "no tokens"}}', WorkflowFailedError),
        (ANSWER[:-5], TruncatedResponseError),
        (STEP, MissingProgramError),
        ("Sorry.", InvalidResponseError),
        (None, WorkflowTimeoutError),
    ],
)
def test_answer_without_program_raises_its_error(
    client: Any, host: ChatKitHost, text: str | None, cls: type[Any], rule: str
) -> None:
    host.chatkit.script = posts(*([] if text is None else [text]))
    with pytest.raises(cls) as caught:
        client.run_workflow(ATHLETE, answer=rule)
    assert type(caught.value) is cls
    assert caught.value.text == text
    assert caught.value.message.thread_id in host.store.threads
    assert host.chatkit.runs == 1


def test_end_without_an_answer_names_the_call(client: Any, host: ChatKitHost) -> None:
    host.chatkit.script = posts()
    with pytest.raises(WorkflowTimeoutError) as caught:
        client.run_workflow(ATHLETE)
    awaited = not isinstance(client, ChatKitClient)
    assert ("with await client.poll_response(" in str(caught.value)) is awaited


@sync_only
@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "Here: {} Enjoy!"])
def test_wrapped_program_is_delivered(client: Any, host: ChatKitHost, wrap: str) -> None:
    host.chatkit.script = posts(STEP, wrap.replace("{}", ANSWER), "That was all.")
    assert client.run_workflow(ATHLETE).program.title == PROGRAM["title"]


STRANGE = {
    **PROGRAM,
    "summary": "line\u2028paragraph\u2029next\u0085 \U0001f3cb\ufe0f \x0b\x0c\x1c é",
}


def test_deltas_of_one_character_are_joined(client: Any, host: ChatKitHost) -> None:
    host.keep_alive = True
    host.chatkit.script = posts(json.dumps({ROOT_KEY: STRANGE}, ensure_ascii=False), delta=1)
    response = client.run_workflow(ATHLETE)
    assert response.program.model_dump(mode="json", exclude_unset=True) == STRANGE


def test_answer_of_two_megabytes_is_delivered(client: Any, host: ChatKitHost) -> None:
    big = {**PROGRAM, "summary": "é" * 1_000_000}
    host.chatkit.script = posts(json.dumps({ROOT_KEY: big}, ensure_ascii=False), delta=10_000)
    assert client.run_workflow(ATHLETE).program.summary == big["summary"]


def test_events_arrive_in_order(client: Any, host: ChatKitHost) -> None:
    async def script(thread: ThreadMetadata, user: UserMessageItem) -> AsyncIterator[Any]:
        yield ProgressUpdateEvent(text="Reading", icon="search")
        tasks = WorkflowItem(
            id="wf_item",
            thread_id=thread.id,
            created_at=moment(),
            workflow=Workflow(type="custom", tasks=[CustomTask(title="One")]),
        )
        yield ThreadItemAddedEvent(item=tasks)
        task = CustomTask(title="Two", status_indicator="loading")
        yield ThreadItemUpdatedEvent(
            item_id="wf_item", update=WorkflowTaskAdded(task_index=1, task=task)
        )
        done = task.model_copy(update={"status_indicator": "complete"})
        yield ThreadItemUpdatedEvent(
            item_id="wf_item", update=WorkflowTaskUpdated(task_index=1, task=done)
        )
        yield NoticeEvent(level="warning", message="Slow today", title="Note")
        async for event in posts(STEP, ANSWER, delta=100)(thread, user):
            yield event

    host.chatkit.script = script
    with client.stream_workflow(ATHLETE) as run:
        events = list(run)
        response = run.get_response()
    kinds = [event.type for event in events]
    first_seen = dict.fromkeys(kinds)
    first_seen.pop("raw", None)
    assert list(first_seen) == [
        "session.created",
        "message.sent",
        "progress",
        "task.added",
        "task.updated",
        "notice",
        "text.delta",
        "step",
        "response",
    ]
    assert [e.task["title"] for e in events if e.type == "task.added"] == ["One", "Two"]
    assert next(e for e in events if e.type == "progress").text == "Reading"
    assert [e.keys for e in events if e.type == "step"] == [("profile",)]
    deltas = "".join(e.delta for e in events if e.type == "text.delta")
    assert deltas == STEP + ANSWER == STEP + response.text


@pytest.mark.parametrize("allow", [True, False])
def test_error_event_ends_run(client: Any, host: ChatKitHost, allow: bool) -> None:
    async def script(thread: ThreadMetadata, user: UserMessageItem) -> AsyncIterator[Any]:
        async for event in posts(STEP)(thread, user):
            yield event
        raise CustomStreamError("no capacity", allow_retry=allow)

    host.chatkit.script = script
    with pytest.raises(WorkflowFailedError, match="no capacity") as caught:
        client.run_workflow(ATHLETE)
    assert (caught.value.allow_retry, caught.value.text) == (allow, STEP)
    assert host.chatkit.runs == 1


def test_another_client_resumes_run(make: Any, host: ChatKitHost) -> None:
    host.chatkit.script = posts(STEP, ANSWER)
    first = make()
    session = first.create_session("athlete-1")
    message = first.send_message(session, ATHLETE)
    first.poll_response(session, after=message)
    stored = Message.model_validate_json(message.model_dump_json())
    assert make().poll_response(session, after=stored).program.title == PROGRAM["title"]
    assert host.chatkit.runs == 1


def test_client_works_after_early_break(client: Any, host: ChatKitHost) -> None:
    host.chatkit.script = posts(STEP, ANSWER, delta=1)
    with client.stream_workflow(ATHLETE) as run:
        for event in run:
            if event.type == "text.delta":
                break
    assert client.run_workflow(ATHLETE).program.title == PROGRAM["title"]


def whole_stream(host: ChatKitHost, client: Any) -> int:
    client.run_workflow(ATHLETE)
    return len(host.stream_bytes)


@pytest.mark.parametrize("every", [311, pytest.param(61, marks=pytest.mark.slow)])
def test_broken_stream_keeps_single_run(make: Any, host: ChatKitHost, every: int) -> None:
    script = posts(STEP, ANSWER, delta=60)
    host.chatkit.script = script
    size = whole_stream(host, make())
    # The async clients share the reader, so fewer cuts suffice.
    distance = every if isinstance(make(), ChatKitClient) else every * 5
    for cut in [*range(0, size, distance), size - 1]:
        host.reset()
        host.chatkit.script = script
        host.cut_at = cut
        fresh = {**ATHLETE, "user_profile": {"user_id": f"athlete-{cut}"}}
        response = make().run_workflow(fresh)
        assert response.text == ANSWER, cut
        assert host.chatkit.runs == 1, cut


def test_auto_tries_session_messages_once(make: Any, host: ChatKitHost, shape: str) -> None:
    host.chatkit.script = posts(ANSWER)
    client = make(protocol="auto")
    for _ in range(2):
        assert client.run_workflow(ATHLETE).program.title == PROGRAM["title"]
    refused = [request for request in host.requests if request.endswith("/messages")]
    assert len(refused) == (1 if shape == "hosted" else 0)


def test_headers_function_is_called_each_request(make: Any, host: ChatKitHost, shape: str) -> None:
    tokens = iter(["one", "two", "three", "four"])
    host.chatkit.script = posts(ANSWER)
    client = make(headers=lambda: {"X-Token": next(tokens)}, max_retries=0)
    if shape == "self-hosted":
        for _ in range(2):
            client.run_workflow(ATHLETE)
    else:
        client.run_workflow(ATHLETE)
    assert [h["x-token"] for h in host.headers] == (
        ["one", "two", "three", "four"] if shape == "self-hosted" else ["three"]
    )


def test_program_arrives_with_last_byte(client: Any, host: ChatKitHost) -> None:
    """Without another request, which would come after a pause."""
    host.chatkit.script = posts(STEP, ANSWER, delta=50)
    client.run_workflow(ATHLETE)
    assert host.requests[-1] == "threads.create"
