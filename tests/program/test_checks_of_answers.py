"""A program compared with the athlete's answers: days, minutes, exercises to avoid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram
from edn360_chatkit.testing._workflow import simulated_program

from .good import EXERCISE, GOOD, athlete, findings_of, program_named

EXAMPLES = Path(__file__).parents[2] / "examples"


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
