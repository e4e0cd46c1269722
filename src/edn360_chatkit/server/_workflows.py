"""Run a workflow: any function of an athlete's data, or an export of Agent Builder."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from .._json import as_object, is_object, parse, whole_characters
from ..program.model import ROOT_KEY
from ._exports import install
from ._state import IncompleteAnswerError, RunState, current_run, report_progress

Run: TypeAlias = Callable[[dict[str, Any]], Awaitable[object]]
"""A workflow: an athlete's data in, the program out."""

INPUT_FIELD = "input_as_text"
"""The field in which an export of Agent Builder takes the message."""
LONGEST_REASON = 500
"""The length of an exception's text in an answer, in characters."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """The end of a run.

    Attributes:
        text: The answer, a part of it, or an error as JSON.
        earlier: A whole text that a model wrote before an error.
        failure: Why ``text`` is only a part of the answer.
    """

    text: str = field(repr=False)
    earlier: str = field(default="", repr=False)
    failure: str = field(default="", repr=False)


def as_run(workflow: Callable[..., Any]) -> Run:
    """Make a run of a function of an athlete's data: async, sync, or an export."""
    export_input = _export_input(workflow)
    if export_input is not None:
        install()
    call = workflow if _is_async(workflow) else _in_thread(workflow)

    async def run(edn360_input: dict[str, Any]) -> object:
        argument: object = edn360_input
        if export_input is not None:
            argument = export_input(**{INPUT_FIELD: _json_text(edn360_input)})
        result = await call(argument)
        if inspect.isawaitable(result):  # of a sync function around an async one
            result = await result
        return result if export_input is None else _export_result(result)

    return run


def _is_async(workflow: Callable[..., Any]) -> bool:
    method = getattr(workflow, "__call__", None)  # noqa: B004 - of an object with __call__
    return inspect.iscoroutinefunction(workflow) or inspect.iscoroutinefunction(method)


def _export_input(workflow: Callable[..., Any]) -> type[BaseModel] | None:
    """The model that an export takes: its parameter's type, with the field ``input_as_text``."""
    try:
        parameters = inspect.signature(workflow, eval_str=True).parameters.values()
    except (NameError, TypeError, ValueError):
        return None
    for parameter in list(parameters)[:1]:
        model = parameter.annotation
        if inspect.isclass(model) and issubclass(model, BaseModel):
            return model if INPUT_FIELD in model.model_fields else None
    return None


def _export_result(result: object) -> object:
    """The last agent's output, also of an export that ends without a ``return``."""
    state = current_run.get()
    if result is None and state is not None:
        return state.result
    fields = as_object(result)
    parsed = fields.get("output_parsed")
    return fields.get("output_text", result) if parsed is None else parsed


def _in_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Call a sync function in a daemon thread, which the process does not wait for at its exit."""

    async def call(argument: object) -> Any:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        context = copy_context()

        def work() -> None:
            try:
                future.set_result(context.run(function, argument))
            except StopIteration:  # a future can't hold it
                future.set_exception(RuntimeError("The workflow raised StopIteration."))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, name="workflow", daemon=True).start()
        return await asyncio.wrap_future(future)

    return call


async def execute(run: Run, text: str, report: Callable[[str], None], timeout: float) -> Answer:
    """Run a workflow with the text of a message. It never raises for the workflow."""
    state = RunState(report)
    current_run.set(state)
    report_progress("Running the workflow")
    try:
        with anyio.move_on_after(timeout) as scope:
            edn360_input = json.loads(text)
            if not is_object(edn360_input):
                raise ValueError("The message is no JSON object with an athlete's data.")
            return Answer(_answer_text(await run(edn360_input)))
        assert scope.cancelled_caught
        return _failure(f"The workflow took longer than {timeout:g} s.", state.text)
    except BaseException as error:  # a KeyboardInterrupt would end the server
        # Neither its text nor the values in its frames are logged: they hold the athlete's data.
        trace = "".join(traceback.format_tb(error.__traceback__))
        logger.error("The workflow failed with %s.\n%s", type(error).__qualname__, trace.rstrip())
        reason = f"{type(error).__name__}: {error}".rstrip(": ")[:LONGEST_REASON]
        part = error.text if isinstance(error, IncompleteAnswerError) else state.text
        return _failure(reason, part)


def _failure(reason: str, part: str) -> Answer:
    part, reason = whole_characters(part), whole_characters(reason)
    if part.lstrip().startswith("{") and not _is_json(part):
        return Answer(part, failure=reason)
    return Answer(error_text(reason), earlier=part)


def _answer_text(result: object) -> str:
    if result is None:
        raise TypeError("The workflow returned nothing. End it with a return.")
    if isinstance(result, str):
        return whole_characters(result)  # the client reads and repairs a model's text
    # A date or a NaN must not lose a paid answer: everything becomes plain JSON.
    answer: object = to_jsonable_python(result, fallback=str, inf_nan_mode="null")
    if is_object(answer) and ROOT_KEY not in answer and "error" not in answer:
        answer = {ROOT_KEY: answer}
    return _json_text(answer)


def error_text(reason: str) -> str:
    """An error in the form that the client reads."""
    return _json_text({"error": {"message": reason}})


def _json_text(data: object) -> str:
    return whole_characters(json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def _is_json(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
