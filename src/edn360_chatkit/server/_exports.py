"""Exports of Agent Builder: their input, the progress of their agents, and their results.

An export calls ``Runner.run``. ``StepRunner`` replaces the SDK's default runner and uses a stream,
because only a stream has the text of an incomplete response. The SDK calls its runner experimental;
``tests/server/test_exports.py`` fails when it changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from agents import (
    Agent,
    AgentUpdatedStreamEvent,
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RawResponsesStreamEvent,
    RunResult,
    RunResultStreaming,
)
from agents.run import AgentRunner, set_default_agent_runner
from openai import BadRequestError
from openai.types.responses import ResponseCreatedEvent, ResponseTextDeltaEvent
from pydantic import BaseModel

from .._json import as_list, as_object
from ._state import RunState, current_run, json_text, report_progress

INPUT_FIELD = "input_as_text"
"""The field for the message in Agent Builder's code."""


class StepRunner(AgentRunner):
    """Reports each agent as progress, and stores its text and its result in the run's state."""

    async def run(  # type: ignore[override]  # an export can read both results
        self, starting_agent: Agent[Any], input: Any, **kwargs: Any
    ) -> RunResult | RunResultStreaming:
        state = current_run.get()
        if state is None:
            return await super().run(starting_agent, input, **kwargs)
        state.text = ""
        result: RunResult | RunResultStreaming
        try:
            result = await self._stream(state, starting_agent, input, kwargs)
        except (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered):
            state.text = ""  # the guardrail withdraws the text
            raise
        except BadRequestError as error:
            # Some models stream only to verified organizations. Then no agent has run yet.
            if error.param != "stream":
                raise
            result = await super().run(starting_agent, input, **kwargs)
        state.result = result.final_output
        return result

    async def _stream(
        self, state: RunState, agent: Agent[Any], input: Any, options: dict[str, Any]
    ) -> RunResultStreaming:
        result = self.run_streamed(agent, input, **options)
        async for event in result.stream_events():
            match event:
                case AgentUpdatedStreamEvent(new_agent=current) if current is not agent:
                    report_progress(current.name)  # after a handoff
                case RawResponsesStreamEvent(data=ResponseCreatedEvent()):
                    state.text = ""
                case RawResponsesStreamEvent(data=ResponseTextDeltaEvent(delta=delta)):
                    state.text += delta
                case _:
                    pass
        return result

    def run_streamed(
        self, starting_agent: Agent[Any], input: Any, **kwargs: Any
    ) -> RunResultStreaming:
        report_progress(starting_agent.name)
        return super().run_streamed(starting_agent, input, **kwargs)


def as_export(
    workflow: Callable[..., Any], run: Callable[[object], Awaitable[object]]
) -> Callable[[dict[str, Any]], Awaitable[object]] | None:
    """Make a run from an export, or return ``None`` for any other function.

    An export is recognised by its first parameter.
    """
    export_input = _export_input(workflow)
    if export_input is None:
        return None
    model, name = export_input
    set_default_agent_runner(StepRunner())

    async def run_export(edn360_input: dict[str, Any]) -> object:
        argument = model(**{name: json_text(edn360_input)})
        return _export_result(await run(argument), argument)

    return run_export


def _export_input(workflow: Callable[..., Any]) -> tuple[type[BaseModel], str] | None:
    """The model of an export's first parameter, and its field for the message."""
    try:
        first, *_ = inspect.signature(workflow, eval_str=True).parameters.values()
    except (NameError, TypeError, ValueError):  # a ValueError if there is no parameter
        return None
    model = first.annotation
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        return None
    fields = model.model_fields
    required = [name for name, field in fields.items() if field.is_required()]
    names = [INPUT_FIELD] if INPUT_FIELD in fields else required
    if len(names) == 1 and fields[names[0]].annotation is str:
        return model, names[0]
    return None


def _export_result(result: object, argument: BaseModel) -> object:
    """The result of an export, or its last agent's output if it returns ``None``."""
    state = current_run.get()
    if result is None and state is not None:
        return state.result
    fields = as_object(result)
    # Agent Builder's code returns the input if an approval is refused. An answer may have its keys.
    if result is argument or fields == argument.model_dump():
        return _error("The export returned its input: it ended before an agent wrote an answer.")
    if refusals := _refusals(fields):
        return _error(f"A guardrail of the export refused: {', '.join(refusals)}.")
    for name in ("output_parsed", "output_text", "safe_text"):
        if fields.get(name) is not None:
            return fields[name]
    return result


def _refusals(fields: dict[str, Any]) -> list[str]:
    """The names of the failed guardrails in the result of Agent Builder's guardrail node."""
    if fields.get("failed") is True:  # in exports of 2025
        failures = map(as_object, as_list(fields.get("failures")))
        return [str(failure.get("guardrail_name")) for failure in failures] or ["no name given"]
    return [name for name, check in fields.items() if as_object(check).get("failed") is True]


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}
