"""Run a workflow: a function of an athlete's data, or an export of Agent Builder."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import to_jsonable_python

from .._json import is_object, whole_characters
from ..errors import ConfigurationError
from ..program.model import ROOT_KEY
from ._exports import as_export
from ._state import IncompleteAnswerError, RunState, current_run, json_text

Run: TypeAlias = Callable[[dict[str, Any]], Awaitable[object]]
"""An async function of an athlete's data that returns the program."""

MAX_REASON_LENGTH = 500
"""The length of an exception's text in an answer, in characters."""
JSON_START = re.compile(r"""(?m)\A\s*(?={)|^[ \t]*(?=[\[{]\s*(?:["{]|\Z))""")
"""The blanks before a line that starts with JSON."""
DECODER = json.JSONDecoder(strict=False)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """The result of a run.

    Attributes:
        text: The answer, its first part, or an error as JSON.
        earlier_text: A complete text that a model wrote before the error.
        failure: The reason why ``text`` is only the first part of the answer.
    """

    text: str = field(repr=False)
    earlier_text: str = field(default="", repr=False)
    failure: str = field(default="", repr=False)


def as_run(workflow: Callable[..., Any]) -> Run:
    """Make an async function of an athlete's data from a workflow of any kind.

    Raises:
        ConfigurationError: The workflow is a generator, so it returns no program.
    """
    if inspect.isasyncgenfunction(workflow) or inspect.isgeneratorfunction(workflow):
        raise ConfigurationError(
            "The workflow is a generator. It must return the program; to report a step, "
            "call report_progress(...)."
        )
    call_method = getattr(workflow, "__call__", None)  # noqa: B004 - of an object with __call__
    is_async = inspect.iscoroutinefunction(workflow) or inspect.iscoroutinefunction(call_method)
    call = workflow if is_async else _in_thread(workflow)

    async def run(argument: object) -> object:
        result = await call(argument)
        return await result if inspect.isawaitable(result) else result

    return as_export(workflow, run) or run


def _in_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Call a sync function in a daemon thread, because the process must not wait for it."""

    async def call(argument: object) -> Any:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        context = copy_context()

        def work() -> None:
            try:
                future.set_result(context.run(function, argument))
            except StopIteration:  # asyncio does not allow it in a future
                future.set_exception(RuntimeError("The workflow raised StopIteration."))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, name="workflow", daemon=True).start()
        return await asyncio.wrap_future(future)

    return call


async def execute(run: Run, text: str, timeout: float) -> AsyncIterator[str | Answer]:
    """Run a workflow with the text of a message. Yield its progress, and then its answer.

    An exception of the workflow is an answer, too.
    """
    loop = asyncio.get_running_loop()
    reports: asyncio.Queue[str | None] = asyncio.Queue()

    def report(progress: str | None) -> None:
        loop.call_soon_threadsafe(reports.put_nowait, progress)  # from any thread

    state = RunState(report)
    task = asyncio.create_task(_answer(run, text, state))
    task.add_done_callback(lambda _: report(None))
    timer = loop.call_later(timeout, report, None)
    try:
        yield "Running the workflow"
        while (progress := await reports.get()) is not None:
            yield progress
        if task.done():
            yield task.result()
        else:
            yield _failure(f"The workflow took longer than {timeout:g} s.", state.text)
    finally:
        timer.cancel()
        task.cancel()  # without waiting: a workflow may ignore its cancellation


async def _answer(run: Run, text: str, state: RunState) -> Answer:
    current_run.set(state)
    try:
        edn360_input = json.loads(text)
        if not is_object(edn360_input):
            raise ValueError("The message is no JSON object with an athlete's data.")
        return Answer(_answer_text(await run(edn360_input)))
    except BaseException as error:  # a KeyboardInterrupt would end the server
        # Its text and the values in its frames are not logged: they hold the athlete's data.
        trace = "".join(traceback.format_tb(error.__traceback__))
        logger.error("The workflow failed with %s.\n%s", type(error).__qualname__, trace.rstrip())
        part = error.text if isinstance(error, IncompleteAnswerError) else state.text
        return _failure(_reason(error), part)


def _reason(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}".rstrip(": ")[:MAX_REASON_LENGTH]
    except Exception:  # an exception may have no text
        return type(error).__name__


def _failure(reason: str, part: str) -> Answer:
    part, reason = whole_characters(part), whole_characters(reason)
    if _is_truncated(part):
        return Answer(part, failure=reason)
    return Answer(error_text(reason), earlier_text=part.strip())


def _is_truncated(text: str) -> bool:
    """Whether JSON in a text has no end. It may be in a fence, or after prose."""
    position = 0
    while start := JSON_START.search(text, position):
        try:
            _, position = DECODER.raw_decode(text, start.end())
        except (ValueError, RecursionError):
            return True
    return False


def _answer_text(result: object) -> str:
    if result is None:
        raise TypeError("The workflow returned nothing. It must return the program.")
    if isinstance(result, str):
        return whole_characters(result)  # the client reads and repairs a model's text
    # A date or a NaN must not lose a paid answer, so every value becomes plain JSON.
    answer: object = to_jsonable_python(result, fallback=str, inf_nan_mode="null")
    if is_object(answer) and ROOT_KEY not in answer and answer.get("error") is None:
        answer = {ROOT_KEY: answer}
    return json_text(answer)


def error_text(reason: str) -> str:
    """An error in the form that the client reads."""
    return json_text({"error": {"message": reason}})
