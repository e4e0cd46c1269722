"""Mappings in place of models: accepted, or refused with the path of each fault."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram, InvalidInputError
from tests.support.samples import ATHLETE, PROGRAM, cases

from .compared import program


def test_mappings_are_accepted_as_models() -> None:
    old = program([{"name": "Squat", "series": 3, "more": {"kept": 1}}])
    new = program([{"name": "Barbell squat", "series": 4}])
    before = old.model_dump(mode="json", exclude_unset=True)
    assert new.diff(MappingProxyType(before)) == new.diff(old)
    athlete_input = EDN360Input.model_validate(ATHLETE)
    assert [finding.code for finding in new.check(against=ATHLETE)] == [
        finding.code for finding in new.check(against=athlete_input)
    ]
    assert "days_not_as_asked" in {finding.code for finding in new.check(against=ATHLETE)}
    assert athlete_input.with_previous_program(before) == athlete_input.with_previous_program(old)


def test_invalid_mapping_is_reported_with_its_fields() -> None:
    new = program(["Squat"])
    athlete_input = EDN360Input.model_validate(ATHLETE)
    secret = {"user_profile": {"user_id": 5, "name": "secreta"}}
    with pytest.raises(InvalidInputError) as caught:
        new.check(against=secret)
    paths = [fault["path"] for fault in caught.value.errors]
    assert paths == ["user_profile.user_id", "questionnaires"]
    assert "secreta" not in str(caught.value)
    for call in (new.diff, athlete_input.with_previous_program):
        with pytest.raises(InvalidInputError, match="not a str"):
            call("a text")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "case",
    [case for case in cases("programs") if case["want"] == "invalid"],
    ids=lambda case: case["why"],
)
def test_only_wrong_skeleton_is_invalid(case: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EnrichedTrainingProgram.model_validate(case["program"])
    with pytest.raises(InvalidInputError):
        EDN360Input.model_validate(ATHLETE).with_previous_program(case["program"])


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ({}, "sessions"),
        ({"sessions": None}, "sessions"),
        ({"sessions": {"D1": {}}}, "sessions"),
        ({"sessions": ["D1"]}, "sessions.0"),
        ({"sessions": [{"blocks": "none"}]}, "sessions.0.blocks"),
        ({"sessions": [{"blocks": [None]}]}, "sessions.0.blocks.0"),
        ({"sessions": [{"blocks": [{"exercises": {}}]}]}, "sessions.0.blocks.0.exercises"),
        ({"sessions": [{"blocks": [{"exercises": [[]]}]}]}, "sessions.0.blocks.0.exercises.0"),
    ],
)
def test_error_names_path_of_invalid_skeleton(program: dict[str, Any], path: str) -> None:
    data = {"title": "secreto", **program}
    athlete_input = EDN360Input.model_validate(ATHLETE)
    valid = EnrichedTrainingProgram.model_validate(PROGRAM)
    for call in (valid.diff, athlete_input.with_previous_program):
        with pytest.raises(InvalidInputError) as caught:
            call(data)
        assert [error["path"] for error in caught.value.errors] == [path]
        assert "secreto" not in local_variables(caught.value)


def local_variables(error: BaseException | None) -> str:
    """The local variables of our frames, in the tracebacks of an exception and its causes."""
    texts: list[str] = []
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            if "edn360_chatkit" in trace.tb_frame.f_code.co_filename:
                texts += map(repr, trace.tb_frame.f_locals.values())
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return " ".join(texts)


def test_invalid_input_leaves_frames_without_data() -> None:
    athlete = {"user_profile": {"user_id": 5, "name": "secreto"}}
    with pytest.raises(InvalidInputError) as caught:
        EnrichedTrainingProgram.model_validate(PROGRAM).check(athlete)
    assert "secreto" not in local_variables(caught.value)
    half = {**ATHLETE, "context": {"note": "secreto", "bad": float("nan")}}
    with pytest.raises(ValueError, match=r"context\.bad") as failed:
        EDN360Input.model_validate(half).to_json_text()
    assert "secreto" not in local_variables(failed.value)
