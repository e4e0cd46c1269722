"""How the texts of models are classified: program, step, failure, prose, or cut off."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
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
from tests.support.samples import ANSWER, PROGRAM, json_objects, programs, texts


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
def test_program_in_text_is_read(text: str) -> None:
    assert program_of(text) == PROGRAM


def program_text(**changes: Any) -> str:
    return json.dumps({ROOT_KEY: {**PROGRAM, **changes}}, ensure_ascii=False)


def test_last_of_two_programs_counts() -> None:
    assert program_of(f"{program_text(title='Draft')}\n{ANSWER}") == PROGRAM


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (json.dumps({ROOT_KEY: {"title": "Final"}}), InvalidProgram),
        (ANSWER[:-40], Truncated),
        (ANSWER[:20], Truncated),
        (ANSWER[: ANSWER.index(":") + 1], Truncated),
    ],
    ids=["invalid", "cut inside", "cut in the key", "cut after the key"],
)
@pytest.mark.parametrize("before", [program_text(title="Draft"), f'{{"{ROOT_KEY}": {{"a": [}}'])
def test_draft_never_replaces_the_last_program(before: str, last: str, kind: type) -> None:
    assert isinstance(read_answer(f"Draft: {before}\nFinal: {last}"), kind)


@pytest.mark.parametrize(
    "tags", [("<think>", "</think>"), ("<Thinking>", "</THINKING>"), ("", "</think>")]
)
def test_program_in_a_thought_is_no_answer(tags: tuple[str, str]) -> None:
    thought = tags[0] + program_text(title="Draft") + tags[1]
    assert read_answer(thought) == Prose()
    assert isinstance(read_answer(thought + ANSWER[:-40]), Truncated)
    assert program_of(thought + ANSWER) == PROGRAM
    assert program_of(ANSWER + "<think>Is it good?</think>") == PROGRAM


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "<think>Short.</think> Here: {}"])
def test_think_tag_in_a_string_is_text(wrap: str) -> None:
    program = {**PROGRAM, "title": "A </think> and a <think> in a title"}
    assert program_of(wrap.format(json.dumps({ROOT_KEY: program}))) == program


def test_thought_without_end_is_truncated() -> None:
    assert read_answer("<think>" + program_text(title="Draft")) == Truncated()


@pytest.mark.parametrize(
    "nest",
    [
        lambda program: {"output": {"result": [{ROOT_KEY: program}]}, "version": 1},
        lambda program: {ROOT_KEY: json.dumps(program)},
        lambda program: {ROOT_KEY: json.dumps(json.dumps(program))},
        lambda program: {ROOT_KEY: {**program, "sessions": json.dumps(program["sessions"])}},
        lambda program: {"text": f"```json\n{json.dumps({ROOT_KEY: program})}\n```"},
        lambda program: json.dumps({ROOT_KEY: program}),
        lambda program: {ROOT_KEY: program, "old": {ROOT_KEY: None}},
    ],
)
@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```", "Here: {} Done."])
def test_nested_or_encoded_program_is_read(nest: Any, around: str) -> None:
    answer = read_answer(around.replace("{}", json.dumps(nest(PROGRAM)), 1))
    assert isinstance(answer, Program)
    assert answer.program.model_dump(mode="json", exclude_unset=True) == PROGRAM
    assert not answer.repaired


def test_previous_program_of_input_is_ignored() -> None:
    previous = {"previous_training_plan": {"plan_data": {ROOT_KEY: PROGRAM}}}
    assert read_answer(json.dumps({"profile": 1, "context": previous})) == Step(
        ("profile", "context")
    )


MALFORMED = {
    "trailing comma": lambda text: text.replace("}", ",}"),
    "unquoted range": lambda text: text.replace('"reps": "8-10"', '"reps": 8-10'),
    "unquoted words": lambda text: text.replace('"reps": "8-10"', '"reps": AMRAP'),
    "comment": lambda text: text.replace('"weeks": 4,', '"weeks": 4, // it\'s {one} month\n'),
    "block comment": lambda text: text.replace('"weeks": 4,', '"weeks": 4, /* a "month" */'),
    "unquoted keys": lambda text: re.sub(r'"(\w+)": ', "\\1 : ", text),
    "closing curly quotes": lambda text: text.replace('"', "”"),
    "curly quotes": lambda text: re.sub(r'"([^"]*)"', "“\\1”", text),
    "single quotes": lambda text: repr(json.loads(text)),
    "no-break blanks": lambda text: text.replace(" ", "\xa0"),
    "zero-width blanks": lambda text: text.replace(", ", ",\u200b "),
    "last brace": lambda text: text[:-1],
    "last two braces": lambda text: text[:-2],
    "missing comma": lambda text: text.replace('"weeks": 4,', '"weeks": 4'),
}


@pytest.mark.parametrize("malform", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("around", ["{}", "```json\n{}\n```\nGood luck!"])
def test_malformed_program_is_repaired(malform: Any, around: str) -> None:
    answer = read_answer(around.replace("{}", malform(ANSWER), 1))
    assert isinstance(answer, Program), answer
    assert answer.repaired
    assert len(answer.program.sessions) == len(PROGRAM["sessions"])


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ('"Di "arriba" al subir"', 'Di "arriba" al subir'),
        ('"Di "arriba", y baja"', 'Di "arriba", y baja'),
        ('"al 80\\% ya"', "al 80% ya"),
        ('"l\\\'altra cama"', "l'altra cama"),
        ('"Día uno”', "Día uno"),
        ("10 por lado", "10 por lado"),
        ("45-60 s", "45-60 s"),
        ("8-10", "8-10"),
    ],
)
def test_repair_keeps_the_value(spelling: str, value: str) -> None:
    text = program_text(general_notes="@").replace('"@"', spelling)
    answer = read_answer(text)
    assert isinstance(answer, Program)
    assert answer.repaired
    assert answer.program.model_dump(mode="json")["general_notes"] == value


@pytest.mark.parametrize("malform", MALFORMED.values(), ids=MALFORMED.keys())
@given(cut=st.data())
def test_repair_never_completes_a_cut_program(malform: Any, cut: st.DataObject) -> None:
    text = malform(ANSWER)
    inside = text.rindex("]", 0, len(text))
    end = cut.draw(st.integers(text.index(":") + 2, inside))
    answer = read_answer(text[:end])
    assert isinstance(answer, Truncated), answer


def test_place_of_an_error_has_no_words() -> None:
    answer = read_answer(f'{{"{ROOT_KEY}":\n {{"title": "secret" secret')
    assert isinstance(answer, Truncated)
    assert answer.place is not None
    assert "line 2" in answer.place
    assert "secret" not in answer.place


def test_line_break_inside_string_stays() -> None:
    assert (
        program_of(ANSWER.replace("Fuerza básica", "Fuerza\nbásica"))["title"] == "Fuerza\nbásica"
    )


def test_half_a_character_becomes_a_replacement_character() -> None:
    assert program_of(ANSWER.replace("Fuerza", "\\ud83d")) == {**PROGRAM, "title": "� básica"}


def test_invalid_program_names_each_field() -> None:
    broken = {"sessions": [{"blocks": [{"exercises": ["squat"]}]}, 5]}
    answer = read_answer(json.dumps({ROOT_KEY: broken}))
    assert isinstance(answer, InvalidProgram)
    assert {fault["path"] for fault in answer.errors} >= {
        "sessions.0.blocks.0.exercises.0",
        "sessions.1",
    }


@pytest.mark.parametrize("value", ["text", 5, [1], {"title": "Final"}])
def test_root_key_without_sessions_is_invalid(value: Any) -> None:
    assert isinstance(read_answer(json.dumps({ROOT_KEY: value})), InvalidProgram)


@pytest.mark.parametrize("value", [None, {}, "", []])
def test_empty_root_key_is_a_step(value: Any) -> None:
    step = Step(("profile", ROOT_KEY))
    assert read_answer(json.dumps({"profile": 1, ROOT_KEY: value})) == step
    assert read_answer("Done: " + json.dumps({"profile": 1, ROOT_KEY: value})) == step


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
def test_error_without_a_program_is_a_failure(error: Any, description: str) -> None:
    assert read_answer(json.dumps({"error": error})) == Failure(description)


@pytest.mark.parametrize("empty", [None, "", False, {}, [], "none", "None.", {"message": None}])
def test_empty_error_is_no_failure(empty: Any) -> None:
    assert read_answer(json.dumps({"error": empty, "profile": {}})) == Step(("error", "profile"))


def test_other_object_is_a_step() -> None:
    assert read_answer('{"profile": {"a": 1}, "notes": []}') == Step(("profile", "notes"))
    assert read_answer('Done: {"profile": 1}.') == Step(("profile",))


@pytest.mark.parametrize("text", ["", "Thinking…", "[1, 2]", '"text"', "12", "{ }{it}", "{'a': 1}"])
def test_text_without_an_object_is_prose(text: str) -> None:
    assert read_answer(text) == Prose()


def test_empty_object_is_a_step() -> None:
    assert read_answer("{}") == Step(())


@given(program=programs, before=st.sampled_from(["", "```json\n", "Here: "]), cut=st.data())
def test_cut_program_is_truncated(program: dict[str, Any], before: str, cut: st.DataObject) -> None:
    text = json.dumps({ROOT_KEY: program}, ensure_ascii=False)
    # A text that ends after the sessions lacks only braces, and can be repaired.
    sessions = json.dumps(program["sessions"], ensure_ascii=False)
    whole = text.index('"sessions": ' + sessions) + len('"sessions": ' + sessions)
    end = cut.draw(st.integers(1, min(whole, len(text) - 2) - 1))
    assert read_answer(before + text[:end]) == Truncated()


@pytest.mark.parametrize(
    "before", ['Athlete: {"height": 5\'11"}\n', '{"note": "use the 6" band"} and then ']
)
def test_program_after_broken_json_is_read(before: str) -> None:
    assert program_of(before + ANSWER) == PROGRAM


def test_null_root_beside_error_is_a_failure() -> None:
    assert read_answer(json.dumps({ROOT_KEY: None, "error": "It broke"})) == Failure("It broke")


def test_cut_json_in_closed_fence_is_truncated() -> None:
    assert read_answer(f"```json\n{ANSWER[:40]}\n```") == Truncated()


def test_whole_object_does_not_hide_the_cut() -> None:
    assert read_answer(f'{{"profile": 1}}\n{ANSWER[:-3]}') == Truncated()


@given(programs)
def test_program_is_read_unchanged(program: dict[str, Any]) -> None:
    assert program_of(json.dumps({ROOT_KEY: program})) == program


# Prose without quotes, since a quote between braces can make it JSON.
prose = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"'), max_size=60)


@given(program=programs, before=prose, after=texts)
def test_prose_does_not_hide_a_program(program: dict[str, Any], before: str, after: str) -> None:
    text = before + json.dumps({ROOT_KEY: program}) + after
    if not before.rstrip().endswith("{"):
        assert program_of(text) == program


@given(st.text() | st.text('{}[]":,\\ a1\n`', max_size=200))
def test_no_text_raises_an_error(text: str) -> None:
    read_answer(text)


@given(json_objects.filter(lambda item: ROOT_KEY not in item and not item.get("error")))
def test_any_other_object_is_a_step(item: dict[str, Any]) -> None:
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


def seconds(text: str) -> float:
    """The lowest CPU time of three readings."""
    times: list[float] = []
    for _ in range(3):
        started = time.thread_time()
        read_answer(text)
        times.append(time.thread_time() - started)
    return min(times)


def check_linear(make: Callable[[int], str], size: int) -> None:
    """With ten times the size, linear time grows tenfold and quadratic time a hundredfold."""
    assert seconds(make(size)) < 40 * (seconds(make(size // 10)) + 0.005)


@pytest.mark.parametrize(
    "size", [1_000_000, pytest.param(5_000_000, marks=pytest.mark.slow)], ids=["1 MB", "5 MB"]
)
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_linear_time(piece: str, size: int) -> None:
    check_linear(lambda length: piece * (length // len(piece)) + "}" * 2000, size)


@pytest.mark.parametrize(
    "make",
    [
        lambda size: '{"a":' * size + "x" + "}" * size,
        lambda size: f'{{" "{ROOT_KEY}":{{" }}' * size + '"' + "}" * (size + 2),
        lambda size: f'{{"{ROOT_KEY}": {{' + "\\" * (size // 5),
    ],
    ids=["a broken nest that closes", "roots that end behind their stretch", "backslashes"],
)
def test_broken_json_takes_linear_time(make: Callable[[int], str]) -> None:
    check_linear(make, 50_000)


@pytest.mark.parametrize("key", ["edn360_input", "input", "previous_training_plan"])
def test_previous_program_in_repeated_input_is_ignored(key: str) -> None:
    repeated = json.dumps({key: {"plan": {ROOT_KEY: PROGRAM}}})
    text = f"I have read this:\n```json\n{repeated}\n```\nI will think about it."
    assert isinstance(read_answer(text), Step)
    answer = read_answer(f"{text}\n{ANSWER}\nWhat I have read: {repeated}")
    assert isinstance(answer, Program)
