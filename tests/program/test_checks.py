"""The checks of a program: each finding, and texts that must not give a finding."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram
from tests.support.samples import cases, inputs, programs

from .good import EXERCISE, GOOD, athlete, findings_of, program_with

CASES = cases("checks")


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_real_program_is_checked(case: dict[str, Any]) -> None:
    athlete_input = None
    if "questionnaire" in case:
        data = {"user_profile": {"user_id": "a"}, "questionnaires": [case["questionnaire"]]}
        athlete_input = EDN360Input.model_validate(data)
    want = case["want"]
    findings = EnrichedTrainingProgram.model_validate(case["program"]).check(athlete_input)
    codes = {finding.code for finding in findings}
    assert set(want.get("has", [])) <= codes
    assert not codes & set(want.get("has_not", []))
    if "finds_more_than" in want:
        sound = EnrichedTrainingProgram.model_validate(want["finds_more_than"])
        assert codes - {finding.code for finding in sound.check(athlete_input)}
    for lang, text in want.get("text_has_not", {}).items():
        assert not [finding for finding in findings if text in finding.message(lang)]


def test_good_program_has_no_findings() -> None:
    assert EnrichedTrainingProgram.model_validate(GOOD).check() == []


@pytest.mark.parametrize(
    ("path", "value", "severity", "code", "where"),
    [
        ("days_per_week", 3, "error", "days_mismatch", "days_per_week"),
        ("sessions", [], "error", "no_sessions", "sessions"),
        ("sessions.0.blocks", [], "error", "empty_session", "sessions.0"),
        ("sessions.0.blocks.1.exercises", [], "error", "empty_block", "sessions.0.blocks.1"),
        ("session_duration_min", 90, "warning", "time_far", "sessions.0"),
        ("session_duration_min", 20, "warning", "time_far", "sessions.0"),
        ("session_duration_min", 10**400, "warning", "time_far", "sessions.0"),
        (
            f"{EXERCISE}.order",
            2,
            "warning",
            "order_repeated",
            "sessions.0.blocks.0.exercises.1.order",
        ),
        (f"{EXERCISE}.order", 3, "warning", "order_gap", "sessions.0.blocks.0"),
        (f"{EXERCISE}.series", None, "warning", "series_missing", f"{EXERCISE}.series"),
        (f"{EXERCISE}.series", "varias", "warning", "series_unreadable", f"{EXERCISE}.series"),
        (f"{EXERCISE}.series", 0, "warning", "series_unreadable", f"{EXERCISE}.series"),
        (f"{EXERCISE}.reps", None, "warning", "reps_missing", f"{EXERCISE}.reps"),
        (f"{EXERCISE}.reps", "algunas", "warning", "reps_unreadable", f"{EXERCISE}.reps"),
        (f"{EXERCISE}.reps", -8, "warning", "reps_unreadable", f"{EXERCISE}.reps"),
        (f"{EXERCISE}.rpe", "alto", "warning", "rpe_unreadable", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.rpe", 11, "error", "rpe_out_of_range", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.series", "N/A", "warning", "series_missing", f"{EXERCISE}.series"),
        (f"{EXERCISE}.series", "3 + 1 top", "warning", "series_unreadable", f"{EXERCISE}.series"),
        (f"{EXERCISE}.series", "?", "warning", "series_unreadable", f"{EXERCISE}.series"),
        (f"{EXERCISE}.reps", "—", "warning", "reps_missing", f"{EXERCISE}.reps"),
        (f"{EXERCISE}.reps", "???", "warning", "reps_unreadable", f"{EXERCISE}.reps"),
        (f"{EXERCISE}.rpe", "?", "warning", "rpe_unreadable", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.rpe", "7→11", "error", "rpe_out_of_range", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.rpe", "9-11", "error", "rpe_out_of_range", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.rpe", 0.5, "error", "rpe_out_of_range", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.rpe", -1, "error", "rpe_out_of_range", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.rpe", float("nan"), "error", "rpe_out_of_range", f"{EXERCISE}.rpe"),
        (f"{EXERCISE}.video_url", None, "info", "video_missing", "sessions.0"),
        (f"{EXERCISE}.video_url", " ", "info", "video_missing", "sessions.0"),
        (
            f"{EXERCISE}.video_url",
            "javascript:x",
            "warning",
            "video_not_web",
            f"{EXERCISE}.video_url",
        ),
        (
            f"{EXERCISE}.video_url",
            "https://x.es/a b",
            "warning",
            "video_not_web",
            f"{EXERCISE}.video_url",
        ),
        (
            f"{EXERCISE}.video_url",
            "http://u:p@x.es\\@y",
            "warning",
            "video_not_web",
            f"{EXERCISE}.video_url",
        ),
        (f"{EXERCISE}.video_url", "www.a.es", "warning", "video_not_web", f"{EXERCISE}.video_url"),
        (f"{EXERCISE}.video_url", "http://[", "warning", "video_not_web", f"{EXERCISE}.video_url"),
    ],
)
def test_finding_has_path_of_its_fault(
    path: str, value: Any, severity: str, code: str, where: str
) -> None:
    assert (severity, code, where) in findings_of(program_with(path, value))
    assert not [
        f
        for f in findings_of(program_with(path, value))
        if f[1] != code and code != "series_missing"
    ]


@pytest.mark.parametrize(
    "reps",
    [
        *("AMRAP", "máx", "al fallo", "20 m", "15 calorías", "45-60s", "8/lado", "8RM"),
        *("Pirámide 12-10-8", "Descendente 12-10-8-6", "Cluster 4x2", "menos de 10"),
    ],
)
def test_meaningful_reps_give_no_finding(reps: str) -> None:
    assert findings_of(program_with(f"{EXERCISE}.reps", reps)) == []


@pytest.mark.parametrize("rpe", ["-", "—", "", "N/A", "n.a.", "No aplica", "ninguno"])
def test_empty_rpe_gives_no_finding(rpe: str) -> None:
    assert findings_of(program_with(f"{EXERCISE}.rpe", rpe)) == []


def sessions_of(count: int, **fields: Any) -> list[str]:
    """The codes of the findings in a program with ``count`` good sessions."""
    data = {**GOOD, "session_duration_min": None, **fields}
    data["sessions"] = [{**GOOD["sessions"][0], "id": f"D{day}"} for day in range(count)]
    return [f.code for f in EnrichedTrainingProgram.model_validate(data).check()]


@pytest.mark.parametrize(
    ("count", "fields", "codes"),
    [
        (12, {"weeks": 4, "days_per_week": 3}, ["weeks_written_out"]),
        (4, {"weeks": 4, "days_per_week": 1}, ["weeks_written_out"]),
        (12, {"weeks": 4, "days_per_week": None}, ["weeks_written_out"]),
        (12, {"weeks": 4, "days_per_week": 12}, ["weeks_written_out"]),
        (10, {"weeks": None, "days_per_week": None}, ["weeks_written_out"]),
        (4, {"weeks": 4, "days_per_week": None}, []),
        (4, {"weeks": 4, "days_per_week": 4}, []),
        (6, {"weeks": 1, "days_per_week": 6}, []),
        (2, {"weeks": 4, "days_per_week": 3}, ["days_mismatch"]),
    ],
)
def test_repeated_weeks_give_a_finding(
    count: int, fields: dict[str, Any], codes: list[str]
) -> None:
    assert sessions_of(count, **fields) == codes


def test_week_numbers_in_ids_give_a_finding() -> None:
    data = copy.deepcopy(GOOD)
    data |= {"session_duration_min": None, "days_per_week": None}
    data["sessions"] = [{**GOOD["sessions"][0], "id": f"S{week}-D1"} for week in (1, 2)]
    codes = [f.code for f in EnrichedTrainingProgram.model_validate(data).check()]
    assert codes == ["weeks_written_out"]


@pytest.mark.parametrize(
    ("reps", "is_typo"),
    [
        *(("8-129", True), ("10-122", True), ("1012", True), ("8-120", True), ("30-450 s", True)),
        *(
            ("8-12", False),
            ("12-8", False),
            ("2-12", False),
            ("1-5", False),
            ("5-20", False),
            ("100", False),
        ),
        *(("20-60 s", False), ("30s-2min", False), ("21-15-9", False)),
    ],
)
def test_implausible_reps_give_a_finding(reps: str, is_typo: bool) -> None:
    codes = [code for _, code, _ in findings_of(program_with(f"{EXERCISE}.reps", reps))]
    assert ("reps_implausible" in codes) is is_typo


@pytest.mark.parametrize(
    ("muscles", "groups", "is_found"),
    [
        (["Cuádriceps", "glúteos"], ["bíceps", "tríceps"], True),
        (["Legs"], ["Chest", "Triceps"], True),
        (["Pierna"], ["Isquiosurales", "tríceps"], False),
        (["Espalda"], ["dorsal ancho", "lats"], False),
        (["Tren superior"], ["Pectoral", "Deltoides"], False),
        (["Empuje"], ["Femoral", "Femoral"], False),  # not in the table of muscles
        (["Piernas"], ["bíceps", None], False),
        ([], ["bíceps", "tríceps"], False),
    ],
)
def test_block_without_its_muscles_gives_a_finding(
    muscles: list[str], groups: list[str | None], is_found: bool
) -> None:
    data = copy.deepcopy(GOOD)
    block = data["sessions"][0]["blocks"][0]
    block["primary_muscles"] = muscles
    for exercise, group in zip(block["exercises"], groups, strict=True):
        exercise["primary_group"] = group
    codes = findings_of(EnrichedTrainingProgram.model_validate(data))
    assert (("warning", "muscles_not_trained", "sessions.0.blocks.0") in codes) is is_found


def test_repeated_exercise_gives_a_finding() -> None:
    program = program_with("sessions.0.blocks.1.exercises.0.name", "Remo con mancuernas")
    (finding,) = program.check()
    assert finding.code == "exercise_repeated"
    assert finding.path == "sessions.0.blocks.1.exercises.0.name"
    assert finding.en == '"Remo con mancuernas" appears twice in the session.'


def test_order_may_continue_in_next_block() -> None:
    assert findings_of(program_with("sessions.0.blocks.1.exercises.0.order", 3)) == []
    assert findings_of(program_with("sessions.0.blocks.1.exercises.0.order", 4)) == [
        ("warning", "order_gap", "sessions.0.blocks.1")
    ]


def test_unknown_session_time_is_not_compared() -> None:
    program = program_with(f"{EXERCISE}.reps", "AMRAP").model_copy(
        update={"session_duration_min": 200}
    )
    assert findings_of(program) == []


def test_partial_time_can_exceed_session_time() -> None:
    program = program_with(f"{EXERCISE}.reps", "AMRAP").model_copy(
        update={"session_duration_min": 15}
    )
    assert findings_of(program) == [("warning", "time_far", "sessions.0")]


def test_missing_videos_are_counted() -> None:
    data = copy.deepcopy(GOOD)
    session = data["sessions"][0]
    session["core_mobility_block"] = {"exercises": [{"name": "x", "series": 1, "reps": 1}]}
    for exercise in session["blocks"][0]["exercises"]:
        del exercise["video_url"]
    (finding,) = EnrichedTrainingProgram.model_validate(data).check()
    assert (finding.code, finding.path) == ("video_missing", "sessions.0")
    assert finding.es == "Sin vídeo: 3 de 4 ejercicios."
    assert finding.en == "Without a video: 3 of 4 exercises."


def test_core_block_exercises_are_checked() -> None:
    exercises = [
        {"name": "Plancha", "series": "?", "reps": None, "rpe": 11, "video_url": "ftp://x"},
        {"name": "Sentadilla con barra", "series": 1, "reps": 1, "video_url": "https://x.es"},
    ]
    core = {"exercises": exercises, "duration_min": 10}
    athlete_input = athlete(
        {"equipamiento": "mancuernas", "lesiones": "rodilla", "ejercicios_a_evitar": "Plancha"}
    )
    place = "sessions.0.core_mobility_block.exercises"
    expected = [
        ("warning", "series_unreadable", f"{place}.0.series"),
        ("warning", "reps_missing", f"{place}.0.reps"),
        ("error", "rpe_out_of_range", f"{place}.0.rpe"),
        ("warning", "video_not_web", f"{place}.0.video_url"),
        ("warning", "exercise_to_avoid", f"{place}.0.name"),
        ("warning", "equipment_missing", f"{place}.1.name"),
        ("warning", "injury_loaded", f"{place}.1.name"),
    ]
    data = copy.deepcopy(GOOD)
    data["sessions"][0]["core_mobility_block"] = core
    program = EnrichedTrainingProgram.model_validate(data)
    assert [f for f in findings_of(program, athlete_input) if f[2].startswith(place)] == expected
    # A session with core and mobility only is not empty, and its time is unknown.
    data["sessions"][0]["blocks"] = []
    assert findings_of(EnrichedTrainingProgram.model_validate(data), athlete_input) == expected


@pytest.mark.parametrize("core", [None, "plancha", [], {"exercises": []}, {"exercises": "x"}])
def test_empty_core_block_leaves_session_empty(core: Any) -> None:
    data = copy.deepcopy(GOOD)
    data["sessions"][0].update(blocks=[], core_mobility_block=core)
    program = EnrichedTrainingProgram.model_validate(data)
    assert findings_of(program) == [("error", "empty_session", "sessions.0")]


@settings(deadline=None)  # the first example imports the modules
@given(programs, inputs)
def test_any_program_can_be_checked(data: dict[str, Any], athlete_input: dict[str, Any]) -> None:
    program = EnrichedTrainingProgram.model_validate(data)
    for finding in program.check(EDN360Input.model_validate(athlete_input)):
        assert finding.es
        assert finding.en
        place: Any = json.loads(json.dumps(data))
        *way, _ = finding.path.split(".")
        for part in way:  # the value at the last part may be missing
            place = place[int(part) if part.isdigit() else part]


def test_hostile_text_is_checked_at_once() -> None:
    huge = "barra " * 200_000
    data: dict[str, Any] = {
        "title": "t",
        "days_per_week": 10**5000,
        "session_duration_min": 10**5000,
        "sessions": [{"blocks": [{"exercises": [{"name": huge, "order": 10**5000, "rpe": huge}]}]}],
    }
    athlete_input = athlete(
        {"lesiones": huge, "equipamiento": "ninguno", huge: huge, "dias_por_semana": huge}
    )
    program = EnrichedTrainingProgram.model_validate(data)
    findings = program.check(athlete_input)
    assert "equipment_missing" in {f.code for f in findings}
    assert max(len(f.es) + len(f.en) for f in findings) < 400


@pytest.mark.parametrize(
    "fields", [{"name": "Ejercicio no mapeado"}, {"name": "Remo", "primary_group": "UNKNOWN"}]
)
def test_placeholder_name_gives_a_warning(fields: dict[str, Any]) -> None:
    program = {"sessions": [{"blocks": [{"exercises": [fields]}]}]}
    findings = EnrichedTrainingProgram.model_validate(program).check()
    assert "placeholder" in {finding.code for finding in findings}
