"""Exports of Agent Builder, with the Agents SDK and a scripted model behind real HTTP.

``openai-agents`` comes with ``openai-chatkit``: by the extra ``server`` and by the group ``dev``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import wraps
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
    set_default_openai_client,
    set_tracing_disabled,
)
from agents.run import get_default_agent_runner, set_default_agent_runner
from openai import AsyncOpenAI, BadRequestError
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from edn360_chatkit import ChatKitClient, TruncatedResponseError, WorkflowFailedError
from edn360_chatkit.server._exports import StepRunner
from tests.contract.foreign.model import ScriptedModel, athlete, program_text
from tests.server import exported
from tests.server.conftest import Serve
from tests.support.own_server import ROOT_KEY, Server, answer, texts


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
PROGRESS = ["Running the workflow", "Read", "Plan", "Write"]


@pytest.fixture
def default_client(model: ScriptedModel) -> Iterator[AsyncOpenAI]:
    """The client of agents that name their model only, as in an export."""
    set_tracing_disabled(True)  # traces would go to OpenAI
    openai = AsyncOpenAI(base_url=model.url, api_key="sk-scripted")
    set_default_openai_client(openai)
    yield openai
    set_tracing_disabled(False)


def client(server: Server) -> ChatKitClient:
    url = f"http://127.0.0.1:{server.port}/chatkit"
    return ChatKitClient(server_url=url, poll_interval=0.01, max_attempts=2)


@pytest.mark.filterwarnings("ignore:The `json` method:DeprecationWarning")
@pytest.mark.parametrize(
    "run_workflow",
    [
        exported.run_workflow,
        exported.without_return,
        exported.with_end_node,
        exported.with_guardrail_passed,
        exported.with_streams,
        exported.with_other_input,
        exported.with_keys_of_input,
    ],
    ids=lambda function: function.__name__,
)
def test_export_gives_steps_and_program(
    serve: Serve, default_client: AsyncOpenAI, run_workflow: Any
) -> None:
    @wraps(run_workflow)
    async def workflow(workflow_input: Any) -> Any:
        async with default_client:  # in this server's event loop
            return await run_workflow(workflow_input)

    server = serve(workflow)
    data = athlete("steps", user="ana", tag="exported")
    with client(server) as one, one.stream_workflow(data) as run:
        progress = [event.text for event in run if event.type == "progress"]
        response = run.get_response()
    assert response.program.title == "exported"
    assert response.program.sessions[0].blocks[0].exercises[0].name == "Squat"
    assert not response.repaired
    assert progress == PROGRESS


@pytest.mark.parametrize(
    ("run_workflow", "says"),
    [
        (exported.with_guardrail_refused, "guardrail of the export refused: moderation, jailbreak"),
        (exported.with_old_guardrail_refused, "guardrail of the export refused: Jailbreak"),
        (exported.with_approval_refused, "returned its input"),
        (exported.with_input_itself, "returned its input"),
    ],
    ids=["guardrail", "old guardrail", "approval", "input"],
)
def test_export_without_answer_says_why(serve: Serve, run_workflow: Any, says: str) -> None:
    server = serve(run_workflow)
    with client(server) as one, pytest.raises(WorkflowFailedError, match=says):
        one.run_workflow(athlete("plain", user="ana"))


def test_handoff_is_progress(serve: Serve, model: ScriptedModel) -> None:
    async def run_workflow(workflow_input: exported.WorkflowInput) -> Any:
        openai = AsyncOpenAI(base_url=model.url, api_key="sk-scripted")
        writer: Agent[Any] = Agent(name="Writer", model=OpenAIResponsesModel("agent-0", openai))
        desk: Agent[Any] = Agent(name="Desk", model=HandsOff(), handoffs=[writer])
        async with openai:
            result = await Runner.run(desk, workflow_input.input_as_text, run_config=UNTRACED)
        return {"output_text": result.final_output_as(str)}

    events = serve(run_workflow).run(athlete("plain", user="ana", tag="handed over"))
    progress = [event["text"] for event in events if event["type"] == "progress_update"]
    assert progress == ["Running the workflow", "Desk", "Writer"]
    assert answer(events)[ROOT_KEY]["title"] == "handed over"


def one_agent(model: ScriptedModel, **options: Any) -> Any:
    """An export with one agent."""
    openai = AsyncOpenAI(base_url=model.url, api_key="sk-scripted")
    agent: Agent[Any] = Agent(name="A", model=OpenAIResponsesModel("agent-0", openai), **options)

    async def run_workflow(workflow_input: exported.WorkflowInput) -> Any:
        async with openai:
            result = await Runner.run(agent, workflow_input.input_as_text, run_config=UNTRACED)
            return {"output_text": result.final_output_as(str)}

    return run_workflow


def test_incomplete_response_is_truncated(serve: Serve, model: ScriptedModel) -> None:
    server = serve(one_agent(model))
    with client(server) as one, pytest.raises(TruncatedResponseError) as caught:
        one.run_workflow(athlete("cut short", user="ana", tag="half"))
    whole = program_text("half")
    assert caught.value.text == whole[: len(whole) // 2]


@output_guardrail
async def refuse(context: Any, agent: Agent[Any], output: str) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)


def test_guardrail_takes_the_text_back(serve: Serve, model: ScriptedModel) -> None:
    server = serve(one_agent(model, output_guardrails=[refuse]))
    with client(server) as one, pytest.raises(WorkflowFailedError, match="Guardrail") as caught:
        one.run_workflow(athlete("plain", user="ana"))
    assert caught.value.message is not None
    assert len(texts(server.items(caught.value.message.thread_id or ""))) == 1


class HandsOff(Model):
    """A model that hands over to the agent Writer."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError

    async def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        call = ResponseFunctionToolCall(
            type="function_call", call_id="call_1", name="transfer_to_writer", arguments="{}"
        )
        response = Response(
            id="resp_1",
            created_at=0,
            model="scripted",
            object="response",
            output=[call],
            parallel_tool_calls=False,
            tool_choice="auto",
            tools=[],
        )
        yield ResponseCompletedEvent(
            type="response.completed", sequence_number=0, response=response
        )


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
    async def run_workflow(workflow_input: exported.WorkflowInput) -> Any:
        agent: Agent[Any] = Agent(name="A", model=NoStream())
        result = await Runner.run(agent, workflow_input.input_as_text, run_config=UNTRACED)
        return {"output_text": result.final_output}

    assert answer(serve(run_workflow).run({})) == {"weeks": 4}


def test_other_bad_request_is_not_retried(serve: Serve) -> None:
    async def run_workflow(workflow_input: exported.WorkflowInput) -> Any:
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
