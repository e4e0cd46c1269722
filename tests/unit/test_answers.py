"""The table of answers: what each text that a model writes is taken for."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edn360_chatkit._protocol.answers import (
    Failure,
    InvalidProgram,
    Program,
    Prose,
    Step,
    Truncated,
    read_answer,
)
from edn360_chatkit.program.model import ROOT_KEY

from .samples import ANSWER, PROGRAM, json_objects, programs, texts


def program_of(text: str) -> dict[str, Any]:
    answer = read_answer(text)
    assert isinstance(answer, Program), answer
    return answer.program.model_dump(mode="json", exclude_unset=True)


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        f"\ufeff{ANSWER}\n",
        f"```json\n{ANSWER}\n```",
        f"```\n{ANSWER}```",
        f"Here it is:\n{ANSWER}\nGood luck!",
        f'Say "hello, {{name}}" and {{}} then: {ANSWER} or {{"so on',
        f'{{"note": "first an example"}} {ANSWER}',
        f'He wrote {{"A: and then {ANSWER}',
        json.dumps({"version": 1, ROOT_KEY: PROGRAM, "error": "none to speak of"}),
        f"[{ANSWER}]",
    ],
    ids=[
        "alone",
        "byte order mark",
        "fence",
        "fence without a language",
        "prose around",
        "braces in the prose",
        "another object before",
        "an odd quote before",
        "other root keys",
        "in a list",
    ],
)
def test_a_program_is_found(text: str) -> None:
    assert program_of(text) == PROGRAM


def test_of_two_programs_the_last_one_that_validates_counts() -> None:
    draft = json.dumps({ROOT_KEY: {**PROGRAM, "title": "Draft"}})
    broken = json.dumps({ROOT_KEY: {"title": "Broken"}})
    assert program_of(f"{draft}\n{ANSWER}\n{broken}") == PROGRAM


def test_line_breaks_inside_strings_do_not_lose_a_program() -> None:
    assert (
        program_of(ANSWER.replace("Fuerza básica", "Fuerza\nbásica"))["title"] == "Fuerza\nbásica"
    )


def test_half_a_character_costs_one_character_and_not_the_program() -> None:
    assert program_of(ANSWER.replace("Fuerza", "\\ud83d")) == {**PROGRAM, "title": "� básica"}


def test_a_program_that_does_not_validate_names_each_field() -> None:
    broken = {"sessions": [{"blocks": [{"exercises": ["one", {"order": "one"}]}]}, 5], "weeks": "4"}
    answer = read_answer(json.dumps({ROOT_KEY: broken}))
    assert isinstance(answer, InvalidProgram)
    assert {fault["path"] for fault in answer.errors} == {
        "sessions.0.blocks.0.exercises.0",
        "sessions.1",
    }


@pytest.mark.parametrize("value", [None, "text", 5, []])
def test_a_root_key_without_an_object_is_an_invalid_program(value: Any) -> None:
    assert isinstance(read_answer(json.dumps({ROOT_KEY: value})), InvalidProgram)


@pytest.mark.parametrize(
    ("error", "description"),
    [
        ("It broke.", "It broke"),
        ({"message": "It\n broke", "code": "x"}, "It broke"),
        ({"code": "no_tokens"}, "no_tokens"),
        ({"why": "é"}, '{"why": "é"}'),
        ([1], "[1]"),
        ("x" * 1000, "x" * 300 + "…"),
    ],
)
def test_an_error_without_a_program_is_a_failure(error: Any, description: str) -> None:
    assert read_answer(json.dumps({"error": error})) == Failure(description)


@pytest.mark.parametrize("nothing", [None, "", False, {}, []])
def test_an_empty_error_is_no_failure(nothing: Any) -> None:
    assert read_answer(json.dumps({"error": nothing, "profile": {}})) == Step(("error", "profile"))


def test_another_object_is_a_step_with_its_root_keys() -> None:
    assert read_answer('{"profile": {"a": 1}, "notes": []}') == Step(("profile", "notes"))
    assert read_answer('Done: {"profile": 1}.') == Step(("profile",))
    assert read_answer(json.dumps({"output": {ROOT_KEY: PROGRAM}})) == Step(("output",))


@pytest.mark.parametrize("text", ["", "Thinking…", "[1, 2]", '"text"', "12", "{ }{it}", "{'a': 1}"])
def test_text_without_an_object_is_prose(text: str) -> None:
    assert read_answer(text) == Prose()


def test_an_empty_object_is_a_step() -> None:
    assert read_answer("{}") == Step(())


@given(program=programs, before=st.sampled_from(["", "```json\n", "Here: "]), cut=st.data())
def test_json_that_stops_in_the_middle_is_truncated(
    program: dict[str, Any], before: str, cut: st.DataObject
) -> None:
    text = json.dumps({ROOT_KEY: program}, ensure_ascii=False)
    end = cut.draw(st.integers(1, len(text) - 1))
    assert read_answer(before + text[:end]) == Truncated()


@pytest.mark.parametrize(
    "before", ['Athlete: {"height": 5\'11"}\n', '{"note": "use the 6" band"} and then ']
)
def test_broken_json_before_a_program_does_not_hide_it(before: str) -> None:
    assert program_of(before + ANSWER) == PROGRAM


def test_a_root_key_that_is_null_beside_an_error_is_a_failure() -> None:
    assert read_answer(json.dumps({ROOT_KEY: None, "error": "no"})) == Failure("no")


def test_a_cut_in_the_last_brace_is_a_cut() -> None:
    assert read_answer(ANSWER[:-1]) == Truncated()


def test_a_fence_that_is_closed_after_the_cut_is_still_truncated() -> None:
    assert read_answer(f"```json\n{ANSWER[:40]}\n```") == Truncated()


def test_a_whole_object_before_the_cut_does_not_hide_it() -> None:
    assert read_answer(f'{{"profile": 1}}\n{ANSWER[:-3]}') == Truncated()


@given(programs)
def test_a_program_comes_out_as_it_came_in(program: dict[str, Any]) -> None:
    assert program_of(json.dumps({ROOT_KEY: program})) == program


# Prose that has no quote between braces: such a text can be JSON itself.
prose = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"'), max_size=60)


@given(program=programs, before=prose, after=texts)
def test_prose_around_a_program_does_not_hide_it(
    program: dict[str, Any], before: str, after: str
) -> None:
    text = before + json.dumps({ROOT_KEY: program}) + after
    if not before.rstrip().endswith("{"):
        assert program_of(text) == program


@given(st.text() | st.text('{}[]":,\\ a1\n`', max_size=200))
def test_no_text_raises(text: str) -> None:
    read_answer(text)


@given(json_objects.filter(lambda item: ROOT_KEY not in item and not item.get("error")))
def test_every_other_object_is_a_step(item: dict[str, Any]) -> None:
    assert read_answer(json.dumps(item)) == Step(tuple(item))


HOSTILE = {
    "braces": "{",
    "brackets": "[",
    "quotes": '"',
    "closing braces": "}",
    "brace and quote": '{"',
    "nested objects": '{"a":',
    "nested lists": '{"a":[',
    "broken objects": '{"a":x',
    "open strings": '{"a":"\\"',
    "small objects": '{"a":1}x',
    "empty objects": "{}",
    "backslashes": "\\",
    "blanks": "{" + " " * 99,
    "root keys": f'"{ROOT_KEY}":{{',
    "root objects": f'{{"{ROOT_KEY}":{{}}}}',
    "nested roots": f'{{"{ROOT_KEY}":',
    "quoted roots": f'{{" "{ROOT_KEY}":{{" }}',
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_five_megabytes_of_brackets_or_quotes_take_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece)) + "}" * 2000
        started = time.process_time()
        read_answer(text)
        return time.process_time() - started

    small, large = seconds(500_000), seconds(5_000_000)
    # Ten times the text: linear time is ten times as long, quadratic a hundred times.
    assert large < max(0.5, 30 * small)
    assert large < 20


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 50_000 + "x" + "}" * 50_000,
        f'{{" "{ROOT_KEY}":{{" }}' * 20_000 + '"' + "}" * 20_002,
    ],
    ids=["a broken nest that closes", "roots that end behind their stretch"],
)
def test_broken_json_is_not_searched_again_from_each_of_its_braces(text: str) -> None:
    started = time.process_time()
    read_answer(text)
    # Linear, it is a twentieth of a second; quadratic, a minute.
    assert time.process_time() - started < 5
