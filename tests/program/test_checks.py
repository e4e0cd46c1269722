"""The checks of a program: each finding, and texts that must not give a finding."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram, Finding
from edn360_chatkit.program import checks
from edn360_chatkit.program.texts import Language, words
from edn360_chatkit.testing._workflow import simulated_program
from tests.support.samples import inputs, programs

EXAMPLES = Path(__file__).parents[2] / "examples"
CASES = json.loads((Path(__file__).parents[1] / "cases" / "checks.json").read_text("utf-8"))

GOOD: dict[str, Any] = {
    "title": "Fuerza",
    "days_per_week": 1,
    "session_duration_min": 40,
    "sessions": [
        {
            "id": "D1",
            "blocks": [
                {
                    "id": block,
                    "exercises": [
                        {
                            "order": order,
                            "name": name,
                            "series": "3-4",
                            "reps": "8-10",
                            "rpe": "7-8",
                            "video_url": "https://example.com/v",
                        }
                        for order, name in enumerate(names, 1)
                    ],
                }
                for block, names in (("A", ("Remo con mancuerna", "Puente")), ("B", ("Plancha",)))
            ],
        }
    ],
}
EXERCISE = "sessions.0.blocks.0.exercises.0"


def program_with(path: str, value: Any) -> EnrichedTrainingProgram:
    """The good program with another value at a path."""
    data = copy.deepcopy(GOOD)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = data
    for part in way:
        place = place[part]
    place[last] = value
    return EnrichedTrainingProgram.model_validate(data)


def athlete(*answers: dict[str, Any], **fields: Any) -> EDN360Input:
    """An input with a questionnaire for each mapping of answers, oldest first."""
    questionnaires = [{"source": "initial", "payload": payload} for payload in answers]
    data = {"user_profile": {"user_id": "athlete-1"}, "questionnaires": questionnaires, **fields}
    return EDN360Input.model_validate(data)


def findings_of(program: EnrichedTrainingProgram, against: EDN360Input | None = None) -> list[Any]:
    return [(f.severity, f.code, f.path) for f in program.check(against)]


def program_named(name: str) -> EnrichedTrainingProgram:
    return program_with(f"{EXERCISE}.name", name)


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


def test_messages_know_singular_and_plural() -> None:
    data = copy.deepcopy(GOOD)
    data["days_per_week"] = 3
    for block in data["sessions"][0]["blocks"]:
        for exercise in block["exercises"]:
            exercise["video_url"] = None
    texts = [f.es for f in EnrichedTrainingProgram.model_validate(data).check()]
    assert texts == [
        "Dice 3 días por semana, pero tiene 1 sesión.",
        "Ningún ejercicio tiene vídeo.",
    ]


def test_message_uses_singular_for_one_day() -> None:
    program = EnrichedTrainingProgram.model_validate(GOOD)
    (finding,) = program.check(athlete({"dias_por_semana": 3}))
    assert finding.es == "El programa es de 1 día por semana; el cuestionario dice 3."
    assert finding.en == "The program has 1 day a week; the questionnaire says 3."


def test_order_may_continue_in_next_block() -> None:
    assert findings_of(program_with("sessions.0.blocks.1.exercises.0.order", 3)) == []
    assert findings_of(program_with("sessions.0.blocks.1.exercises.0.order", 4)) == [
        ("warning", "order_gap", "sessions.0.blocks.1")
    ]


def test_null_list_has_no_type_finding() -> None:
    program = EnrichedTrainingProgram.model_validate({"sessions": [{"blocks": None}]})
    assert findings_of(program) == [("error", "empty_session", "sessions.0")]


def test_unknown_session_time_is_not_compared() -> None:
    program = program_with(f"{EXERCISE}.reps", "AMRAP").model_copy(
        update={"session_duration_min": 200}
    )
    assert findings_of(program) == []
    many_sets = {"name": "Remo", "series": 30, "reps": "10 cal", "video_url": "https://example.com"}
    block = {"exercises": [many_sets]}
    short = {"session_duration_min": 30, "sessions": [{"blocks": [block]}]}
    assert findings_of(EnrichedTrainingProgram.model_validate(short)) == []


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


def test_finding_has_text_in_both_languages() -> None:
    (finding,) = program_with(f"{EXERCISE}.rpe", "11\n" + "x" * 100).check()
    assert finding.message() == finding.message("es") == finding.es
    assert "RPE" in finding.es
    assert finding.es != finding.message("en")
    assert "\n" not in finding.es
    assert len(finding.en) < 120
    assert str(finding) == f"error: {EXERCISE}.rpe: {finding.en}"
    with pytest.raises(ValueError, match="lang"):
        finding.message("fr")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        finding.path = "x"  # type: ignore[misc]
    assert isinstance(finding, Finding)


# --- against the questionnaires -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "codes"),
    [
        ({"dias_por_semana": 3}, ["days_not_as_asked"]),
        ({"days_per_week": "2-3 days"}, ["days_not_as_asked"]),
        ({"trainingDays": "3 días a la semana"}, ["days_not_as_asked"]),
        ({"dias_por_semana": 1}, []),
        ({"dias_por_semana": "1-2"}, []),
        ({"dias_disponibles": ["lunes", "jueves"]}, []),  # available days may stay free
        ({"¿Cuántos días puedes entrenar a la semana?": "Entre 3 y 4"}, ["days_not_as_asked"]),
        ({"dias_por_semana": "entre 1 y 3 días"}, []),
        ({"dias_por_semana": "los que pueda, 3 o así"}, []),
        ({"dias_por_semana_de_cardio": 3}, []),
        ({"dias_de_descanso_semana": 3}, []),
        ({"duracion_sesion": 30}, ["minutes_over"]),
        ({"minutes_per_session": "20-30 min"}, ["minutes_over"]),
        ({"¿Cuánto tiempo tienes por sesión?": "entre 20 y 30 minutos"}, ["minutes_over"]),
        ({"tiempo_disponible": "30 min"}, []),  # of a day or of a week
        ({"tiempo_por_sesion": "media hora"}, ["minutes_over"]),
        ({"tiempo_por_sesion": "1h30"}, ["minutes_under"]),
        ({"tiempo_por_sesion": "mínimo 30 minutos"}, []),
        ({"tiempo_por_sesion": "30 minutos (o más)"}, []),
        ({"tiempo_por_sesion": "1 hora"}, ["minutes_under"]),
        ({"How much time do you have for each session?": "20 minutes"}, ["minutes_over"]),
        ({"How much time can you spend per session?": "20-30"}, ["minutes_over"]),
        ({"time_per_session": 20}, ["minutes_over"]),
        ({"session_time": "20 min"}, ["minutes_over"]),
        ({"workout_duration": 20}, ["minutes_over"]),
        ({"minutos_entrenamiento": "20"}, ["minutes_over"]),
        ({"session_duration_min": 40}, []),
        ({"session_duration_min": 9}, []),
        # A time of day, or the time of a week.
        ({"training_time": "18-20"}, []),
        ({"session_time": "18-20"}, []),
        ({"session_time": 18}, []),
        ({"workout_time": 18}, []),
        ({"tiempo_de_entrenamiento": 24}, []),
        ({"How much time do you have for training?": "3 hours"}, []),
        ({"tiempo_disponible_entrenamiento": "180 min"}, []),
        # Sessions of today, or of a plan.
        ({"sesiones_entrenamiento": 2}, []),
        ({"sesiones_por_semana": 2}, ["days_not_as_asked"]),
        ({"minutos_por_sesion_de_cardio": 20}, []),
    ],
)
def test_clear_answers_are_compared_with_program(answers: dict[str, Any], codes: list[str]) -> None:
    program = EnrichedTrainingProgram.model_validate(GOOD)
    assert [code for _, code, _ in findings_of(program, athlete(answers))] == codes


@pytest.mark.parametrize(
    ("name", "answers", "is_found"),
    [
        ("Barbell back squat", {"equipment": "bodyweight only"}, True),
        ("Press de banca con barra", {"equipamiento": "Ninguno"}, True),
        ("Press de banca con barra", {"equipamiento_en_casa": "Nada", "lugar": "Casa"}, True),
        ("Press de banca con barra", {"equipamiento": ["mancuernas", "esterilla"]}, True),
        ("Press de banca con barra", {"material": "Mancuernas de 10 kg y gomas"}, True),
        ("Barbell row", {"equipment": {"gym": False, "dumbbells": True}}, True),
        ("Jalón en polea", {"equipment": "I have a barbell, no machines"}, True),
        ("Dumbbell row", {"equipment": "I don't have a barbell or dumbbells"}, True),
        ("Dominadas", {"equipamiento": "Mancuernas y gomas"}, True),
        ("Jalón al pecho", {"equipamiento": "Mancuernas"}, True),
        ("Pull-up", {"equipment": "dumbbells"}, True),
        ("Chin-up", {"equipment": "dumbbells"}, True),
        ("Chin-ups", {"equipment": "dumbbells"}, True),
        ("Dominada supina", {"equipamiento": "mancuernas"}, True),
        # The athlete has the equipment, or may have it.
        ("Pull-up", {"equipment": "pull-up bar"}, False),
        ("Pull-up", {"equipment": "none", "place": "the park", "location": "park"}, False),
        ("Jalón al pecho", {"equipamiento": "Máquinas"}, False),
        ("Dominadas", {"equipamiento": "Barra"}, False),
        ("Dominadas", {"equipamiento": "Ninguno", "lugar": "En el parque"}, False),
        ("Pull-ups", {"equipment": "calisthenics"}, False),
        ("Dominadas asistidas en máquina", {"equipamiento": "Máquinas"}, False),
        ("Jalón al pecho con goma", {"equipamiento": "Gomas"}, False),
        ("Press de banca con barra", {"equipamiento": "Ninguno, no puedo ir al gimnasio"}, False),
        ("Press de banca con barra", {"equipamiento": "Barra y discos"}, False),
        ("Press de banca con barra", {"equipamiento": "Sin mancuernas y con barra"}, False),
        ("Press de banca con barra", {"equipamiento": "Lo básico de casa"}, False),
        ("Press de banca con barra", {"equipamiento": "Mancuernas, bandas y algo más"}, False),
        ("Press de banca con barra", {"equipamiento": ""}, False),
        ("Press de banca con barra", {"equipamiento": "Sí"}, False),
        ("Press de banca con barra", {"equipamiento": {"barra": None, "bandas": True}}, False),
        ("Press de banca con barra", {"equipamiento": "Ninguno", "lugar": "Gimnasio"}, False),
        ("Press de banca con barra", {"acceso_gimnasio": False}, False),
        ("Press de banca con barra", {"equipamiento_deseado": "Ninguno"}, False),
        # The exercise does not need the equipment, or allows another.
        ("Remo en barra de dominadas", {"equipamiento": "Barra de dominadas"}, False),
        ("Remo invertido en barra", {"equipamiento": "Barra de dominadas"}, False),
        ("Sentadilla sin barra", {"equipamiento": "Ninguno"}, False),
        ("Sentadilla con barra o mochila", {"equipamiento": "Ninguno"}, False),
        ("Barbell/backpack squat", {"equipment": "none"}, False),
        ("Barracuda", {"equipment": "none"}, False),
    ],
)
def test_missing_equipment_gives_a_finding(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    # Another exercise of the good program needs a dumbbell, so only this path is compared.
    program = program_named(name)
    codes = [(code, path) for _, code, path in findings_of(program, athlete(answers))]
    assert (("equipment_missing", f"{EXERCISE}.name") in codes) is is_found


@pytest.mark.parametrize(
    ("name", "answers", "is_found"),
    [
        ("Sentadilla búlgara", {"lesiones": "Molestia en la rodilla derecha"}, True),
        ("Goblet squat", {"injuries": "Left knee is sore after running"}, True),
        ("Zancadas", {"dolor_rodilla": "Sí"}, True),
        ("Zancadas", {"knee_pain": True}, True),
        ("Press militar", {"limitaciones": ["Hombro", "Muñeca"]}, True),
        ("Peso muerto rumano", {"lesiones": "Lumbalgia; ninguna otra"}, True),
        ("Sentadilla", {"lesiones": "No puedo doblar la rodilla izquierda"}, True),
        ("Sentadilla", {"dolor_rodilla": 7}, True),
        ("Sentadilla", {"dolor_rodilla": "7/10"}, True),
        ("Sentadilla", {"lesiones": {"zona": "rodilla", "activa": True}}, True),
        ("Sentadilla", {"lesiones": "La rodilla no está bien"}, True),
        ("Sentadilla", {"lesiones": "No está bien la rodilla"}, True),
        ("Sentadilla", {"lesiones": "La rodilla está bien, pero duele al correr"}, True),
        ("Peso muerto", {"lesiones": "Cadera"}, True),
        ("Sentadilla", {"hip_pain": "yes"}, True),
        ("Puente de glúteos", {"lesiones": "rodilla"}, False),
        ("Estiramiento de cuádriceps", {"lesiones": "rodilla"}, False),
        ("Sentadilla", {"dolor_rodilla": 0}, False),
        ("Sentadilla", {"lesiones": 2}, False),
        ("Sentadilla", {"lesiones": "No puedo decir que me duela la rodilla"}, False),
        ("Sentadilla", {"lesiones": "La rodilla está bien"}, False),
        ("Sentadilla", {"lesiones": "La rodilla está bien, pero el hombro duele"}, False),
        ("Sentadilla", {"lesiones": {"zona": "rodilla", "activa": False}}, False),
        ("Sentadilla", {"lesiones": [{"zona": "rodilla", "activa": "No"}, "hombro"]}, False),
        ("Sentadilla", {"lesiones": "Ninguna"}, False),
        ("Sentadilla", {"lesiones": "No en la rodilla"}, False),
        ("Sentadilla", {"lesiones": "Operado de la rodilla en 2010"}, False),
        ("Sentadilla", {"lesiones": "Me dolía la rodilla, ya no"}, False),
        ("Sentadilla", {"lesiones_pasadas": "Rodilla"}, False),
        ("Sentadilla", {"dolor_rodilla": "No"}, False),
        ("Sentadilla", {"dolor_rodilla": False}, False),
        ("Sentadilla", {"objetivo": "Fortalecer la rodilla"}, False),
        ("Peso muerto", {"injuries": "upper back"}, False),
    ],
)
def test_load_on_current_injury_gives_a_finding(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    codes = findings_of(program_named(name), athlete(answers))
    assert (("warning", "injury_loaded", f"{EXERCISE}.name") in codes) is is_found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Press con barra", "una barra"),
        ("Dominadas", "una barra de dominadas"),
        ("Prensa de piernas", "máquinas o poleas"),
        ("Jalón al pecho", "una polea o bandas elásticas"),
        ("Remo con bandas", "bandas elásticas"),
        ("Remo con mancuernas", "mancuernas"),
        ("Kettlebell swing", "una pesa rusa"),
    ],
)
def test_finding_names_missing_equipment(name: str, kind: str) -> None:
    findings = program_named(name).check(athlete({"equipamiento": "Ninguno"}))
    says = [f.es for f in findings if f.code == "equipment_missing" and f.path.startswith(EXERCISE)]
    assert says == [f"«{name}» requiere {kind} y el atleta no lo tiene."]


@pytest.mark.parametrize("able", ["puedo", "puede", "soporto", "tolero", "aguanto", "able to"])
def test_joint_that_cannot_be_loaded_is_injured(able: str) -> None:
    athlete_input = athlete({"lesiones": f"no {able} cargar la rodilla"})
    assert "injury_loaded" in [
        code for _, code, _ in findings_of(program_named("Sentadilla"), athlete_input)
    ]


@pytest.mark.parametrize(
    ("answers", "is_known"),
    [
        # The later answer has another subject, or is unclear.
        ([{"lesiones": "Rodilla derecha"}, {"dolor_hombro": False}], True),
        ([{"lesiones": "Rodilla derecha"}, {"molestias_esta_semana": "ninguna"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones_nuevas": "hombro"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Igual que antes"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": ""}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Ver el informe"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No sé"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No ha mejorado"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Sin cambios"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"injuries": "no changes"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No muy bien"}], True),
        ([{"lesiones": "rodilla"}, {"lesiones": "Me operé el hombro hace dos años"}], True),
        ([{"lesiones": "rodilla"}, {"lesiones": "Hace mucho que no voy al médico"}], True),
        ([{"lesiones": "rodilla"}, {"lesiones": "Me dolía la rodilla, ya no"}], False),
        ([{"dolor_rodilla": 6}, {"dolor_rodilla": "igual"}], True),
        ([{"dolor_rodilla": True, "lesiones": "ninguna"}], True),
        ([{"lesiones": "rodilla", "dolor_rodilla": False}], True),
        ([{"lesiones": "ninguna"}, {"dolor_rodilla": True}], True),
        # The later answer is to the same question, the general question, or about the joint.
        ([{"lesiones": "Rodilla derecha"}, {"Lesiones": "Ninguna"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": False}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "hombro"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "La rodilla está bien"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"injuries": "none"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No tengo ninguna lesión"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Nada, todo bien"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Ya curada"}], False),
        ([{"lesiones": "rodilla"}, {"lesiones": {"zona": "rodilla", "activa": False}}], False),
        ([{"lesiones": "Rodilla derecha"}, {"dolor_rodilla": "no"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"dolor_rodilla": 0}], False),
        ([{"dolor_rodilla": True}, {"lesiones_actuales": "ninguna"}], False),
        ([{"molestias_esta_semana": "rodilla"}, {"molestias_esta_semana": "ninguna"}], False),
    ],
)
def test_injury_lasts_until_next_answer(answers: list[dict[str, Any]], is_known: bool) -> None:
    codes = [code for _, code, _ in findings_of(program_named("Sentadilla"), athlete(*answers))]
    assert ("injury_loaded" in codes) is is_known


@pytest.mark.parametrize(
    ("name", "answers", "is_found"),
    [
        ("Burpee con salto", {"ejercicios_a_evitar": "Burpees"}, True),
        ("Peso muerto rumano", {"exercises_to_avoid": ["dominadas", "Peso muerto"]}, True),
        ("Peso muerto", {"ejercicios_a_evitar": "Burpees y peso muerto"}, True),
        ("Burpee", {"ejercicios_a_evitar": "Ninguno"}, False),
        (
            "Burpee",
            {"ejercicios_a_evitar": "Cualquier cosa que se parezca mucho a un burpee"},
            False,
        ),
        ("Burpee", {"ejercicios_favoritos": "Burpee"}, False),
    ],
)
def test_exercise_to_avoid_gives_a_finding(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    codes = findings_of(program_named(name), athlete(answers))
    assert (("warning", "exercise_to_avoid", f"{EXERCISE}.name") in codes) is is_found


def test_newer_questionnaire_counts() -> None:
    program = program_named("Sentadilla")
    payloads: list[dict[str, Any]] = [
        {"lesiones": "rodilla", "dias_por_semana": 3},
        {"lesiones": "ninguna"},
        {"otra": 1},
    ]
    codes = [code for _, code, _ in findings_of(program, athlete(*payloads))]
    assert codes == ["days_not_as_asked"]
    dated = athlete(*payloads).model_dump(exclude_unset=True)
    for month, questionnaire in zip((3, 2, 1), dated["questionnaires"], strict=True):
        questionnaire["submitted_at"] = f"2026-0{month}-01T10:00:00Z"
    again = [code for _, code, _ in findings_of(program, EDN360Input.model_validate(dated))]
    assert again == ["days_not_as_asked", "injury_loaded"]


def test_sessions_without_period_are_not_weekly_days() -> None:
    program = EnrichedTrainingProgram.model_validate(GOOD)
    athlete_input = athlete({"days_per_week": 4}, {"sesiones_entrenamiento": 1})
    assert [code for _, code, _ in findings_of(program, athlete_input)] == ["days_not_as_asked"]


def test_nutrition_questionnaire_is_ignored() -> None:
    data = {
        "user_profile": {"user_id": "a"},
        "questionnaires": [{"source": "nutrition_initial", "payload": {"dias_por_semana": 3}}],
    }
    program = EnrichedTrainingProgram.model_validate(GOOD)
    assert findings_of(program, EDN360Input.model_validate(data)) == []


@pytest.mark.parametrize("name", ["athlete_initial", "athlete_evolution"])
def test_simulated_programs_fit_the_examples(name: str) -> None:
    athlete_input = EDN360Input.model_validate_json((EXAMPLES / f"{name}.json").read_text("utf-8"))
    program = EnrichedTrainingProgram.model_validate(simulated_program(athlete_input))
    assert program.check(athlete_input) == []


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
    ("name", "answers", "is_found"),
    [
        *(
            ("Press de banca con barra", answers, False)
            for answers in (
                {"gimnasio": "Sí", "material_casa": "Nada"},
                {"gimnasio": "El de mi barrio", "equipamiento_casa": "ninguno"},
                {"acceso_gimnasio": "Sí, comercial", "equipamiento": "Nada"},
                {"entrenas_en": "gimnasio", "material_casa": "Nada"},
                {"gym_access": "full", "equipment_at_home": "none"},
            )
        ),
        ("Press de banca con barra", {"gimnasio": "No", "material_casa": "Nada"}, True),
        ("Press de banca con barra", {"gimnasio": False, "material_casa": "gomas"}, True),
        ("Jalón al pecho barra ancha", {"equipamiento": "Máquinas"}, False),
        ("Sentadilla con barra en multipower", {"equipamiento": "Máquinas"}, False),
        ("Fondos en barras paralelas", {"equipamiento": "Mancuernas"}, False),
        ("Remo en barra T", {"equipamiento": "Máquinas"}, False),
        ("Remo con barra", {"equipamiento": "Máquinas"}, True),
    ],
)
def test_equipment_of_gym_and_home_counts(name: str, answers: Any, is_found: bool) -> None:
    codes = [(code, path) for _, code, path in findings_of(program_named(name), athlete(answers))]
    assert (("equipment_missing", f"{EXERCISE}.name") in codes) is is_found


@pytest.mark.parametrize(
    ("answers", "is_found"),
    [
        ({"problemas_musculares": "contractura lumbar"}, True),
        ({"hernias_protusiones": "Sí"}, True),
        ({"hernias_protusiones": "L5-S1"}, True),
        ({"hernias_protusiones": "No"}, False),
        ({"hernias_protusiones": "hernia inguinal"}, False),
        ({"artrosis": "en las caderas"}, True),
        ({"artrosis": "No"}, False),
        ({"lesiones_actuales_o_pasadas": "lumbares"}, True),
        ({"objetivos_de_salud": "mejorar la espalda"}, False),
    ],
)
def test_health_question_of_real_form_is_read(answers: dict[str, Any], is_found: bool) -> None:
    codes = [code for _, code, _ in findings_of(program_named("Peso muerto"), athlete(answers))]
    assert ("injury_loaded" in codes) is is_found


@pytest.mark.parametrize(
    "fields", [{"name": "Ejercicio no mapeado"}, {"name": "Remo", "primary_group": "UNKNOWN"}]
)
def test_placeholder_name_gives_a_warning(fields: dict[str, Any]) -> None:
    program = {"sessions": [{"blocks": [{"exercises": [fields]}]}]}
    findings = EnrichedTrainingProgram.model_validate(program).check()
    assert "placeholder" in {finding.code for finding in findings}


def test_every_finding_has_text_in_each_language() -> None:
    source = Path(checks.__file__).read_text("utf-8")
    codes = {*re.findall(r'[(]\s*"(?:error|warning|info)", "(\w+)"', source), "video_missing_all"}
    assert len(codes) > 25
    english = words("en")
    for lang in get_args(Language):
        texts = words(lang)
        assert texts.findings.keys() == codes
        assert texts.numbers.keys() == english.numbers.keys()
        for code, text in texts.findings.items():
            values = set(re.findall(r"{(\w+)}", english.findings[code]))
            assert set(re.findall(r"{(\w+)}", text)) == values, (lang, code)
