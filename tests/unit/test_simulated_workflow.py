"""The simulated workflow keeps the rules that docs/simulated-workflow.md publishes."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edn360_chatkit.inputs import EDN360Input
from edn360_chatkit.program.model import EnrichedTrainingProgram
from edn360_chatkit.testing._exercises import (
    ALL_EQUIPMENT,
    ALL_JOINTS,
    CATALOGUE,
    CUES,
    GOALS,
    MOBILITY,
    SPLITS,
    Exercise,
)
from edn360_chatkit.testing._questionnaires import Athlete, read_athlete
from edn360_chatkit.testing._workflow import simulated_program, simulated_steps

ROOT = Path(__file__).parents[2]
CATALOGUE_BY_NAME: dict[str, Exercise] = {
    exercise.name: exercise for exercises in CATALOGUE.values() for exercise in exercises
}
HUGE = pytest.param(10**5000, id="huge")  # pytest can't write the number itself
ALL_INJURED = "knee, shoulder, back, wrist, ankle, elbow, hip, neck"


def questionnaires(*answers: dict[str, Any], **context: Any) -> EDN360Input:
    """An athlete who filled in one questionnaire after the other."""
    return EDN360Input.model_validate(
        {
            "user_profile": {"user_id": "athlete-1"},
            "questionnaires": [{"payload": answer} for answer in answers],
            "context": context,
        }
    )


def read(*answers: dict[str, Any]) -> Athlete:
    return read_athlete(questionnaires(*answers))


def program(**answers: Any) -> dict[str, Any]:
    return simulated_program(questionnaires(answers))


def main_exercises(session: dict[str, Any]) -> list[dict[str, Any]]:
    return [exercise for block in session["blocks"] for exercise in block["exercises"]]


def all_exercises(written: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        exercise
        for session in written["sessions"]
        for exercise in (*main_exercises(session), *session["core_mobility_block"]["exercises"])
    ]


def names(written: dict[str, Any]) -> list[str]:
    return [exercise["name"] for exercise in all_exercises(written)]


# --- Days ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "answer", "days"),
    [
        ("days_per_week", 4, 4),
        ("training_days", "5", 5),
        ("trainingDaysPerWeek", 2.0, 2),
        ("How many days a week can you train?", "3-4 days", 3),
        ("dias_por_semana", "6 días", 6),
        ("dias_entrenamiento", "cuatro", 4),
        ("¿Cuántos días a la semana?", "dos o tres", 2),
        ("DÍAS DISPONIBLES", ["lunes", "miércoles", "", "viernes"], 3),
        ("training_days", ["Mon", "Wed", "Fri"], 3),
        ("training_days", [1, 5], 2),
        ("training_days", ["3-4"], 3),
        ("training_days", {"monday": True, "tuesday": False, "friday": "yes"}, 2),
        ("dias_entreno", "Lunes, miércoles y viernes a las 18:00", 3),
        ("dias_entreno", "de lunes a viernes", 5),
        ("frecuencia_semanal", "todos los días", 7),
    ],
)
def test_days_are_read_in_both_languages(key: str, answer: Any, days: int) -> None:
    assert read({key: answer}).days_per_week == days


@pytest.mark.parametrize(
    "answer", [0, 8, -3, "-3", True, False, None, "", "no", [], {}, HUGE, float("nan"), b"4"]
)
def test_days_that_cannot_be_read_are_three(answer: Any) -> None:
    athlete = read({"days_per_week": answer})
    assert athlete.days_per_week == 3
    assert "days_per_week" in athlete.assumed


def test_days_of_rest_are_not_training_days() -> None:
    assert read({"rest_days_per_week": 2}).days_per_week == 3
    assert read({"dias_descanso_por_semana": 2}).days_per_week == 3


def test_every_number_of_days_has_its_week() -> None:
    week = {days: [s["name"] for s in program(days_per_week=days)["sessions"]] for days in SPLITS}
    assert {days: len(sessions) for days, sessions in week.items()} == {n: n for n in range(1, 8)}
    assert week[3] == ["Full body A", "Full body B", "Full body C"]
    assert week[4] == ["Upper body A", "Lower body A", "Upper body B", "Lower body B"]
    assert week[5] == ["Push A", "Pull A", "Legs A", "Upper body A", "Lower body A"]
    assert week[7] == [*week[6], "Mobility"]


def test_sessions_and_blocks_are_numbered() -> None:
    written = program(days_per_week=5, minutes_per_session=90)
    assert [session["id"] for session in written["sessions"]] == ["D1", "D2", "D3", "D4", "D5"]
    for session in written["sessions"]:
        assert "".join(block["id"] for block in session["blocks"]) in "ABCD"
    assert written["days_per_week"] == 5


def test_days_of_the_same_kind_differ() -> None:
    first, second = program(days_per_week=2, equipment="gym")["sessions"]
    assert not {e["name"] for e in main_exercises(first)} & {
        e["name"] for e in main_exercises(second)
    }


def test_the_day_of_mobility_is_easy_whatever_the_level() -> None:
    answers = {"days_per_week": 7, "level": "advanced", "goal": "strength"}
    written = simulated_program(
        questionnaires(answers, previous_training_plan={"plan_data": {"title": "Before"}})
    )
    for exercise in main_exercises(written["sessions"][-1]):
        assert CATALOGUE_BY_NAME[exercise["name"]] in CATALOGUE["mobility"]
        assert (exercise["series"], exercise["reps"], exercise["rpe"]) == (2, "30-45s", "3-4")


# --- Minutes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "answer", "minutes"),
    [
        ("session_duration_min", 60, 60),
        ("session_duration", "45", 45),
        ("minutesPerSession", "45-60 min", 45),
        ("minutes_per_session", "60 to 75 minutes", 60),
        ("session_length", "1.5 hours", 90),
        ("workout_duration", "half an hour", 30),
        ("session_length", "an hour", 60),
        ("duracion_sesion", "60 minutos", 60),
        ("duración de la sesión", "1 hora", 60),
        ("tiempo_por_sesion", "1h30", 90),
        ("tiempo_por_sesion", "1:30", 90),
        ("tiempo_por_sesion", "1 hora y media", 90),
        ("tiempo_por_sesion", "2 horas y 15 minutos", 135),
        ("tiempo_por_sesion", "1-2 horas", 60),
        ("tiempo_por_sesion", "45 min - 1 hora", 45),
        ("tiempo_por_sesion", "Hora y media", 90),
        ("tiempo_disponible", "media hora", 30),
        ("duracion_sesion_horas", 1.5, 90),
        ("duracion_sesion_horas", "1,5", 90),
    ],
)
def test_minutes_are_read_in_both_languages(key: str, answer: Any, minutes: int) -> None:
    assert read({key: answer}).session_minutes == minutes


@pytest.mark.parametrize(
    "answer", [9, 241, True, None, "", "no", "no sé", "a las 18:00", HUGE, float("inf"), []]
)
def test_minutes_that_cannot_be_read_are_sixty(answer: Any) -> None:
    athlete = read({"session_duration_min": answer})
    assert athlete.session_minutes == 60
    assert "session_duration_min" in athlete.assumed


def test_the_rest_between_sets_is_not_the_length_of_a_session() -> None:
    assert read({"tiempo_descanso_sesion": 10, "rest_minutes_session": 10}).session_minutes == 60


@pytest.mark.parametrize(
    ("goal", "minutes", "exercises"),
    [
        ("strength", 60, 3),
        ("hypertrophy", 60, 5),
        ("fat loss", 60, 7),
        ("endurance", 45, 5),
        ("general", 30, 2),
        ("general", 90, 7),
        ("general", 240, 8),
        ("strength", 10, 1),
    ],
)
def test_a_session_has_as_many_exercises_as_its_minutes_allow(
    goal: str, minutes: int, exercises: int
) -> None:
    written = program(goal=goal, minutes_per_session=minutes, equipment="gym")
    assert written["session_duration_min"] == minutes
    assert [len(main_exercises(s)) for s in written["sessions"]] == [exercises] * 3


@pytest.mark.parametrize("minutes", [*range(10, 40), 47, 60, 89, 120, 240])
def test_a_session_keeps_its_time(minutes: int) -> None:
    answers = {"minutes_per_session": minutes, "level": "advanced", "days_per_week": 7}
    for goal, prescription in GOALS.items():
        for session in program(**answers, goal=goal.replace("_", " "))["sessions"]:
            done = MOBILITY if session["name"] == "Mobility" else prescription
            sets = sum(exercise["series"] for exercise in main_exercises(session))
            work = minutes - minutes // 6 - minutes // 12
            assert sets * done.minutes_per_set <= work
            assert all(exercise["series"] >= 1 for exercise in main_exercises(session))


@pytest.mark.parametrize(
    ("minutes", "warm_up", "work", "closing"), [(60, 10, 45, 5), (100, 16, 76, 8), (10, 1, 8, 1)]
)
def test_a_session_says_how_its_time_is_counted(
    minutes: int, warm_up: int, work: int, closing: int
) -> None:
    session = program(goal="strength", minutes_per_session=minutes)["sessions"][0]
    assert f"Warm up for {warm_up} minutes" in session["session_notes"]
    assert f"up to {work} minutes, counting 3 minutes a set" in session["session_notes"]
    assert session["core_mobility_block"]["duration_min"] == closing


def test_every_session_closes_with_one_easy_series_of_core_and_mobility() -> None:
    for session in program(goal="strength", days_per_week=7)["sessions"]:
        core, mobility = session["core_mobility_block"]["exercises"]
        assert CATALOGUE_BY_NAME[core["name"]] in CATALOGUE["core"]
        assert CATALOGUE_BY_NAME[mobility["name"]] in CATALOGUE["mobility"]
        for exercise in (core, mobility):
            assert (exercise["series"], exercise["rpe"]) == (1, "3-4")
        assert (core["order"], mobility["order"]) == (1, 2)


# --- Goal and level -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "answer", "goal"),
    [
        ("goal", "Strength", "strength"),
        ("objetivo", "Ganar FUERZA", "strength"),
        ("main_goal", "build muscle", "hypertrophy"),
        ("objetivo_principal", "hipertrofia", "hypertrophy"),
        ("objetivo", "Ganar músculo y perder grasa", "hypertrophy"),
        ("objetivo", "Perder grasa sin perder músculo", "fat_loss"),
        ("mainGoal", "fat loss", "fat_loss"),
        ("objetivo", "bajar de peso", "fat_loss"),
        ("goals", ["lose weight", "health"], "fat_loss"),
        ("goal", "Run a marathon", "endurance"),
        ("goal", "muscular endurance", "endurance"),
        ("meta", "resistencia", "endurance"),
        ("objetivo", "No busco fuerza, solo mejorar mi salud", "general_fitness"),
        ("goal", "general fitness", "general_fitness"),
    ],
)
def test_goals_are_read_in_both_languages(key: str, answer: Any, goal: str) -> None:
    athlete = read({key: answer})
    assert athlete.goal == goal
    assert "goal" not in athlete.assumed


@pytest.mark.parametrize("answer", [None, "", "no", True, 70, "something else", {"a": {"b": []}}])
def test_a_goal_that_cannot_be_read_is_general_fitness(answer: Any) -> None:
    athlete = read({"goal": answer})
    assert athlete.goal == "general_fitness"
    assert "goal" in athlete.assumed


def test_the_main_goal_counts_before_another() -> None:
    answers = {"objetivo_secundario": "resistencia", "objetivo_principal": "fuerza"}
    assert read(answers).goal == "strength"


@pytest.mark.parametrize(
    ("goal", "title", "done"),
    [
        ("fuerza", "Strength", (4, "4-6", "7-8")),
        ("hipertrofia", "Hypertrophy", (3, "8-12", "7-8")),
        ("perder grasa", "Fat loss", (3, "12-15", "6-7")),
        ("resistencia", "Endurance", (3, "15-20", "5-6")),
        ("salud", "General fitness", (3, "10-12", "6-7")),
    ],
)
def test_the_goal_sets_series_repetitions_and_rpe(
    goal: str, title: str, done: tuple[int, str, str]
) -> None:
    written = program(objetivo=goal)
    assert written["goal"] == title
    first = written["sessions"][0]["blocks"][0]["exercises"][0]
    assert (first["series"], first["reps"], first["rpe"]) == done


def test_only_fat_loss_and_endurance_end_with_conditioning() -> None:
    conditioned = {
        goal
        for goal in GOALS
        for session in program(goal=goal.replace("_", " "))["sessions"]
        if CATALOGUE_BY_NAME[main_exercises(session)[-1]["name"]] in CATALOGUE["conditioning"]
    }
    assert conditioned == {"fat_loss", "endurance"}


def test_a_session_of_one_exercise_does_not_spend_it_on_conditioning() -> None:
    (exercise,) = main_exercises(program(goal="fat loss", minutes_per_session=10)["sessions"][0])
    assert CATALOGUE_BY_NAME[exercise["name"]] in CATALOGUE["squat"]


def test_exercises_that_are_held_are_counted_in_seconds() -> None:
    for exercise in all_exercises(program(goal="fat loss")):
        if CATALOGUE_BY_NAME[exercise["name"]].timed:
            assert exercise["reps"] == "30-45s"


@pytest.mark.parametrize(
    ("answers", "level", "series"),
    [
        ({"experience": "Beginner"}, "beginner", 2),
        ({"experiencia_previa": "no"}, "beginner", 2),
        ({"nivel": "intermedio"}, "intermediate", 3),
        ({"training_level": "Advanced"}, "advanced", 4),
        ({"nivel": "avanzado"}, "advanced", 4),
        ({"nivel_estres": "no", "activity_level": "advanced"}, "intermediate", 3),
        ({"experience": 5}, "intermediate", 3),
    ],
)
def test_the_level_changes_the_series(answers: dict[str, Any], level: str, series: int) -> None:
    assert read(answers).level == level
    assert main_exercises(program(**answers)["sessions"][0])[0]["series"] == series


# --- Equipment ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "equipment"),
    [
        ({"equipment": "gym"}, ALL_EQUIPMENT),
        ({"equipamiento": "Gimnasio completo"}, ALL_EQUIPMENT),
        ({"lugar_entrenamiento": "gimnasio"}, ALL_EQUIPMENT),
        ({"acceso_gimnasio": True}, ALL_EQUIPMENT),
        ({"equipment": ["dumbbells", "bands"]}, {"dumbbells", "bands"}),
        ({"material": "mancuernas y una pesa rusa"}, {"dumbbells", "kettlebell"}),
        ({"equipamiento": "Barra, bandas elásticas, máquinas"}, {"barbell", "bands", "machines"}),
        ({"equipment": "a pull-up bar"}, {"pull_up_bar"}),
        ({"material": ["barra de dominadas"]}, {"pull_up_bar"}),
        ({"equipment": {"gym": False, "kettlebell": True, "bands": None}}, {"kettlebell"}),
        ({"material": "No tengo barra, tengo mancuernas"}, {"dumbbells"}),
        ({"material": "No tengo barra solo mancuernas"}, {"dumbbells"}),
        ({"equipment": "No gym but bands"}, {"bands"}),
        ({"acceso_gimnasio": "no", "material": "gomas"}, {"bands"}),
        ({"equipment": "bodyweight"}, set[str]()),
        ({"equipamiento": "peso corporal"}, set[str]()),
        ({"equipment": "none"}, set[str]()),
        ({"equipment": "no"}, set[str]()),
        ({"equipment": False}, set[str]()),
        ({"equipment": 0}, set[str]()),
        ({"material": "sin material"}, set[str]()),
        ({"material": "Ninguno"}, set[str]()),
    ],
)
def test_equipment_is_read_in_both_languages(answers: dict[str, Any], equipment: set[str]) -> None:
    athlete = read(answers)
    assert athlete.equipment == equipment
    assert "equipment" not in athlete.assumed


@pytest.mark.parametrize("answer", [None, "", "  ", [], {}, True, "yes", "lots of things", 7, b"x"])
def test_equipment_that_cannot_be_read_is_dumbbells(answer: Any) -> None:
    athlete = read({"equipment": answer})
    assert athlete.equipment == {"dumbbells"}
    assert "equipment" in athlete.assumed


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_exercise_needs_equipment_that_is_not_there(count: int) -> None:
    for equipment in combinations(sorted(ALL_EQUIPMENT), count):
        words = [piece.replace("_", " ") for piece in equipment] or "none"
        written = program(equipment=words, days_per_week=6, goal="fat loss")
        needed = {CATALOGUE_BY_NAME[name].equipment for name in names(written)}
        assert needed <= {None, *equipment}
        assert needed - {None} or not equipment


def test_exercises_with_equipment_come_before_body_weight() -> None:
    written = program(equipment="dumbbells", days_per_week=6, minutes_per_session=60)
    for session in written["sessions"]:
        first = main_exercises(session)[0]["name"]
        assert first.startswith(("Dumbbell", "One-arm dumbbell"))


def test_without_equipment_everything_is_body_weight() -> None:
    written = program(material="sin material", dias_por_semana=4)
    assert not [name for name in names(written) if "umbbell" in name or "arbell" in name]


# --- Injuries -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "injuries"),
    [
        ({"injuries": "Right knee"}, {"knee"}),
        ({"injuries": ["shoulder", "lower back"]}, {"shoulder", "lower_back"}),
        ({"limitations": "neck and hip"}, {"neck", "hip"}),
        ({"injuries": {"knee": False, "elbow": "mild"}}, {"elbow"}),
        ({"knee_pain": True}, {"knee"}),
        ({"kneePain": 4, "shoulder_pain": 0}, {"knee"}),
        ({"lesiones": "Rodilla derecha y tobillo"}, {"knee", "ankle"}),
        ({"molestias": "Dolor LUMBAR, muñeca"}, {"lower_back", "wrist"}),
        ({"lesiones": "hombro", "molestias": "cuello", "dolor_codo": "no"}, {"shoulder", "neck"}),
        ({"limitaciones": "no puedo doblar la rodilla"}, {"knee"}),
        ({"limitations": "not able to bend my knee"}, {"knee"}),
        ({"lesiones": "Ninguna salvo la cadera"}, {"hip"}),
        ({"dolor_rodilla": "2.0"}, {"knee"}),
        ({"injuries": "No back pain. My elbow hurts"}, {"elbow"}),
        ({"injuries": "no"}, set[str]()),
        ({"injuries": "None"}, set[str]()),
        ({"injuries": False}, set[str]()),
        ({"injuries": "no knee pain"}, set[str]()),
        ({"injuries": "no", "limitations": "I sleep badly"}, set[str]()),
        ({"lesiones": "Ninguna"}, set[str]()),
        ({"lesiones": "sin dolor de rodilla ni hombro"}, set[str]()),
        ({"dolor_rodilla": "No"}, set[str]()),
        ({"dolor_espalda": 0}, set[str]()),
    ],
)
def test_injuries_are_read_in_both_languages(answers: dict[str, Any], injuries: set[str]) -> None:
    athlete = read(answers)
    assert athlete.injuries == injuries
    assert "injuries" not in athlete.assumed


@pytest.mark.parametrize("answer", [None, "", [], {}, True, "yes", "something", 3, float("nan")])
def test_injuries_that_cannot_be_read_are_none(answer: Any) -> None:
    athlete = read({"injuries": answer})
    assert athlete.injuries == set()
    assert "injuries" in athlete.assumed


@pytest.mark.parametrize("equipment", ["gym", "none"])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
def test_no_exercise_loads_an_injured_joint(count: int, equipment: str) -> None:
    for injuries in combinations(sorted(ALL_JOINTS), count):
        words = [joint.replace("_", " ") for joint in injuries] or "none"
        written = program(injuries=words, equipment=equipment, days_per_week=7, goal="endurance")
        loaded = {joint for name in names(written) for joint in CATALOGUE_BY_NAME[name].joints}
        assert not loaded & set(injuries)


@pytest.mark.parametrize(
    ("lesion", "barred"),
    [
        ("rodilla", ("squat", "lunge", "Leg press", "Leg extension", "bike", "Rowing")),
        ("hombro", ("press", "Push-up", "row", "Pull-up", "Chin-up", "raise machine", "pulldown")),
        ("espalda", ("deadlift", "bent-over", "swing", "front squat", "overhead press", "Rowing")),
        ("muñeca", ("Barbell", "Dumbbell floor", "Push-up", "Pull-up", "Cat-cow")),
    ],
)
def test_an_injured_athlete_gets_none_of_the_usual_suspects(
    lesion: str, barred: tuple[str, ...]
) -> None:
    written = program(
        lesiones=lesion, equipamiento="gimnasio", dias_por_semana=6, tiempo_por_sesion=120
    )
    banded = ("Banded overhead press",) if lesion == "espalda" else ()
    legs = ("Leg press",) if lesion == "hombro" else ()
    for name in names(written):
        if name not in (*banded, *legs):
            assert not [word for word in barred if word in name]


def test_a_last_resort_comes_only_when_nothing_else_is_left() -> None:
    knee = program(injuries="knee", equipment="gym", days_per_week=6)
    assert not [name for name in names(knee) if CATALOGUE_BY_NAME[name].last_resort]
    everything = program(injuries=ALL_INJURED, equipment="gym", days_per_week=7)
    assert all(CATALOGUE_BY_NAME[name].last_resort for name in names(everything))
    assert all(session["blocks"] for session in everything["sessions"])
    assert all(len(s["core_mobility_block"]["exercises"]) for s in everything["sessions"])
    notes = {exercise["notes"] for exercise in all_exercises(everything)}
    assert notes == {"Breathe calmly and move no joint; use light tension only."}


# --- Which questionnaire counts -----------------------------------------------------------


def dated(**answers_by_date: Any) -> EDN360Input:
    """Questionnaires in this order; ``_2026_01_02`` is a date, ``s100`` unix seconds."""
    written: list[dict[str, Any]] = []
    for date, answers in answers_by_date.items():
        moment = int(date[1:]) if date.startswith("s") else date[1:].replace("_", "-")
        written.append({"submitted_at": moment, "responses": answers})
    return EDN360Input.model_validate({"user_profile": {"user_id": "a"}, "questionnaires": written})


def test_the_latest_questionnaire_wins() -> None:
    athlete = read({"days_per_week": 2, "goal": "strength"}, {"days_per_week": 5})
    assert (athlete.days_per_week, athlete.goal) == (5, "strength")


def test_the_latest_questionnaire_is_the_latest_by_date() -> None:
    by_date = dated(_2026_03_01={"days_per_week": 5}, _2026_01_01={"days_per_week": 2})
    assert read_athlete(by_date).days_per_week == 5
    mixed = dated(_2026_03_01T10={"days_per_week": 5}, s1700000000={"days_per_week": 2})
    assert read_athlete(mixed).days_per_week == 2, "not every date can be read: the list's order"
    seconds = dated(_2026_03_01={"days_per_week": 5}, s1700000000={"days_per_week": 2})
    assert read_athlete(seconds).days_per_week == 5


def test_dates_with_and_without_a_zone_can_be_compared() -> None:
    written = EDN360Input.model_validate(
        {
            "user_profile": {"user_id": "a"},
            "questionnaires": [
                {
                    "submitted_at": datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=-5))),
                    "payload": {"days_per_week": 6},
                },
                {"submitted_at": "2026-01-01T16:00:00", "payload": {"days_per_week": 2}},
            ],
        }
    )
    assert read_athlete(written).days_per_week == 6


@pytest.mark.parametrize("kind", ["nutrition_initial", "followup_nutrition", "Nutrición"])
def test_nutrition_matters_less(kind: str) -> None:
    written = EDN360Input.model_validate(
        {
            "user_profile": {"user_id": "a"},
            "questionnaires": [
                {"source": "initial", "payload": {"objetivo": "fuerza"}},
                {"source": kind, "payload": {"objetivo": "perder grasa", "lesiones": "rodilla"}},
            ],
        }
    )
    athlete = read_athlete(written)
    assert athlete.goal == "strength"
    assert athlete.injuries == {"knee"}


def test_a_denial_replaces_an_earlier_answer_and_an_empty_answer_does_not() -> None:
    before = {"lesiones": "rodilla", "material": "barra"}
    empty = read(before, {"lesiones": "", "material": None})
    assert empty.injuries == {"knee"}
    assert empty.equipment == {"barbell"}
    denied = read(before, {"lesiones": "ya ninguna", "material": "nada"})
    assert not denied.injuries
    assert not denied.equipment
    assert not {"injuries", "equipment"} & set(denied.assumed)


# --- Evolution ----------------------------------------------------------------------------


def followed_up(kind: str) -> EDN360Input:
    return EDN360Input.model_validate(
        {
            "user_profile": {"user_id": "athlete-1"},
            "questionnaires": [
                {"questionnaire_type": "initial", "answers": {"goal": "strength"}},
                {"questionnaire_type": kind, "answers": {"notes": "Fine"}},
            ],
        }
    )


@pytest.mark.parametrize(
    "edn360_input",
    [
        followed_up("followup"),
        followed_up("follow_up"),
        followed_up("Follow-up"),
        questionnaires({"goal": "strength"}, previous_training_plan={}),
    ],
)
def test_an_evolution_raises_the_rpe_by_one_and_says_so(edn360_input: EDN360Input) -> None:
    initial, evolution = program(goal="strength"), simulated_program(edn360_input)
    rpe = [main_exercises(session)[0]["rpe"] for session in evolution["sessions"]]
    assert rpe == ["8-9"] * 3
    assert "Evolution of the plan before: RPE raised by 1." in evolution["summary"]
    assert names(evolution) == names(initial)


@pytest.mark.parametrize(
    "edn360_input",
    [
        followed_up("checkup"),
        questionnaires({"goal": "strength"}, previous_training_plan=None),
        EDN360Input.model_validate(
            {
                "user_profile": {"user_id": "a"},
                "questionnaires": [{"payload": {"goal": "strength"}}],
            }
        ),
    ],
)
def test_an_initial_plan_is_no_evolution(edn360_input: EDN360Input) -> None:
    written = simulated_program(edn360_input)
    assert written["sessions"][0]["blocks"][0]["exercises"][0]["rpe"] == "7-8"
    assert "Evolution" not in written["summary"]


# --- The program as a whole ---------------------------------------------------------------


def test_it_says_that_it_is_simulated() -> None:
    written = program(goal="fuerza", injuries="knee", equipment="bands")
    assert written["title"] == "Simulated program, not training advice: strength, 3 days a week"
    assert program(days_per_week=1)["title"].endswith("1 day a week")
    for text in (written["summary"], written["general_notes"]):
        assert "Simulated" in text
        assert "not training advice" in text
    assert "Equipment: bands." in written["general_notes"]
    assert "Joints not loaded: knee." in written["general_notes"]
    assumed = "Assumed, not answered: days per week, level, session duration min."
    assert assumed in written["general_notes"]


def test_every_documented_field_is_filled() -> None:
    written = EnrichedTrainingProgram.model_validate(program(goal="fat loss"))
    session = written.sessions[0]
    block = session.blocks[0]
    exercise = block.exercises[0]
    for part in (written, session, block, exercise):
        assert part.model_fields_set == set(type(part).model_fields)
        assert all(part.model_dump().values())
    assert exercise.video_url == "https://example.com/videos/dumbbell-goblet-squat"
    assert exercise.db_id == "sim-dumbbell-goblet-squat"
    for other in all_exercises(program(injuries=ALL_INJURED)):
        assert re.fullmatch(r"https://example\.com/videos/[a-z-]+", other["video_url"])
    assert exercise.notes == CUES["squat"]
    assert block.primary_muscles == ["Quadriceps", "Chest"]
    assert block.secondary_muscles == ["Glutes", "Triceps"]


def test_the_steps_come_before_the_answer_and_are_not_the_answer() -> None:
    edn360_input = EDN360Input.model_validate(
        {
            "user_profile": {
                "user_id": "athlete-1",
                "name": "Alex Example",
                "age": 30,
                "height_cm": float("nan"),
                "weight_kg": "70",
            },
            "questionnaires": [{"payload": {"dias_por_semana": 1, "lesiones": "hombro, codo"}}],
        }
    )
    profile, normalized, plan = simulated_steps(edn360_input)
    assert profile == {"profile": {"user_id": "athlete-1", "age": 30}}
    assert normalized == {
        "questionnaire_normalized": {
            "days_per_week": 1,
            "session_duration_min": 60,
            "goal": "general_fitness",
            "equipment": ["dumbbells"],
            "injuries": ["elbow", "shoulder"],
            "level": "intermediate",
            "evolution": False,
            "assumed": ["session_duration_min", "goal", "equipment", "level"],
        }
    }
    session = simulated_program(edn360_input)["sessions"][0]
    done = [exercise["name"] for exercise in main_exercises(session)]
    assert plan == {
        "training_plan": {
            "weeks": 4,
            "sessions": [{"id": "D1", "name": "Full body A", "exercises": done}],
        }
    }


@pytest.mark.parametrize("measure", [float("nan"), float("-inf"), HUGE, "70", None])
def test_a_measure_that_is_no_plain_number_is_left_out(measure: Any) -> None:
    profile = {"user_id": "athlete-1", "age": 30, "weight_kg": measure}
    edn360_input = EDN360Input.model_validate({"user_profile": profile, "questionnaires": [{}]})
    assert simulated_steps(edn360_input)[0] == {"profile": {"user_id": "athlete-1", "age": 30}}


def test_no_session_has_an_exercise_twice() -> None:
    for days in SPLITS:
        written = program(days_per_week=days, minutes_per_session=240, goal="fat loss")
        for session in written["sessions"]:
            done = [*main_exercises(session), *session["core_mobility_block"]["exercises"]]
            assert len({exercise["name"] for exercise in done}) == len(done)


KEYS = [
    *("days_per_week", "dias_por_semana", "session_duration_min", "tiempo_por_sesion", "goal"),
    *("objetivo", "equipment", "material", "injuries", "lesiones", "dolor_rodilla", "level"),
]
WORDS = [
    *("no", "sin", "4", "45-60 min", "1 hora y media", "rodilla", "knee", "gimnasio", "bands"),
    *("fuerza", "fat loss", "lunes", "7", "240", "10", ALL_INJURED, "none", "advanced", "pero"),
]
odd_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4000)
    | st.floats()
    | st.text()
    | st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
    | st.binary(max_size=3)
    | st.datetimes()
    | st.sampled_from(["9" * 5000, "\ud800", "\u00bd", "1" + " " * 99 + "h"])
)
odd_values = st.recursive(
    odd_scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(WORDS) | st.integers() | st.text(), inner, max_size=3)
    ),
    max_leaves=4,
)
odd_questionnaires = st.fixed_dictionaries(
    {},
    optional={
        "source": st.none() | st.sampled_from(["initial", "nutrition", "followup"]) | st.text(),
        "submitted_at": st.integers() | st.floats() | st.text() | st.datetimes(),
        "payload": st.dictionaries(st.sampled_from(KEYS) | st.text(), odd_values, max_size=5),
    },
)


@settings(max_examples=80, deadline=None)
@given(
    written=st.lists(odd_questionnaires, min_size=1, max_size=3),
    age=st.none() | st.floats() | st.just(10**4000),
)
def test_every_valid_input_gets_a_valid_program(written: list[dict[str, Any]], age: Any) -> None:
    edn360_input = EDN360Input.model_validate(
        {"user_profile": {"user_id": "a\ud800", "age": age}, "questionnaires": written}
    )
    answer, steps = simulated_program(edn360_input), simulated_steps(edn360_input)
    for data in (answer, *steps):
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    assert simulated_program(edn360_input) == answer

    program = EnrichedTrainingProgram.model_validate(answer)
    athlete = read_athlete(edn360_input)
    assert len(program.sessions) == program.days_per_week == athlete.days_per_week
    for session in program.sessions:
        assert session.blocks
        for block in session.blocks:
            orders = [exercise.order for exercise in block.exercises]
            assert orders == list(range(1, len(orders) + 1))
            assert orders
    for name in names(answer):
        assert CATALOGUE_BY_NAME[name].suits(athlete.equipment, athlete.injuries)


def test_an_answer_that_holds_itself_is_read_only_so_deep() -> None:
    endless: dict[str, Any] = {"bands": True}
    endless["again"] = endless
    endless["and again"] = [endless]
    assert read({"equipment": endless}).equipment == {"bands"}


# --- The catalogue, the examples and the published rules ----------------------------------


def test_every_pattern_has_one_last_resort_that_suits_everyone() -> None:
    for exercises in CATALOGUE.values():
        last_resorts = [exercise for exercise in exercises if exercise.last_resort]
        assert len(last_resorts) == 1
        assert last_resorts[0].suits(frozenset(), ALL_JOINTS)
    assert len(CATALOGUE_BY_NAME) == sum(map(len, CATALOGUE.values())), "names are unique"


def example(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((ROOT / "examples" / name).read_text(encoding="utf-8"))
    return data


@pytest.mark.parametrize("name", ["athlete_initial.json", "athlete_evolution.json"])
def test_the_examples_go_out_as_they_came_in(name: str) -> None:
    edn360_input = EDN360Input.model_validate(example(name))
    assert json.loads(edn360_input.to_json_text()) == example(name)


def test_the_examples_are_read_as_they_are_meant() -> None:
    assert read_athlete(EDN360Input.model_validate(example("athlete_initial.json"))) == Athlete(
        days_per_week=4,
        session_minutes=60,
        goal="hypertrophy",
        equipment=ALL_EQUIPMENT,
        injuries=frozenset({"wrist"}),
        level="intermediate",
        evolution=False,
        assumed=(),
    )
    assert read_athlete(EDN360Input.model_validate(example("athlete_evolution.json"))) == Athlete(
        days_per_week=3,
        session_minutes=45,
        goal="strength",
        equipment=frozenset({"dumbbells", "kettlebell"}),
        injuries=frozenset({"knee"}),
        level="beginner",
        evolution=True,
        assumed=(),
    )


def test_the_published_tables_are_what_the_code_does() -> None:
    published = (ROOT / "docs" / "simulated-workflow.md").read_text(encoding="utf-8")
    for goal in (*GOALS.values(), MOBILITY):
        rpe = f"{goal.rpe[0]}-{goal.rpe[1]}"
        last = " conditioning " if goal.conditioning else " "
        row = f"{goal.title} | {goal.series} | {goal.reps} | {rpe} | {goal.minutes_per_set} |{last}"
        assert f"| {row}|" in published
    for days, week in SPLITS.items():
        assert f"| {days} | {', '.join(day.name for day in week)} |" in published
        for day in week:
            assert f"| {', '.join(day.patterns).replace('_', ' ')} |" in published
