"""An input with the previous program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram
from tests.support.samples import ATHLETE, inputs, programs

from .compared import program

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_input_with_previous_program_equals_the_example() -> None:
    text = (EXAMPLES / "athlete_evolution.json").read_text("utf-8")
    expected = json.loads(text)
    plan = expected["context"].pop("previous_training_plan")
    before = EDN360Input.model_validate(expected)
    previous = EnrichedTrainingProgram.model_validate(plan["plan_data"])
    now = before.with_previous_program(
        previous, created_at=plan["created_at"], source=plan["source"]
    )
    assert json.loads(now.to_json_text()) == json.loads(text)
    assert json.loads(before.to_json_text()) == expected


def test_input_without_request_type_becomes_an_evolution() -> None:
    previous = program(["Squat"])
    without = EDN360Input.model_validate({k: v for k, v in ATHLETE.items() if k != "context"})
    data = json.loads(without.with_previous_program(previous).to_json_text())
    assert data["context"] == {
        "request_type": "evolution",
        "previous_training_plan": {"plan_data": previous.model_dump(exclude_unset=True)},
    }
    athlete_input = EDN360Input.model_validate(ATHLETE).with_previous_program(previous)
    assert athlete_input.context is not None
    assert athlete_input.context.request_type == "initial"


@settings(deadline=None)
@given(inputs, programs)
def test_previous_program_keeps_other_input(
    input_data: dict[str, Any], data: dict[str, Any]
) -> None:
    before = EDN360Input.model_validate(input_data)
    previous = EnrichedTrainingProgram.model_validate(data)
    now = json.loads(before.with_previous_program(previous, source="db").to_json_text())
    assert now["context"].pop("previous_training_plan") == {"plan_data": data, "source": "db"}
    context = {**(input_data.get("context") or {})}
    context.pop("previous_training_plan", None)
    if context.get("request_type") is None:
        context["request_type"] = "evolution"
    assert now == {**input_data, "context": context}
    assert json.loads(before.to_json_text()) == input_data
