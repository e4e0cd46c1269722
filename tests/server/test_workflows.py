"""Workflows: sync functions, exports, limits, and answers that end early."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from edn360_chatkit import (
    ChatKitClient,
    ConfigurationError,
    TruncatedResponseError,
    WorkflowFailedError,
)
from edn360_chatkit.server import IncompleteAnswerError, build_app, report_progress
from tests.server.conftest import Serve
from tests.support.own_server import (
    ROOT_KEY,
    Gate,
    Server,
    answer,
    done,
    echo,
    texts,
    thread_of,
)
from tests.support.patience import PATIENCE, wait_for
from tests.support.samples import ATHLETE

CUT = '{"client_training_program_enriched": {"title": "Strong in sp'


class WorkflowInput(BaseModel):
    input_as_text: str


def client(server: Server) -> ChatKitClient:
    url = f"http://127.0.0.1:{server.port}/chatkit"
    return ChatKitClient(server_url=url, poll_interval=0.01, max_attempts=2)


def test_generator_is_refused(tmp_path: Path) -> None:
    async def run(edn360_input: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        yield edn360_input

    def run_sync(edn360_input: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield edn360_input

    for workflow in (run, run_sync):
        with pytest.raises(ConfigurationError, match="must return the program"):
            build_app(workflow, database=tmp_path / "threads.db")
    assert list(tmp_path.iterdir()) == []


def test_sync_functions_run_concurrently(serve: Serve) -> None:
    both = threading.Barrier(2, timeout=PATIENCE)

    def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
        report_progress("in a thread")
        both.wait()
        return {"title": "T"}

    server = serve(run)
    (first, _), (second, _) = streams = [server.begin(), server.begin()]
    for _, stream in streams:
        events = list(stream)
        assert "in a thread" in [event.get("text") for event in events]
        assert answer(events) == {ROOT_KEY: {"title": "T"}}
    assert first != second


def test_sync_function_may_return_awaitable(serve: Serve) -> None:
    assert ROOT_KEY in answer(serve(lambda edn360_input: echo(edn360_input)).run())


def test_sync_function_may_raise_stop_iteration(serve: Serve) -> None:
    error = answer(serve(lambda edn360_input: next(iter(()))).run())["error"]
    assert "StopIteration" in error["message"]


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ({"output_text": "{}", "output_parsed": {"title": "T"}}, {ROOT_KEY: {"title": "T"}}),
        ({"output_text": '{"text": 1}'}, {"text": 1}),
        ({"title": "T"}, {ROOT_KEY: {"title": "T"}}),
    ],
    ids=["parsed", "text", "program"],
)
def test_export_gets_text_and_is_unwrapped(serve: Serve, returned: Any, expected: Any) -> None:
    inputs: list[str] = []

    async def run_workflow(workflow_input: WorkflowInput) -> Any:
        inputs.append(workflow_input.input_as_text)
        return returned

    assert answer(serve(run_workflow).run({"name": "línea"})) == expected
    assert inputs == ['{"name":"línea"}']


def test_queued_run_says_so_and_waits(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, max_runs=1)
    _, first = server.begin()
    wait_for(gate.begun.is_set)
    streams = [server.begin()[1] for _ in range(2)]
    places = {next(event["text"] for event in stream if "text" in event) for stream in streams}
    assert places == {f"In the queue. Waiting runs ahead: {n}" for n in (0, 1)}
    assert gate.started == 1
    gate.opened.set()
    for stream in [first, *streams]:
        assert answer(list(stream))[ROOT_KEY]["title"] == "After the gate"


def test_run_timeout_ends_run(serve: Serve) -> None:
    cancelled = threading.Event()

    async def run(edn360_input: dict[str, Any]) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        cancelled.set()
        await asyncio.sleep(60)  # it ignores its cancellation

    server = serve(run, run_timeout=0.1)
    with client(server) as one, pytest.raises(WorkflowFailedError, match=r"longer than 0\.1 s"):
        one.run_workflow(ATHLETE)
    assert cancelled.wait(PATIENCE)


def test_exception_without_text_is_reported(serve: Serve) -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    async def run(edn360_input: dict[str, Any]) -> None:
        raise SilentError

    assert answer(serve(run).run()) == {"error": {"message": "SilentError"}}


@pytest.mark.parametrize(
    "before", ["", "```json\n", "Here it is:\n\n", '```json\n{"weeks": 4}\n```\n\n```json\n']
)
def test_half_an_answer_is_truncated(serve: Serve, before: str) -> None:
    text = before + CUT

    async def run(edn360_input: dict[str, Any]) -> None:
        raise IncompleteAnswerError(text, "max_output_tokens")

    with client(serve(run)) as one:
        with pytest.raises(TruncatedResponseError, match="max_output_tokens") as caught:
            one.run_workflow(ATHLETE)
        assert caught.value.text == text
        assert caught.value.session is not None
        with pytest.raises(TruncatedResponseError) as later:
            one.poll_response(caught.value.session, after=caught.value.message)
        assert later.value.text == text


def test_invalid_half_of_answer_is_stored(serve: Serve) -> None:
    part = '{"a":' + "[" * 100_000

    async def run(edn360_input: dict[str, Any]) -> None:
        raise IncompleteAnswerError(part, "half \ud83c")

    events = serve(run).run()
    assert texts(done(events)) == [part]
    assert events[-1]["message"] == "IncompleteAnswerError: half \ufffd"


@pytest.mark.parametrize("text", ['{"profile": 1}', '```json\n{"profile": 1}\n```'])
def test_complete_text_before_failure_is_stored(serve: Serve, text: str) -> None:
    async def run(edn360_input: dict[str, Any]) -> None:
        raise IncompleteAnswerError(text, "tool failed")

    server = serve(run)
    events = server.run()
    step, error = texts(done(events))
    assert step == text
    assert "tool failed" in error
    assert texts(server.items(thread_of(events))) == [step, error]


def test_failure_log_holds_no_data(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def run(edn360_input: dict[str, Any]) -> None:
        raise ValueError(f"bad name {edn360_input['user_profile']['name']}")

    with caplog.at_level(logging.DEBUG):
        events = serve(run).run({"user_profile": {"name": "Ana Athlete"}})
    assert "Ana Athlete" in answer(events)["error"]["message"]
    assert "ValueError" in caplog.text
    assert "Ana" not in caplog.text
