"""Reading inputs and programs from text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edn360_chatkit import InvalidInputError
from edn360_chatkit.reading import read_input, read_input_or_program, read_program

INPUT = {"user_profile": {"user_id": "athlete-1"}, "questionnaires": [{"source": "initial"}]}
PROGRAM: dict[str, Any] = {"title": "Base", "sessions": []}
SECRET = "sprained-ankle"


def test_input_and_program_are_distinguished() -> None:
    assert read_input_or_program(json.dumps(INPUT)) == read_input(json.dumps(INPUT))
    assert read_input_or_program(json.dumps(PROGRAM)) == read_program(json.dumps(PROGRAM))
    answer = {"client_training_program_enriched": PROGRAM}
    assert read_input_or_program(json.dumps(answer)) == read_program(json.dumps(PROGRAM))


def test_program_is_read_from_prose() -> None:
    answer = json.dumps({"client_training_program_enriched": PROGRAM})
    assert read_program(f"Here it is:\n```json\n{answer}\n```").title == "Base"


@pytest.mark.parametrize("read", [read_input, read_program, read_input_or_program])
@pytest.mark.parametrize(
    "text",
    [
        f'{{"{SECRET}": ',
        f'["{SECRET}"]',
        json.dumps({"user_profile": {"name": SECRET}, "questionnaires": []}),
        json.dumps({"client_training_program_enriched": {"sessions": SECRET}}),
        json.dumps({"profile": SECRET}),
    ],
)
def test_error_has_no_part_of_text(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(text)
    error: BaseException = caught.value
    assert SECRET not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    traceback = error.__traceback__
    assert traceback is not None
    while traceback := traceback.tb_next:
        assert SECRET not in repr(traceback.tb_frame.f_locals)


def test_error_names_each_field_at_fault() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_input('{"user_profile": {"name": 7}, "questionnaires": []}')
    paths = [fault["path"] for fault in caught.value.errors]
    assert paths == ["user_profile.user_id", "user_profile.name", "questionnaires"]
