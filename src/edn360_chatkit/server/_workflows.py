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

from .._json import as_object, is_object, whole_characters
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
        text: The answer, an error as JSON, or the part of the answer that was written.
        earlier: What was written before an error, if it is a whole text.
        failure: Why ``text`` is only a part.
    """

    text: str = field(repr=False)
    earlier: str = field(default="", repr=False)
    failure: str = field(default="", repr=False)


def as_run(workflow: Callable[..., Any]) -> Run:
    """Make a run of a function of an athlete's data: async, sync, or an export."""
    make_input = _export_input(workflow)
    if make_input is not None:
        install()
    call = workflow if _is_async(workflow) else _in_thread(workflow)

    async def run(edn360_input: dict[str, Any]) -> object:
        if make_input is None:
            returned = await call(edn360_input)
        else:
            returned = await call(make_input(**{INPUT_FIELD: _json_text(edn360_input)}))
        if inspect.isawaitable(returned):  # of a sync function around an async one
            returned = await returned
        return returned if make_input is None else _export_result(returned)

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


def _export_result(returned: object) -> object:
    """The last agent's output, also of an export that ends without a ``return``."""
    state = current_run.get()
    if returned is None and state is not None:
        return state.result
    fields = as_object(returned)
    parsed = fields.get("output_parsed")
    return fields.get("output_text", returned) if parsed is None else parsed


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
        return _failure(f"The workflow took longer than {timeout:g} s.", state.written)
    except (Exception, asyncio.CancelledError, SystemExit) as error:
        # Neither its text nor the values in its frames are logged: they hold the athlete's data.
        trace = "".join(traceback.format_tb(error.__traceback__))
        logger.error("The workflow failed with %s.\n%s", type(error).__qualname__, trace.rstrip())
        reason = f"{type(error).__name__}: {error}".rstrip(": ")[:LONGEST_REASON]
        written = error.text if isinstance(error, IncompleteAnswerError) else state.written
        return _failure(reason, written)


def _failure(reason: str, written: str) -> Answer:
    if written.lstrip().startswith("{") and not _is_json(written):
        return Answer(whole_characters(written), failure=reason)
    return Answer(error_text(reason), earlier=whole_characters(written))


def _answer_text(returned: object) -> str:
    if returned is None:
        raise TypeError("The workflow returned nothing. End it with a return.")
    if isinstance(returned, str):
        return whole_characters(returned)  # the client reads what a model has written
    # A paid answer is not lost to a date or a NaN in it: all of it becomes plain JSON.
    answer: object = to_jsonable_python(returned, fallback=str, inf_nan_mode="null")
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
        json.loads(text)
    except ValueError:
        return False
    return True
