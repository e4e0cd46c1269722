"""Typical code of users. mypy and pyright check its types, and it never runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import httpx
from typing_extensions import assert_type

from edn360_chatkit import (
    APIStatusError,
    AsyncChatKitClient,
    BatchResult,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    EDN360Input,
    EnrichedTrainingProgram,
    Finding,
    InvalidInputError,
    Message,
    MessageSentEvent,
    MissingProgramError,
    NoticeEvent,
    ProgramDiff,
    ProgramValidationError,
    ProgressEvent,
    Questionnaire,
    Range,
    RateLimitError,
    RawEvent,
    ResponseEvent,
    RunReference,
    RunStatus,
    SessionCreatedEvent,
    StepEvent,
    TaskEvent,
    TextDeltaEvent,
    Thread,
    ThreadItem,
    UserProfile,
    WaitingEvent,
    WorkflowError,
    WorkflowEvent,
    WorkflowResponse,
    WorkflowTimeoutError,
)
from edn360_chatkit.testing import ChatKitSimulator


def one_call(data: dict[str, Any]) -> None:
    with ChatKitClient() as client:
        response = client.run_workflow(data)
        assert_type(response, WorkflowResponse)
        assert_type(response.program, EnrichedTrainingProgram)
        assert_type(response.program.weeks, int | None)
        assert_type(response.attempts, int)
        for session in response.program.sessions:
            for block in session.blocks:
                for exercise in block.exercises:
                    assert_type(exercise.name, str | None)
                    assert_type(exercise.series, int | float | str | None)


def every_setting() -> ChatKitClient:
    return ChatKitClient(
        api_key="sk-...",
        workflow_id="wf_...",
        base_url="https://api.openai.com/v1/chatkit",
        server_url=None,
        protocol="messages",
        headers={"X-Service": "coach"},
        timeout=httpx.Timeout(10.0, read=60.0),
        max_retries=2,
        poll_interval=1.0,
        max_attempts=200,
        http_client=httpx.Client(proxy="http://localhost:3128"),
    )


def three_calls(client: ChatKitClient, path: Path) -> Message:
    session = client.create_session(
        "athlete-1",
        version="3",
        state_variables={"language": "es", "beta": True, "days": 4},
        tracing=False,
        expires_after=1800,
        max_requests_per_minute=60,
        chatkit_configuration={"history": {"enabled": False}},
    )
    assert_type(session, ChatSession)
    assert_type(session.client_secret, str | None)
    message = client.send_message(session, EDN360Input.model_validate_json(path.read_text()))
    client.send_message(session.id, json.loads(path.read_text()))
    client.send_message(session, "a text")
    client.poll_response(session, after=message)
    client.poll_response(session.id, after=message.id, max_attempts=5, poll_interval=0.5)
    client.poll_response("cksess_1", answer="first", on_event=print)
    return message


def built_by_hand() -> EDN360Input:
    return EDN360Input(
        user_profile=UserProfile(user_id="athlete-1", age=30),
        questionnaires=[Questionnaire(source="initial", payload={"days_per_week": 4})],
    )


def watch(event: WorkflowEvent) -> str:
    match event:
        case SessionCreatedEvent(session=session):
            return session.id
        case MessageSentEvent():
            return str(event.message.id)
        case WaitingEvent(attempt=attempt, elapsed=elapsed):
            return f"{attempt} {elapsed:.0f} s"
        case StepEvent(keys=keys):
            return ", ".join(keys)
        case ResponseEvent(response=response):
            return response.program.title or ""
        case _:
            return event.type


def stream(client: ChatKitClient, edn360_input: EDN360Input) -> WorkflowResponse:
    with client.stream_workflow(edn360_input) as run:
        for event in run:
            assert_type(event, WorkflowEvent)
            watch(event)
        return run.get_response()


async def the_same_awaited(data: dict[str, Any]) -> WorkflowResponse:
    async def listen(event: WorkflowEvent) -> None:
        watch(event)

    async with AsyncChatKitClient(http_client=httpx.AsyncClient()) as client:
        session = await client.create_session("athlete-1")
        assert_type(session, ChatSession)
        message = await client.send_message(session, data)
        assert_type(message, Message)
        await client.poll_response(session, after=message, on_event=listen)
        await client.run_workflow(data, user="athlete-2", on_event=watch)
        async with client.stream_workflow(data) as run:
            async for event in run:
                assert_type(event, WorkflowEvent)
            response = await run.get_response()
            assert_type(response, WorkflowResponse)
            return response


def start(client: ChatKitClient, edn360_input: EDN360Input, path: Path) -> None:
    run = client.start_workflow(edn360_input, user="athlete-1", deadline=60.0)
    assert_type(run, RunReference)
    path.write_text(str(run))


def take_up(client: ChatKitClient, path: Path) -> WorkflowResponse | None:
    run = RunReference.model_validate_json(path.read_text())
    status = client.retrieve_run(run)
    assert_type(status, RunStatus)
    assert_type(status.state, Literal["running", "done", "failed"])
    assert_type(status.steps, tuple[str, ...])
    assert_type(status.error, WorkflowError | None)
    with client.stream_response(path.read_text(), max_attempts=100) as stream:
        for event in stream:
            assert_type(event, WorkflowEvent)
            if isinstance(event, MessageSentEvent):
                assert_type((event.run, event.message), tuple[RunReference, Message])
    if status.state == "done":
        return status.response
    return client.poll_response(path.read_text(), poll_interval=1.0)


async def start_and_take_up_awaited(client: AsyncChatKitClient, data: dict[str, Any]) -> None:
    run = await client.start_workflow(data)
    assert_type(run, RunReference)
    assert_type(await client.retrieve_run(str(run)), RunStatus)
    assert_type(await client.poll_response(run), WorkflowResponse)
    async with client.stream_response(run) as stream:
        async for event in stream:
            assert_type(event, WorkflowEvent)


def errors(client: ChatKitClient, data: dict[str, Any]) -> object:
    try:
        return client.run_workflow(data)
    except InvalidInputError as error:
        return [(fault["path"], fault["msg"]) for fault in error.errors]
    except WorkflowTimeoutError as error:
        assert_type(client.poll_response(error.session, after=error.message), WorkflowResponse)
        return client.poll_response(error.run)
    except ProgramValidationError as error:
        return [fault["loc"] for fault in error.errors]
    except MissingProgramError as error:
        assert_type(error.keys, tuple[str, ...])
    except WorkflowError as error:
        assert_type(error.text, str | None)
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except APIStatusError as error:
        assert_type(error.status_code, int)
        assert_type(error.request_id, str | None)
    except ChatKitError as error:
        return str(error)
    return None


def self_hosted(data: dict[str, Any], token: str) -> None:
    with ChatKitClient(
        server_url="https://chat.example.com/chatkit",
        headers=lambda: {"Authorization": f"Bearer {token}"},
    ) as client:
        response = client.run_workflow(data)
        assert_type(response.thread_id, str | None)


def watch_a_thread(event: WorkflowEvent) -> str:
    if isinstance(event, ProgressEvent):
        return f"{event.icon} {event.text}"
    if isinstance(event, TaskEvent):
        return str(event.task.get("title"))
    if isinstance(event, TextDeltaEvent):
        return event.delta
    if isinstance(event, NoticeEvent):
        return event.message
    if isinstance(event, RawEvent):
        return str(event.data["type"])
    return event.type


def endpoints(client: ChatKitClient) -> None:
    assert_type(client.sessions.cancel("cksess_1"), ChatSession)
    for thread in client.threads.list(user="athlete-1", limit=50, order="asc"):
        assert_type(thread, Thread)
        for item in client.threads.items(thread.id):
            assert_type(item, ThreadItem)
    assert_type(client.threads.retrieve("cthr_1"), Thread)
    assert_type(client.threads.delete("cthr_1").deleted, bool)


async def endpoints_awaited(client: AsyncChatKitClient) -> None:
    assert_type(await client.sessions.cancel("cksess_1"), ChatSession)
    async for thread in client.threads.list():
        assert_type(thread, Thread)
    async for item in client.threads.items("cthr_1"):
        assert_type(item, ThreadItem)


def in_a_test() -> None:
    with ChatKitSimulator(answer="truncated", steps=True, delay=0.5) as sim:
        ChatKitClient(api_key=sim.api_key, base_url=sim.base_url, workflow_id="wf_demo").close()
        sim.fail_next("send_message", status=503, taken=True)
        assert_type(sim.requests[0].method, str)


def what_a_coach_asks(
    program: EnrichedTrainingProgram, previous: EnrichedTrainingProgram, data: EDN360Input
) -> None:
    for session, block, exercise in program.exercises():
        assert_type(session.id, str | None)
        assert_type(block.id, str | None)
        assert_type(exercise.sets, float | None)
        assert_type(exercise.reps_range, Range | None)
        assert_type(exercise.seconds_range, Range | None)
        if exercise.rpe_range:
            assert_type(exercise.rpe_range.low, float)
    assert_type(program.weekly_sets(), float)
    assert_type(program.weekly_sets_by_muscle(), dict[str, float])
    assert_type(program.estimated_session_minutes(), list[float])
    findings: list[Finding] = program.check()
    assert_type(findings[0].path + program.check().to_html(lang="en"), str)
    for finding in program.check(against=data):
        assert_type(finding.severity, Literal["error", "warning", "info"])
        assert_type(finding.message(lang="en"), str)
    diff = program.diff(previous)
    assert_type(diff, ProgramDiff)
    if diff:
        for muscle, before, now in diff.weekly_sets:
            assert_type((muscle, before, now), tuple[str, float, float])
        for place in (*diff.added, *diff.removed):
            assert_type(place.exercise.name, str | None)
        for change in (*diff.replaced, *diff.moved, *diff.changed):
            assert_type((change.old.path, change.new.number), tuple[str, int])
            assert_type([field for field, _, _ in change.fields], list[str])
        assert_type(diff.to_text(lang="en") + diff.to_html(), str)
    assert_type(program.to_records(), list[dict[str, str | int | float | None]])
    assert_type(data.with_previous_program(program, source="edn360"), EDN360Input)
    data.with_previous_program(program, created_at="2026-01-05T09:00:00Z")
    mapping: dict[str, Any] = {}
    findings = program.check(mapping)
    assert_type(program.diff(mapping), ProgramDiff)
    assert_type(data.with_previous_program(mapping), EDN360Input)
    program.diff("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(EDN360Input.model_json_schema(), dict[str, Any])


def many_athletes(athletes: list[EDN360Input]) -> None:
    with ChatKitClient(poll_interval="adaptive") as client:
        with client.run_many(
            athletes, max_concurrency=20, rate=300, journal=Path("runs.db")
        ) as batch:
            for result in batch:
                assert_type(result, BatchResult)
                assert_type(result.response, WorkflowResponse | None)
                assert_type(result.error, ChatKitError | None)
                assert_type(result.run, RunReference | None)
        keyed = ((str(number), athlete.model_dump()) for number, athlete in enumerate(athletes))
        list(client.run_many(keyed, ordered=True, retry_failed=True, poll_interval=2.0))
        client.run_many(athletes, concurrency=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def many_athletes_in_tasks(athletes: AsyncIterator[EDN360Input]) -> list[str]:
    async with AsyncChatKitClient() as client:
        return [result.key async for result in client.run_many(athletes, journal="runs.db")]


def what_an_athlete_sees(program: EnrichedTrainingProgram) -> None:
    assert_type(program.to_html(full_page=True, lang="en"), str)
    assert_type(program.to_markdown(), str)
    assert_type(program.to_text(lang="es"), str)
    program.to_html(lang="fr")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
