"""A paid program is delivered and kept with any value in any field."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram, Exercise, InvalidInputError
from edn360_chatkit.program.records import program_csv
from tests.support.samples import ATHLETE, PROGRAM, json_values

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "cases" / "programs.json").read_text("utf-8")
)
RENDERED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "cases" / "rendering.json").read_text("utf-8")
)
DELIVERED = [case for case in CASES if case["want"] == "delivered"]


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
    "case", [case for case in CASES if case["want"] == "invalid"], ids=lambda case: case["why"]
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


def test_invalid_input_leaves_no_raw_data_in_frames() -> None:
    athlete = {"user_profile": {"user_id": 5, "name": "secreto"}}
    with pytest.raises(InvalidInputError) as caught:
        EnrichedTrainingProgram.model_validate(PROGRAM).check(athlete)
    assert "secreto" not in local_variables(caught.value)
    half = {**ATHLETE, "context": {"note": "secreto", "bad": float("nan")}}
    with pytest.raises(ValueError, match=r"context\.bad") as failed:
        EDN360Input.model_validate(half).to_json_text()
    assert "secreto" not in local_variables(failed.value)


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


@settings(max_examples=60, deadline=None)
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


@pytest.mark.parametrize("key", ["rest", "tempo", "warmup", "progression", "own_key"])
def test_field_of_an_exercise_shows_everywhere(key: str) -> None:
    exercise = {"name": "Remo", key: "dos 2-0-2"}
    program = EnrichedTrainingProgram.model_validate(
        {"sessions": [{"blocks": [{"exercises": [exercise]}]}]}
    )
    for text in (program.to_html(), program.to_markdown(), program.to_text(), program_csv(program)):
        assert "dos 2-0-2" in text
    assert "dos 2-0-2" in str(program.to_records()[0])


def test_list_in_text_field_is_shown() -> None:
    exercise = {"name": "Remo", "reps": [12, 10, 8], "notes": ["Baja despacio", "Sube fuerte"]}
    program = EnrichedTrainingProgram.model_validate(
        {"goal": ["fuerza"], "sessions": [{"blocks": [{"exercises": [exercise]}]}]}
    )
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        for part in ("12, 10, 8", "Baja despacio", "Sube fuerte", "fuerza"):
            assert part in text


@pytest.mark.parametrize("case", RENDERED, ids=lambda case: case["why"])
def test_rendering_of_real_program_is_readable(case: dict[str, Any]) -> None:
    data, want = case["program"], case["want"]
    program = EnrichedTrainingProgram.model_validate(data)
    html = program.to_html().partition("</style>")[2]
    assert [text for text in want.get("html_has", ()) if text not in html] == []
    for text in (html, program.to_text(), program.to_markdown()):
        assert [word for word in want.get("shown_nowhere", ()) if word in text] == []
    if key := want.get("minutes_as_without"):
        sessions = [{k: v for k, v in s.items() if k != key} for s in data["sessions"]]
        without = EnrichedTrainingProgram.model_validate({"sessions": sessions})
        assert program.estimated_session_minutes() == without.estimated_session_minutes()
    assert len(program.weekly_sets_by_muscle()) == want.get(
        "muscles", len(program.weekly_sets_by_muscle())
    )


# --- minutes ------------------------------------------------------------------------------------

LIFT: dict[str, Any] = {"name": "Remo", "series": 3, "reps": 10}


def minutes(*exercises: dict[str, Any], block: Any = None, **session: Any) -> float:
    blocks = [{**(block or {}), "exercises": list(exercises)}]
    program = EnrichedTrainingProgram.model_validate({"sessions": [{"blocks": blocks, **session}]})
    return program.estimated_session_minutes()[0]


def test_minutes_follow_the_documentation() -> None:
    exercises = (
        {"series": 3, "reps": "8-12"},  # 3 × (10 × 3 s + 90 s)
        {"series": 2, "reps": "1 min"},  # 2 × (1 min + 90 s)
        {"series": 1, "reps": "AMRAP"},  # 30 s + 90 s
        {"name": "d"},
    )
    # Warm-up 10 min, two changes of 1 min.
    assert minutes(*exercises) == 10 + 6 + 5 + 2 + 2
    assert minutes(*exercises, core_mobility_block="plank") == 30.0
    assert minutes() == 0.0


@pytest.mark.parametrize(
    ("field", "value", "seconds"),
    [
        ("rest", "60s", 60),
        ("rest", 60, 60),
        ("rest", "60-90", 75),
        ("descanso", "2 min", 120),
        ("descanso", "1'30''", 90),
        ("rest_seconds", 45, 45),
        ("rest", "entre 60 y 90 s", 75),
        ("rest", "60 s entre series, 2 min entre ejercicios", 60),
        ("rest", "2 min entre series / 3 min entre bloques", 120),
        ("rest", "2 min entre series, sin descanso entre ejercicios", 120),
        ("rest", "1m", 60),
        ("rest", "1-2m", 90),
        ("rest", "2", 120),
        ("rest", "1,5", 90),
        ("rest", "2-3", 150),
        ("rest", {"segundos": 45}, 45),
        ("rest_seconds", 5, 5),
        ("descanso_entre_series", "2'", 120),
        ("rest", 0, 0),
        ("rest", "sin descanso", 0),
        ("notes", "Codos atrás. Descansa 2 min.", 120),
        ("notes", "3 x 10 con 45 s de descanso", 45),
        ("notes", "Descanso: 60-90 s entre series", 75),
        # An unclear rest, or another number: the default of 90 s.
        ("rest", "7", 90),
        ("rest", "-1", 90),
        ("rest", "20 m", 90),
        ("rest", "lo necesario", 90),
        ("rest", "3 h", 90),
        ("notes", "Pausa de 2 s abajo", 90),
        ("notes", "Rest-pause 15 s", 90),
        ("notes", "No descanses de más", 90),
        ("notes", "Descansa lo justo. 20 m de paseo", 90),
    ],
)
def test_minutes_use_rest_of_exercise(field: str, value: Any, seconds: int) -> None:
    assert minutes({**LIFT, field: value}) == round(10 + 3 * (30 + seconds) / 60, 1)


@pytest.mark.parametrize(
    ("block", "own"),
    [
        ({"id": "Superserie A"}, {}),
        ({"type": "superset"}, {}),
        ({}, {"notes": "En bi-serie con el siguiente"}),
        ({}, {"method": "Circuito"}),
    ],
)
def test_superset_has_10_seconds_of_rest(block: Any, own: dict[str, Any]) -> None:
    lift = {**LIFT, **own}
    # 3 rounds of two sets, with 10 s between the sets and 90 s after each round.
    assert minutes(lift, lift, block=block) == 10 + 3 * (30 + 10 + 30 + 90) / 60
    assert minutes(lift, block=block) == minutes(LIFT) == 16.0


def test_rest_of_block_or_session_counts() -> None:
    lifts = (LIFT, {**LIFT, "rest": "30 s"})
    assert minutes(*lifts, block={"descanso": "2 min"}) == 10 + 3 * 2.5 + 3 * 1 + 1
    assert minutes(*lifts, rest="2 min") == 10 + 3 * 2.5 + 3 * 1 + 1


@pytest.mark.parametrize(
    "core",
    [{"include": False, "details": "x"}, {"incluir": "no", "a": 1}, {"include": True}, [], ""],
)
def test_empty_closing_block_is_hidden(core: Any) -> None:
    session = {"blocks": [{"exercises": [LIFT]}], "core_mobility_block": core}
    program = EnrichedTrainingProgram.model_validate({"sessions": [session]})
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        assert "Core y movilidad" not in text
        assert "include" not in text
    assert program.estimated_session_minutes() == [16.0]
