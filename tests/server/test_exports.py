"""An export of Agent Builder over real HTTP, with the Agents SDK and a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    Model,
    ModelResponse,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    Usage,
    output_guardrail,
)
from agents.run import get_default_agent_runner, set_default_agent_runner
from openai import AsyncOpenAI, BadRequestError
from openai.types.responses import ResponseOutputMessage, ResponseOutputText
from pydantic import BaseModel

from edn360_chatkit import ChatKitClient, TruncatedResponseError, WorkflowFailedError
from edn360_chatkit.server._exports import StepRunner
from tests.contract.foreign.model import ScriptedModel, athlete, program_text
from tests.server.conftest import Serve
from tests.support.own_server import Server, answer, texts


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    model = ScriptedModel()
    yield model
    model.close()


@pytest.fixture(autouse=True)
def default_runner() -> Iterator[None]:
    yield
    set_default_agent_runner(None)


UNTRACED = RunConfig(tracing_disabled=True)


class WorkflowInput(BaseModel):
    input_as_text: str


class Export:
    """The code of Agent Builder around some agents."""

    def __init__(self, url: str, count: int = 1, returns: bool = True) -> None:
        self.client = AsyncOpenAI(base_url=url, api_key="sk-scripted")
        self.agents: list[Agent[Any]] = [
            Agent(
                name=f"Agent {number}", model=OpenAIResponsesModel(f"agent-{number}", self.client)
            )
            for number in range(count)
        ]
        self.returns = returns

    async def run_workflow(self, workflow_input: WorkflowInput) -> Any:
        async with self.client:
            workflow = workflow_input.model_dump()
            text = {"type": "input_text", "text": workflow["input_as_text"]}
            history: list[Any] = [{"role": "user", "content": [text]}]
            result = {}
            for agent in self.agents:
                temp = await Runner.run(agent, input=[*history], run_config=UNTRACED)
                history.extend([item.to_input_item() for item in temp.new_items])
                result = {"output_text": temp.final_output_as(str)}
            return result if self.returns else None


def client(server: Server) -> ChatKitClient:
    url = f"http://127.0.0.1:{server.port}/chatkit"
    return ChatKitClient(server_url=url, poll_interval=0.01, max_attempts=2)


@pytest.mark.parametrize("returns", [True, False], ids=["return", "no return"])
def test_agents_are_progress_and_last_output_is_answer(
    serve: Serve, model: ScriptedModel, returns: bool
) -> None:
    server = serve(Export(model.url, 3, returns).run_workflow)
    data = athlete("steps", user="ana", tag="exported")
    with client(server) as one, one.stream_workflow(data) as run:
        texts = [event.text for event in run if event.type == "progress"]
        response = run.get_response()
    assert response.text == program_text("exported")
    assert len(server.items(response.thread_id or "")) == 3
    assert texts == ["Running the workflow", "Agent 0", "Agent 1", "Agent 2"]


def test_incomplete_response_is_truncated(serve: Serve, model: ScriptedModel) -> None:
    server = serve(Export(model.url).run_workflow)
    with client(server) as one, pytest.raises(TruncatedResponseError) as caught:
        one.run_workflow(athlete("cut short", user="ana", tag="half"))
    whole = program_text("half")
    assert caught.value.text == whole[: len(whole) // 2]


@output_guardrail
async def refuse(context: Any, agent: Agent[Any], output: str) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)


def test_guardrail_takes_the_text_back(serve: Serve, model: ScriptedModel) -> None:
    export = Export(model.url)
    export.agents[0].output_guardrails = [refuse]
    server = serve(export.run_workflow)
    with client(server) as one, pytest.raises(WorkflowFailedError, match="Guardrail") as caught:
        one.run_workflow(athlete("plain", user="ana"))
    assert caught.value.message is not None
    assert len(texts(server.items(caught.value.message.thread_id or ""))) == 1


class NoStream(Model):
    """A model that refuses to stream, as for organizations that are not verified."""

    def __init__(self, param: str = "stream") -> None:
        self.param = param

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        text = ResponseOutputText(type="output_text", text='{"weeks":4}', annotations=[])
        message = ResponseOutputMessage(
            id="msg_1", role="assistant", status="completed", type="message", content=[text]
        )
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        response: Any = httpx.Response(400, request=httpx.Request("POST", "https://api.example"))
        body = {"message": "Your organization must be verified.", "param": self.param}
        raise BadRequestError("not verified", response=response, body=body)


def test_model_without_streams_is_called_without_stream(serve: Serve) -> None:
    async def run_workflow(workflow_input: WorkflowInput) -> Any:
        agent: Agent[Any] = Agent(name="A", model=NoStream())
        result = await Runner.run(agent, workflow_input.input_as_text, run_config=UNTRACED)
        return {"output_text": result.final_output}

    assert answer(serve(run_workflow).run({})) == {"weeks": 4}


def test_other_bad_request_is_not_retried(serve: Serve) -> None:
    async def run_workflow(workflow_input: WorkflowInput) -> Any:
        agent: Agent[Any] = Agent(name="A", model=NoStream("max_output_tokens"))
        await Runner.run(agent, workflow_input.input_as_text, run_config=UNTRACED)

    assert "BadRequestError" in answer(serve(run_workflow).run({}))["error"]["message"]


def test_sdk_runs_without_server_as_before() -> None:
    """Outside of a run, the replaced runner works like the SDK's runner."""
    set_default_agent_runner(StepRunner())
    assert isinstance(get_default_agent_runner(), StepRunner)
    agent: Agent[Any] = Agent(name="A", model=NoStream())
    result = asyncio.run(Runner.run(agent, "{}", run_config=UNTRACED))
    assert result.final_output == '{"weeks":4}'
