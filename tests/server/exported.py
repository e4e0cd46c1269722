"""Workflows in the shape of Agent Builder's Python exports; see docs/self-hosting.md.

The shapes are those of exports that people have published: agents at the level of the module, an
agent with a context, ``trace``, trace metadata, a conversation, results as dicts, and the ends of
each kind of node. The models are those of ``tests/contract/foreign/model.py``.
"""

from typing import Any

from agents import (
    Agent,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    TResponseInputItem,
    trace,
)
from pydantic import BaseModel


class ReadSchema__Profile(BaseModel):  # noqa: N801 - Agent Builder's names
    age: float


class ReadSchema(BaseModel):
    profile: ReadSchema__Profile


class WriteSchema__Exercise(BaseModel):  # noqa: N801
    order: float
    name: str
    reps: str


class WriteSchema__Block(BaseModel):  # noqa: N801
    id: str
    exercises: list[WriteSchema__Exercise]


class WriteSchema__Session(BaseModel):  # noqa: N801
    id: str
    blocks: list[WriteSchema__Block]


class WriteSchema__Program(BaseModel):  # noqa: N801
    title: str
    weeks: float
    sessions: list[WriteSchema__Session]


class WriteSchema(BaseModel):
    client_training_program_enriched: WriteSchema__Program


class ReadContext:
    def __init__(self, state_language: str) -> None:
        self.state_language = state_language


def read_instructions(
    run_context: RunContextWrapper[ReadContext], _agent: Agent[ReadContext]
) -> str:
    return f"Read the questionnaires. Language: {run_context.context.state_language}"


read = Agent(
    name="Read",
    instructions=read_instructions,
    model="agent-0",
    output_type=ReadSchema,
    model_settings=ModelSettings(temperature=1, top_p=1, max_tokens=2048, store=True),
)
plan: Agent[Any] = Agent(name="Plan", instructions="Plan the weeks.", model="agent-1")
write: Agent[Any] = Agent(
    name="Write",
    instructions="Write the program.",
    model="agent-2",
    output_type=WriteSchema,
    model_settings=ModelSettings(store=True),
)


def approval_request(message: str) -> bool:
    return message == "Go on?"


class WorkflowInput(BaseModel):
    input_as_text: str


def conversation(text: str) -> list[TResponseInputItem]:
    return [{"role": "user", "content": [{"type": "input_text", "text": text}]}]


def run_config() -> RunConfig:
    metadata = {"__trace_source__": "agent-builder", "workflow_id": "wf_example"}
    return RunConfig(trace_metadata=metadata)


async def _three_agents(workflow_input: WorkflowInput) -> dict[str, Any]:
    state = {"language": "es"}
    workflow = workflow_input.model_dump()
    conversation_history = conversation(workflow["input_as_text"])
    read_result_temp = await Runner.run(
        read,
        input=[*conversation_history],
        run_config=run_config(),
        context=ReadContext(state_language=state["language"]),
    )
    conversation_history.extend([item.to_input_item() for item in read_result_temp.new_items])
    read_result = {
        "output_text": read_result_temp.final_output.json(),
        "output_parsed": read_result_temp.final_output.model_dump(),
    }
    assert read_result["output_parsed"]["profile"]["age"] == 30
    plan_result_temp = await Runner.run(
        plan, input=[*conversation_history], run_config=run_config()
    )
    conversation_history.extend([item.to_input_item() for item in plan_result_temp.new_items])
    assert "training_plan" in plan_result_temp.final_output_as(str)
    write_result_temp = await Runner.run(
        write, input=[*conversation_history], run_config=run_config()
    )
    return {
        "output_text": write_result_temp.final_output.json(),
        "output_parsed": write_result_temp.final_output.model_dump(),
    }


async def run_workflow(workflow_input: WorkflowInput) -> Any:
    with trace("Training"):
        return await _three_agents(workflow_input)


async def without_return(workflow_input: WorkflowInput) -> None:
    with trace("Training"):
        await _three_agents(workflow_input)


async def with_end_node(workflow_input: WorkflowInput) -> Any:
    write_result = await _three_agents(workflow_input)
    program = write_result["output_parsed"]["client_training_program_enriched"]
    end_result = {"client_training_program_enriched": program}
    return end_result  # noqa: RET504


async def with_guardrail_passed(workflow_input: WorkflowInput) -> Any:
    write_result = await _three_agents(workflow_input)
    return {"safe_text": write_result["output_text"]}


async def with_streams(workflow_input: WorkflowInput) -> Any:
    """Somebody has changed the export."""
    history = conversation(workflow_input.input_as_text)
    write_result = None
    for agent in (read, plan, write):
        write_result = Runner.run_streamed(agent, history, context=ReadContext("es"))
        async for _ in write_result.stream_events():
            pass
        history.extend([item.to_input_item() for item in write_result.new_items])
    return write_result and write_result.final_output


async def with_guardrail_refused(workflow_input: WorkflowInput) -> Any:
    guardrails_result = {
        "has_tripwire": True,
        "fail_output": {
            "pii": {"failed": False, "detected_counts": []},
            "moderation": {"failed": True, "flagged_categories": ["harassment"]},
            "jailbreak": {"failed": True},
        },
        "pass_output": {"safe_text": workflow_input.input_as_text},
    }
    guardrails_hastripwire = guardrails_result["has_tripwire"]
    return (guardrails_hastripwire and guardrails_result["fail_output"]) or guardrails_result[
        "pass_output"
    ]


async def with_old_guardrail_refused(workflow_input: WorkflowInput) -> Any:
    return {"failed": True, "failures": [{"guardrail_name": "Jailbreak", "flagged": True}]}


async def with_approval_refused(workflow_input: WorkflowInput) -> Any:
    workflow = workflow_input.model_dump()
    if approval_request("Stop?"):
        return await _three_agents(workflow_input)
    return workflow


async def with_input_itself(workflow_input: WorkflowInput) -> Any:
    return workflow_input


class TextInput(BaseModel):
    output_text: str


async def with_keys_of_input(workflow: TextInput) -> Any:
    write_result = await _three_agents(WorkflowInput(input_as_text=workflow.output_text))
    return {"output_text": write_result["output_text"]}


class OtherInput(BaseModel):
    """The input has a renamed field and a second field."""

    question: str
    language: str = "es"


async def with_other_input(workflow: OtherInput) -> Any:
    return await _three_agents(WorkflowInput(input_as_text=workflow.question))
