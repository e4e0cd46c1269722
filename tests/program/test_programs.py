"""A paid program is delivered and kept with any value in any field."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edn360_chatkit import EnrichedTrainingProgram, Exercise
from edn360_chatkit.program.records import program_csv
from tests.support.samples import ATHLETE, PROGRAM, cases, json_values

DELIVERED = [case for case in cases("programs") if case["want"] == "delivered"]


def dump(program: EnrichedTrainingProgram) -> str:
    """The JSON text of a program. Texts differ where Python says that 4 == 4.0."""
    return json.dumps(program.model_dump(mode="json", exclude_unset=True), sort_keys=True)


def attribute(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[int(key)] if key.isdigit() else getattr(value, key)
    return value


def use(program: EnrichedTrainingProgram) -> None:
    """Call all methods of a program."""
    for lang in ("es", "en"):
        for text in (program.to_html(full_page=True, lang=lang), program.to_markdown(lang=lang)):
            assert text
        assert program.to_text(lang=lang)
        assert program.diff(EnrichedTrainingProgram.model_validate(PROGRAM)).to_text(lang=lang)
        assert all(finding.message(lang) for finding in program.check(ATHLETE))
    assert program._repr_html_()
    assert program._repr_markdown_()
    assert repr(program)
    assert not program.diff(program)
    assert program_csv(program)
    json.dumps(program.to_records(), allow_nan=False)


def assert_kept(data: dict[str, Any]) -> None:
    """Check that loads, dumps and copies of a program keep its JSON."""
    expected = json.dumps(data, sort_keys=True)
    program = EnrichedTrainingProgram.model_validate(data)
    ways = (
        program,
        EnrichedTrainingProgram.model_validate_json(json.dumps(data)),
        EnrichedTrainingProgram.model_validate(program),
        EnrichedTrainingProgram.model_validate(program.model_dump(exclude_unset=True)),
        pickle.loads(pickle.dumps(program)),
        copy.copy(program),
        copy.deepcopy(program),
        program.model_copy(),
    )
    assert [dump(way) for way in ways] == [expected] * len(ways)
    assert json.loads(program.model_dump_json(exclude_unset=True)) == data


@pytest.mark.parametrize("case", DELIVERED, ids=lambda case: case["why"])
def test_program_of_any_type_is_delivered(case: dict[str, Any]) -> None:
    assert_kept(case["program"])
    program = EnrichedTrainingProgram.model_validate(case["program"])
    use(program)
    for path, number in case.get("reads", {}).items():
        assert type(attribute(program, path)) is int
        assert attribute(program, path) == number
    for path, numbers in case.get("not_read_as", {}).items():
        assert attribute(program, path) not in numbers
    assert case.get("shows", "") in program.to_html()


@pytest.mark.parametrize(
    ("field", "value", "number"),
    [
        ("weeks", 4.0, 4),
        ("weeks", "4", 4),
        ("weeks", " 4.0 ", 4),
        ("weeks", "4 semanas", 4),
        ("weeks", "12 weeks", 12),
        ("days_per_week", "3 días por semana", 3),
        ("days_per_week", "3 days", 3),
        ("session_duration_min", "60 min", 60),
        ("session_duration_min", "45'", 45),
        ("weeks", 4.5, None),
        ("weeks", "3-4", None),
        ("weeks", "1 mes", None),
        ("weeks", "4 semanas y media", None),
        ("weeks", True, None),
        ("weeks", [4], None),
        ("session_duration_min", "1 hora", None),
        ("session_duration_min", "45-60 min", None),
    ],
)
def test_unclear_whole_number_is_none(field: str, value: Any, number: int | None) -> None:
    program = EnrichedTrainingProgram.model_validate({"sessions": [], field: value})
    assert getattr(program, field) == number
    assert program.raw(field) is value


# The fields of each part, to which any JSON value is given.
FIELDS = {
    "program": set(EnrichedTrainingProgram.model_fields) - {"sessions"},
    "session": {"id", "name", "focus", "session_notes", "core_mobility_block"},
    "block": {"id", "primary_muscles", "secondary_muscles"},
    "exercise": set(Exercise.model_fields),
}


def any_values(part: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(FIELDS[part]), json_values))


any_programs = st.builds(
    lambda program, session, block, exercise: {
        **program,
        "sessions": [{**session, "blocks": [{**block, "exercises": [exercise]}]}],
    },
    *map(any_values, FIELDS),
)


@given(any_programs)
def test_any_value_in_any_field_is_kept(data: dict[str, Any]) -> None:
    assert_kept(data)
    use(EnrichedTrainingProgram.model_validate(data))


EDGES: tuple[Any, ...] = (
    0,
    0.0,
    -1,
    1e300,
    10**400,
    "",
    False,
    True,
    [],
    {},
    [0],
    [None],
    [[]],
    {"a": 0},
    "\ud83d",
)


@pytest.mark.parametrize("value", EDGES, ids=lambda value: repr(value)[:8])
def test_edge_value_in_every_field_is_kept(value: Any) -> None:
    parts = {part: dict.fromkeys(sorted(fields), value) for part, fields in FIELDS.items()}
    block = {**parts["block"], "exercises": [parts["exercise"]]}
    data = {**parts["program"], "sessions": [{**parts["session"], "blocks": [block]}]}
    program = EnrichedTrainingProgram.model_validate(data)
    assert program.model_dump(exclude_unset=True) == data
    use(program)


def test_copy_with_update_replaces_raw_value() -> None:
    program = EnrichedTrainingProgram.model_validate({"sessions": [], "weeks": "4", "goal": ["x"]})
    changed = program.model_copy(update={"weeks": 6})
    assert changed.model_dump(exclude_unset=True) == {"sessions": [], "weeks": 6, "goal": ["x"]}
    assert (program.raw("weeks"), changed.raw("weeks")) == ("4", 6)


def test_raw_gives_unknown_keys_and_missing_fields() -> None:
    program = EnrichedTrainingProgram.model_validate({"sessions": [], "own": {"a": 1}})
    assert (program.raw("own"), program.raw("goal"), program.raw("other")) == ({"a": 1}, None, None)


EXERCISE = "sessions.0.blocks.0.exercises.0"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("weeks", "4", "other_kind"),
        ("weeks", "3-4", "field_unreadable"),
        ("goal", ["fuerza"], "field_unreadable"),
        ("sessions.0.id", 1, "other_kind"),
        ("sessions.0.focus", "tren superior", "other_kind"),
        ("sessions.0.blocks.0.primary_muscles", {"a": 1}, "field_unreadable"),
        (f"{EXERCISE}.order", "A1", "field_unreadable"),
        (f"{EXERCISE}.reps", [12, 10, 8], "field_unreadable"),
        (f"{EXERCISE}.notes", ["Baja despacio"], "field_unreadable"),
        ("weeks", 4.0, None),
        ("sessions.0.core_mobility_block", False, None),
    ],
)
def test_check_reports_a_value_of_another_type(path: str, value: Any, code: str | None) -> None:
    data: Any = copy.deepcopy(PROGRAM)
    *way, last = path.split(".")
    place = data
    for key in way:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    findings = EnrichedTrainingProgram.model_validate(data).check()
    kinds = ("other_kind", "field_unreadable")
    assert [f.code for f in findings if f.path == path and f.code in kinds] == [code] * bool(code)
    missing = path.removeprefix(f"{EXERCISE}.") + "_missing"
    assert missing not in {finding.code for finding in findings}
