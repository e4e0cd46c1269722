"""The Agents SDK in an export of Agent Builder: its agents as steps, and what they have written.

An export calls ``Runner.run``. ``install`` replaces the SDK's default runner by one that streams:
only a stream has the text of a response that ends incomplete. The SDK calls its runner
experimental; ``tests/server/test_exports.py`` fails when it changes.
"""

from __future__ import annotations

from typing import Any

from agents import (
    Agent,
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RunResult,
    RunResultStreaming,
)
from agents.run import AgentRunner, set_default_agent_runner
from openai import BadRequestError

from ._state import RunState, current_run, report_progress


class StepRunner(AgentRunner):
    """Reports each agent as progress, and keeps its text and its result in the run's state."""

    async def run(  # type: ignore[override]  # a streamed result has what an export reads
        self, starting_agent: Agent[Any], input: Any, **kwargs: Any
    ) -> RunResult | RunResultStreaming:
        state = current_run.get()
        if state is None:
            return await super().run(starting_agent, input, **kwargs)
        report_progress(starting_agent.name)
        state.text = ""
        try:
            result: RunResult | RunResultStreaming
            result = await self._stream(state, starting_agent, input, kwargs)
        except (InputGuardrailTripwireTriggered, OutputGuardrailTripwireTriggered):
            state.text = ""  # a guardrail takes the text back
            raise
        except BadRequestError as error:
            # Some models stream only to verified organizations; nothing has run then.
            if error.param != "stream":
                raise
            result = await super().run(starting_agent, input, **kwargs)
        state.result = result.final_output
        return result

    async def _stream(
        self, state: RunState, agent: Agent[Any], input: Any, options: dict[str, Any]
    ) -> RunResultStreaming:
        result = super().run_streamed(agent, input, **options)
        async for event in result.stream_events():
            if event.type != "raw_response_event":
                continue
            if event.data.type == "response.created":
                state.text = ""
            elif event.data.type == "response.output_text.delta":
                state.text += event.data.delta
        return result


def install() -> None:
    """Make it the runner of ``Runner.run`` in this process."""
    set_default_agent_runner(StepRunner())
