"""What a check finds in a program, and what it does not."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram, Finding
from edn360_chatkit.program import checks
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


def changed(path: str, value: Any) -> EnrichedTrainingProgram:
    """The good program with one value changed."""
    data = copy.deepcopy(GOOD)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = data
    for part in way:
        place = place[part]
    place[last] = value
    return EnrichedTrainingProgram.model_validate(data)


def athlete(*answers: dict[str, Any], **fields: Any) -> EDN360Input:
    """An athlete who filled in one questionnaire after the other."""
    asked = [{"source": "initial", "payload": given} for given in answers]
    data = {"user_profile": {"user_id": "athlete-1"}, "questionnaires": asked, **fields}
    return EDN360Input.model_validate(data)


def found(program: EnrichedTrainingProgram, against: EDN360Input | None = None) -> list[Any]:
    return [(f.severity, f.code, f.path) for f in program.check(against)]


def named(name: str) -> EnrichedTrainingProgram:
    return changed(f"{EXERCISE}.name", name)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_program_of_the_field_is_checked(case: dict[str, Any]) -> None:
    asked = None
    if "questionnaire" in case:
        data = {"user_profile": {"user_id": "a"}, "questionnaires": [case["questionnaire"]]}
        asked = EDN360Input.model_validate(data)
    want = case["want"]
    findings = EnrichedTrainingProgram.model_validate(case["program"]).check(asked)
    codes = {finding.code for finding in findings}
    assert set(want.get("has", [])) <= codes
    assert not codes & set(want.get("has_not", []))
    if "finds_more_than" in want:
        sound = EnrichedTrainingProgram.model_validate(want["finds_more_than"])
        assert codes - {finding.code for finding in sound.check(asked)}
    for lang, text in want.get("text_has_not", {}).items():
        assert not [finding for finding in findings if text in finding.message(lang)]


def test_there_is_nothing_to_say_of_a_good_program() -> None:
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
def test_a_fault_is_found_where_it_is(
    path: str, value: Any, severity: str, code: str, where: str
) -> None:
    assert (severity, code, where) in found(changed(path, value))
    assert not [f for f in found(changed(path, value)) if f[1] != code and code != "series_missing"]


@pytest.mark.parametrize(
    "reps",
    [
        *("AMRAP", "máx", "al fallo", "20 m", "15 calorías", "45-60s", "8/lado", "8RM"),
        *("Pirámide 12-10-8", "Descendente 12-10-8-6", "Cluster 4x2", "menos de 10"),
    ],
)
def test_reps_that_say_what_to_do_are_no_fault(reps: str) -> None:
    assert found(changed(f"{EXERCISE}.reps", reps)) == []


@pytest.mark.parametrize("rpe", ["-", "—", "", "N/A", "n.a.", "No aplica", "ninguno"])
def test_an_rpe_that_says_that_there_is_none_is_no_fault(rpe: str) -> None:
    assert found(changed(f"{EXERCISE}.rpe", rpe)) == []


def sessions_of(count: int, **fields: Any) -> list[str]:
    """The codes of errors in a program with the good session that many times."""
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
def test_weeks_written_out_as_sessions_are_found(
    count: int, fields: dict[str, Any], codes: list[str]
) -> None:
    assert sessions_of(count, **fields) == codes


def test_week_numbers_in_names_are_weeks_written_out() -> None:
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
def test_reps_that_can_not_be_meant_are_a_typo(reps: str, is_typo: bool) -> None:
    codes = [code for _, code, _ in found(changed(f"{EXERCISE}.reps", reps))]
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
def test_block_that_trains_none_of_its_muscles_is_found(
    muscles: list[str], groups: list[str | None], is_found: bool
) -> None:
    data = copy.deepcopy(GOOD)
    block = data["sessions"][0]["blocks"][0]
    block["primary_muscles"] = muscles
    for exercise, group in zip(block["exercises"], groups, strict=True):
        exercise["primary_group"] = group
    codes = found(EnrichedTrainingProgram.model_validate(data))
    assert (("warning", "muscles_not_trained", "sessions.0.blocks.0") in codes) is is_found


def test_exercise_twice_in_a_session_is_found() -> None:
    program = changed("sessions.0.blocks.1.exercises.0.name", "Remo con mancuernas")
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


def test_a_single_day_is_one_day() -> None:
    program = EnrichedTrainingProgram.model_validate(GOOD)
    (finding,) = program.check(athlete({"dias_por_semana": 3}))
    assert finding.es == "El programa es de 1 día por semana; el cuestionario dice 3."
    assert finding.en == "The program has 1 day a week; the questionnaire says 3."


def test_orders_may_go_on_from_block_to_block() -> None:
    assert found(changed("sessions.0.blocks.1.exercises.0.order", 3)) == []
    assert found(changed("sessions.0.blocks.1.exercises.0.order", 4)) == [
        ("warning", "order_gap", "sessions.0.blocks.1")
    ]


def test_a_time_that_can_not_be_estimated_is_not_compared() -> None:
    program = changed(f"{EXERCISE}.reps", "AMRAP").model_copy(update={"session_duration_min": 200})
    assert found(program) == []


def test_a_session_is_too_long_whatever_else_is_in_it() -> None:
    program = changed(f"{EXERCISE}.reps", "AMRAP").model_copy(update={"session_duration_min": 15})
    assert found(program) == [("warning", "time_far", "sessions.0")]


def test_videos_that_are_missing_are_counted() -> None:
    data = copy.deepcopy(GOOD)
    session = data["sessions"][0]
    session["core_mobility_block"] = {"exercises": [{"name": "x", "series": 1, "reps": 1}]}
    for exercise in session["blocks"][0]["exercises"]:
        del exercise["video_url"]
    (finding,) = EnrichedTrainingProgram.model_validate(data).check()
    assert (finding.code, finding.path) == ("video_missing", "sessions.0")
    assert finding.es == "Sin vídeo: 3 de 4 ejercicios."
    assert finding.en == "Without a video: 3 of 4 exercises."


def test_the_exercises_of_the_core_block_are_checked() -> None:
    exercises = [
        {"name": "Plancha", "series": "?", "reps": None, "rpe": 11, "video_url": "ftp://x"},
        {"name": "Sentadilla con barra", "series": 1, "reps": 1, "video_url": "https://x.es"},
    ]
    core = {"exercises": exercises, "duration_min": 10}
    asked = athlete(
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
    assert [f for f in found(program, asked) if f[2].startswith(place)] == expected
    # A day of core and mobility alone is no empty one, and its time is not known.
    data["sessions"][0]["blocks"] = []
    assert found(EnrichedTrainingProgram.model_validate(data), asked) == expected


@pytest.mark.parametrize("core", [None, "plancha", [], {"exercises": []}, {"exercises": "x"}])
def test_a_core_block_without_exercises_leaves_a_session_empty(core: Any) -> None:
    data = copy.deepcopy(GOOD)
    data["sessions"][0].update(blocks=[], core_mobility_block=core)
    program = EnrichedTrainingProgram.model_validate(data)
    assert found(program) == [("error", "empty_session", "sessions.0")]


def test_a_finding_speaks_both_languages() -> None:
    (finding,) = changed(f"{EXERCISE}.rpe", "11\n" + "x" * 100).check()
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
        ({"dias_disponibles": ["lunes", "jueves"]}, []),  # not all of them need be trained on
        ({"¿Cuántos días puedes entrenar a la semana?": "Entre 3 y 4"}, ["days_not_as_asked"]),
        ({"dias_por_semana": "entre 1 y 3 días"}, []),
        ({"dias_por_semana": "los que pueda, 3 o así"}, []),
        ({"dias_por_semana_de_cardio": 3}, []),
        ({"dias_de_descanso_semana": 3}, []),
        ({"duracion_sesion": 30}, ["minutes_over"]),
        ({"minutes_per_session": "20-30 min"}, ["minutes_over"]),
        ({"¿Cuánto tiempo tienes por sesión?": "entre 20 y 30 minutos"}, ["minutes_over"]),
        ({"tiempo_disponible": "30 min"}, []),  # in a day, or in a week
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
        # A time of day, or that of a week.
        ({"training_time": "18-20"}, []),
        ({"session_time": "18-20"}, []),
        ({"session_time": 18}, []),
        ({"workout_time": 18}, []),
        ({"tiempo_de_entrenamiento": 24}, []),
        ({"How much time do you have for training?": "3 hours"}, []),
        ({"tiempo_disponible_entrenamiento": "180 min"}, []),
        # Those of today, or of a plan.
        ({"sesiones_entrenamiento": 2}, []),
        ({"sesiones_por_semana": 2}, ["days_not_as_asked"]),
        ({"minutos_por_sesion_de_cardio": 20}, []),
    ],
)
def test_days_and_minutes_are_compared_where_the_answer_is_beyond_doubt(
    answers: dict[str, Any], codes: list[str]
) -> None:
    program = EnrichedTrainingProgram.model_validate(GOOD)
    assert [code for _, code, _ in found(program, athlete(answers))] == codes


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
        # There is one, or there may be.
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
        # The exercise does not need it, or there is another way.
        ("Remo en barra de dominadas", {"equipamiento": "Barra de dominadas"}, False),
        ("Remo invertido en barra", {"equipamiento": "Barra de dominadas"}, False),
        ("Sentadilla sin barra", {"equipamiento": "Ninguno"}, False),
        ("Sentadilla con barra o mochila", {"equipamiento": "Ninguno"}, False),
        ("Barbell/backpack squat", {"equipment": "none"}, False),
        ("Barracuda", {"equipment": "none"}, False),
    ],
)
def test_equipment_is_missed_only_where_there_is_none(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    # The good program's own row needs a dumbbell.
    program = named(name)
    codes = [(code, path) for _, code, path in found(program, athlete(answers))]
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
def test_an_injury_is_loaded_only_where_it_is_said_to_hurt_now(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    codes = found(named(name), athlete(answers))
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
def test_a_finding_names_what_is_missing(name: str, kind: str) -> None:
    findings = named(name).check(athlete({"equipamiento": "Ninguno"}))
    says = [f.es for f in findings if f.code == "equipment_missing" and f.path.startswith(EXERCISE)]
    assert says == [f"«{name}» requiere {kind} y el atleta no lo tiene."]


@pytest.mark.parametrize("able", ["puedo", "puede", "soporto", "tolero", "aguanto", "able to"])
def test_who_is_not_able_to_move_a_joint_names_it(able: str) -> None:
    asked = athlete({"lesiones": f"no {able} cargar la rodilla"})
    assert "injury_loaded" in [code for _, code, _ in found(named("Sentadilla"), asked)]


@pytest.mark.parametrize(
    ("answers", "is_known"),
    [
        # About something else, or in doubt.
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
        # The same question, the general one, the joint itself.
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
def test_an_injury_is_known_until_it_is_answered_again(
    answers: list[dict[str, Any]], is_known: bool
) -> None:
    codes = [code for _, code, _ in found(named("Sentadilla"), athlete(*answers))]
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
def test_an_exercise_to_avoid_is_found_by_its_name(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    codes = found(named(name), athlete(answers))
    assert (("warning", "exercise_to_avoid", f"{EXERCISE}.name") in codes) is is_found


def test_of_two_questionnaires_the_newer_one_counts() -> None:
    program = named("Sentadilla")
    asked: list[dict[str, Any]] = [
        {"lesiones": "rodilla", "dias_por_semana": 3},
        {"lesiones": "ninguna"},
        {"otra": 1},
    ]
    codes = [code for _, code, _ in found(program, athlete(*asked))]
    assert codes == ["days_not_as_asked"]
    dated = athlete(*asked).model_dump(exclude_unset=True)
    for month, questionnaire in zip((3, 2, 1), dated["questionnaires"], strict=True):
        questionnaire["submitted_at"] = f"2026-0{month}-01T10:00:00Z"
    again = [code for _, code, _ in found(program, EDN360Input.model_validate(dated))]
    assert again == ["days_not_as_asked", "injury_loaded"]


def test_sessions_of_an_unknown_time_do_not_replace_the_days_of_a_week() -> None:
    program = EnrichedTrainingProgram.model_validate(GOOD)
    asked = athlete({"days_per_week": 4}, {"sesiones_entrenamiento": 1})
    assert [code for _, code, _ in found(program, asked)] == ["days_not_as_asked"]


def test_what_is_asked_about_food_is_not_about_training() -> None:
    data = {
        "user_profile": {"user_id": "a"},
        "questionnaires": [{"source": "nutrition_initial", "payload": {"dias_por_semana": 3}}],
    }
    program = EnrichedTrainingProgram.model_validate(GOOD)
    assert found(program, EDN360Input.model_validate(data)) == []


@pytest.mark.parametrize("name", ["athlete_initial", "athlete_evolution"])
def test_the_simulated_programs_are_as_the_examples_ask(name: str) -> None:
    asked = EDN360Input.model_validate_json((EXAMPLES / f"{name}.json").read_text("utf-8"))
    program = EnrichedTrainingProgram.model_validate(simulated_program(asked))
    assert program.check(asked) == []


@settings(deadline=None)  # the first one imports the room
@given(programs, inputs)
def test_every_program_can_be_checked_against_every_input(
    data: dict[str, Any], asked: dict[str, Any]
) -> None:
    program = EnrichedTrainingProgram.model_validate(data)
    for finding in program.check(EDN360Input.model_validate(asked)):
        assert finding.es
        assert finding.en
        place: Any = json.loads(json.dumps(data))
        *way, _ = finding.path.split(".")
        for part in way:  # the last part may be what is missing
            place = place[int(part) if part.isdigit() else part]


def test_hostile_text_is_checked_at_once() -> None:
    huge = "barra " * 200_000
    data: dict[str, Any] = {
        "title": "t",
        "days_per_week": 10**5000,
        "session_duration_min": 10**5000,
        "sessions": [{"blocks": [{"exercises": [{"name": huge, "order": 10**5000, "rpe": huge}]}]}],
    }
    asked = athlete(
        {"lesiones": huge, "equipamiento": "ninguno", huge: huge, "dias_por_semana": huge}
    )
    program = EnrichedTrainingProgram.model_validate(data)
    findings = program.check(asked)
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
def test_gym_and_home_are_one_equipment(name: str, answers: Any, is_found: bool) -> None:
    codes = [(code, path) for _, code, path in found(named(name), athlete(answers))]
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
def test_health_question_of_a_real_form_is_read(answers: dict[str, Any], is_found: bool) -> None:
    codes = [code for _, code, _ in found(named("Peso muerto"), athlete(answers))]
    assert ("injury_loaded" in codes) is is_found


@pytest.mark.parametrize(
    "fields", [{"name": "Ejercicio no mapeado"}, {"name": "Remo", "primary_group": "UNKNOWN"}]
)
def test_placeholder_is_a_warning(fields: dict[str, Any]) -> None:
    program = {"sessions": [{"blocks": [{"exercises": [fields]}]}]}
    findings = EnrichedTrainingProgram.model_validate(program).check()
    assert "placeholder" in {finding.code for finding in findings}


def test_every_finding_has_a_text_in_every_language() -> None:
    from edn360_chatkit.program.texts import words

    source = Path(checks.__file__).read_text("utf-8")
    codes = {*re.findall(r'[(]\s*"(?:error|warning|info)", "(\w+)"', source), "video_missing_all"}
    assert len(codes) > 25
    spanish, english = (words(lang).findings for lang in ("es", "en"))
    assert set(spanish) == set(english) == codes
    for code in codes:
        values = (set(re.findall(r"{(\w+)}", texts[code])) for texts in (spanish, english))
        assert next(values) == next(values), code
