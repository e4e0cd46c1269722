"""The simulated workflow: a canned program for each number of training days, without errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edn360_chatkit.inputs import EDN360Input
from edn360_chatkit.program.model import EnrichedTrainingProgram
from edn360_chatkit.testing._workflow import (
    Lang,
    answer_text,
    read_data,
    simulated_program,
    step_texts,
    training_days,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
DAYS = (2, 3, 4, 5, 6)
LANGS: tuple[Lang, ...] = ("es", "en")


def athlete(*answers: dict[str, Any], **context: Any) -> EDN360Input:
    """An input with one questionnaire for each mapping of answers, oldest first."""
    return EDN360Input.model_validate(
        {
            "user_profile": {"user_id": "athlete-1"},
            "questionnaires": [{"payload": answer} for answer in answers],
            "context": context,
        }
    )


def program_for(days: int, lang: Lang = "es", *, evolution: bool = False) -> dict[str, Any]:
    context: dict[str, Any] = {"previous_training_plan": {}} if evolution else {}
    return simulated_program(athlete({"dias_por_semana": days}, **context), lang)


def exercises(session: dict[str, Any]) -> list[dict[str, Any]]:
    core = session.get("core_mobility_block", {"exercises": []})
    return [exercise for block in (*session["blocks"], core) for exercise in block["exercises"]]


def all_exercises(program: dict[str, Any]) -> list[dict[str, Any]]:
    return [exercise for session in program["sessions"] for exercise in exercises(session)]


# --- the number of days -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "answer", "days"),
    [
        ("days_per_week", 4, 4),
        ("training_days", "5", 5),
        ("trainingDaysPerWeek", 2.0, 2),
        ("How many days a week can you train?", "3-4 days", 3),
        ("dias_por_semana", "6 días", 6),
        ("DÍAS DISPONIBLES", ["lunes", "miércoles", "viernes"], 3),
        ("días_por_semana", 1, 2),
        ("days_per_week", 7, 6),
    ],
)
def test_days_are_read_in_both_languages(question: str, answer: Any, days: int) -> None:
    assert training_days(athlete({question: answer})) == days
    assert program_for(days)["days_per_week"] == days


@pytest.mark.parametrize(
    "answer",
    [
        *(0, 8, 10, True, None, "", "no", "9" * 5000, [], {}),
        pytest.param(10**4000, id="huge"),  # pytest can't write the number itself
    ],
)
def test_unreadable_days_are_three(answer: Any) -> None:
    assert training_days(athlete({"days_per_week": answer})) == 3


def test_rest_days_do_not_count() -> None:
    assert training_days(athlete({"rest_days_per_week": 2})) == 3
    assert training_days(athlete({"dias_descanso_por_semana": 2})) == 3


def test_newest_questionnaire_decides_days() -> None:
    assert training_days(athlete({"days_per_week": 2}, {"training_days": 5})) == 5
    assert training_days(athlete({"days_per_week": 2}, {"injuries": "none"})) == 2


# --- the programs -------------------------------------------------------------------------------


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("evolution", [False, True])
@pytest.mark.parametrize("lang", LANGS)
def test_program_passes_every_check(days: int, evolution: bool, lang: Lang) -> None:
    data = program_for(days, lang, evolution=evolution)
    program = EnrichedTrainingProgram.model_validate(data)
    assert program.check(athlete({"dias_por_semana": days})) == []
    assert [session["id"] for session in data["sessions"]] == [f"D{n}" for n in range(1, days + 1)]
    assert len(program.weekly_sets_by_muscle()) >= 10
    assert program.model_dump(mode="json", exclude_unset=True) == data


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("evolution", [False, True])
def test_session_repeats_no_exercise(days: int, evolution: bool) -> None:
    for session in program_for(days, evolution=evolution)["sessions"]:
        urls = [exercise["video_url"] for exercise in exercises(session)]
        assert len(set(urls)) == len(urls)
        assert all(url.startswith("https://example.com/videos/") for url in urls)


@pytest.mark.parametrize(("lang", "word"), [("es", "simulado"), ("en", "simulated")])
@pytest.mark.parametrize("days", DAYS)
def test_program_says_it_is_simulated(days: int, lang: Lang, word: str) -> None:
    program = program_for(days, lang)
    for text in (program["title"], program["summary"], str(program["general_notes"])):
        assert word in text.lower()


@pytest.mark.parametrize("days", DAYS)
def test_texts_are_in_one_language(days: int) -> None:
    spanish, english = (program_for(days, lang) for lang in LANGS)
    for es, en in zip(all_exercises(spanish), all_exercises(english), strict=True):
        assert es["notes"] != en["notes"]
        assert es["primary_group"] != en["primary_group"]
        assert es["video_url"] == en["video_url"]
    assert " | " not in json.dumps([spanish, english])


def test_program_has_newest_fields() -> None:
    program = program_for(5, "en")
    every = all_exercises(program)
    unnamed = [exercise for exercise in every if "name" not in exercise]
    assert len(unnamed) == 5
    assert unnamed[0]["exercise_types"] == ["cable_fly"]
    for field in ("rest", "tempo", "warmup", "progression"):
        assert any(field in exercise for exercise in every)
    assert all(session["core_mobility_block"]["exercises"] for session in program["sessions"])
    assert isinstance(program["general_notes"], dict)


def test_evolution_program_replaces_exercises() -> None:
    for days in DAYS:
        first, evolution = program_for(days), program_for(days, evolution=True)
        assert "Evolución" in evolution["summary"]
        assert "Evolución" not in first["summary"]
        assert all_exercises(first) != all_exercises(evolution)


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("evolution", [False, True])
def test_blocks_name_muscles_of_exercises(days: int, evolution: bool) -> None:
    for session in program_for(days, evolution=evolution)["sessions"]:
        for block in session["blocks"]:
            for kind in ("primary", "secondary"):
                groups = {exercise[f"{kind}_group"] for exercise in block["exercises"]}
                assert set(block[f"{kind}_muscles"]) == groups


@pytest.mark.parametrize("name", ["athlete_initial.json", "athlete_evolution.json"])
def test_examples_get_program_for_their_days(name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8")
    edn360_input = EDN360Input.model_validate_json(text)
    assert json.loads(edn360_input.to_json_text()) == json.loads(text)
    for lang in LANGS:
        program = EnrichedTrainingProgram.model_validate(simulated_program(edn360_input, lang))
        assert program.check(edn360_input) == []


def test_every_exercise_of_data_is_used() -> None:
    programs = [program_for(days, evolution=evo) for days in DAYS for evo in (False, True)]
    used = {exercise["db_id"] for program in programs for exercise in all_exercises(program)}
    assert used == {f"sim-{key}" for key in read_data("exercises.json")}


# --- the steps and the answers ------------------------------------------------------------------


def test_step_texts_summarize_input() -> None:
    message = athlete({"dias_por_semana": 2}, previous_training_plan={}).to_json_text()
    sessions = [{"id": "D1", "name": "Full body A"}, {"id": "D2", "name": "Full body B"}]
    assert [json.loads(text) for text in step_texts(message, "en")] == [
        {"profile": {"questionnaires": 1}},
        {"questionnaire_normalized": {"days_per_week": 2, "evolution": True}},
        {"training_plan": {"weeks": 4, "sessions": sessions}},
    ]
    assert step_texts("no input") == []


def test_invalid_answer_has_wrong_types() -> None:
    text = answer_text("invalid", athlete({"days_per_week": 2}).to_json_text())
    sessions = json.loads(text or "")["client_training_program_enriched"]["sessions"]
    assert [type(session) for session in sessions] == [dict, str]
    assert isinstance(sessions[0]["blocks"][0]["exercises"][0], str)


KEYS = ["days_per_week", "dias_por_semana", "training_days", "¿Cuántos días?", "goal"]
odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4000)
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["9" * 5000, "\u00bd", "4 días"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=30, deadline=None)
@given(answers=st.dictionaries(st.sampled_from(KEYS) | st.text(), odd_values, max_size=5))
def test_any_answer_gives_days_with_program(answers: dict[str, Any]) -> None:
    assert training_days(athlete(answers)) in DAYS
