"""The sets of a week by muscle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from edn360_chatkit import EnrichedTrainingProgram
from edn360_chatkit.program.muscles import muscle_key
from edn360_chatkit.program.vocabulary import read_file
from tests.support.samples import programs


def program(*blocks: dict[str, Any], **fields: Any) -> EnrichedTrainingProgram:
    """A program with a single session."""
    session = {"id": "D1", "blocks": list(blocks)}
    return EnrichedTrainingProgram.model_validate({"title": "t", "sessions": [session], **fields})


def test_exercises_come_with_session_and_block() -> None:
    week = program(
        {"id": "A", "exercises": [{"name": "Squat"}, {"name": "Row"}]},
        {"id": "B", "exercises": [{"name": "Plank"}]},
    )
    places = [(s.id, b.id, e.name) for s, b, e in week.exercises()]
    assert places == [("D1", "A", "Squat"), ("D1", "A", "Row"), ("D1", "B", "Plank")]


def test_set_counts_half_for_secondary_muscle() -> None:
    week = program(
        {
            "exercises": [
                {"name": "a", "series": 4, "primary_group": "Pecho", "secondary_group": "Tríceps"},
                {"name": "b", "series": "3-4", "primary_group": "TRICEPS "},
                {"name": "c", "series": 2, "primary_group": "Core", "secondary_group": "core"},
                {"name": "d", "series": "AMRAP", "primary_group": "Espalda"},
                {"name": "e", "series": 1},
            ]
        }
    )
    assert list(week.weekly_sets_by_muscle().items()) == [
        ("Tríceps", 5.5),
        ("Pecho", 4),
        ("Core", 2),
    ]
    assert week.weekly_sets() == 10.5


def test_exercise_without_muscles_uses_those_of_block() -> None:
    week = program(
        {
            "primary_muscles": ["Quads", "Glutes"],
            "secondary_muscles": ["Core", "Quads"],
            "exercises": [
                {"name": "a", "series": 2},
                {"name": "b", "series": 2, "primary_group": "Calves / Feet", "secondary_group": ""},
            ],
        }
    )
    assert week.weekly_sets_by_muscle() == {
        "Quads": 3,  # half of the sets of b, whose secondary group is empty
        "Glutes": 2,
        "Calves": 2,
        "Feet": 2,
        "Core": 2,
    }


@pytest.mark.parametrize("no_muscle", ["N/A", "None", "No aplica", "ninguno", "—", "-", " n.a. "])
def test_text_for_no_muscle_is_ignored(no_muscle: str) -> None:
    planned = {"name": "a", "series": 2, "primary_group": no_muscle, "secondary_group": no_muscle}
    assert program({"exercises": [planned]}).weekly_sets_by_muscle() == {}
    block = {"primary_muscles": [no_muscle, f"Core, {no_muscle}"], "exercises": [planned]}
    assert program(block).weekly_sets_by_muscle() == {"Core": 2}


@pytest.mark.parametrize(
    ("text", "muscles"),
    [
        ("Glúteos y femorales", ["Glúteos", "femorales"]),
        ("Pecho e isquios", ["Pecho", "isquios"]),
        ("Chest AND triceps", ["Chest", "triceps"]),
        ("Glutes | Hams", ["Glutes", "Hams"]),
        ("Bayeta", ["Bayeta"]),
        ("Glúteo, glúteos, Femoral / femorales", ["Glúteo", "Femoral"]),
        ("Quad, quads, tríceps, TRICEPS, bíceps", ["Quad", "tríceps", "bíceps"]),
    ],
)
def test_muscles_in_a_text_are_separated(text: str, muscles: list[str]) -> None:
    week = program({"exercises": [{"name": "a", "series": 1, "primary_group": text}]})
    assert list(week.weekly_sets_by_muscle()) == muscles


def test_muscle_has_equal_key_in_each_language() -> None:
    for key, names in read_file()["muscles"].items():
        for name in names.split(", "):
            assert muscle_key(name.upper()) == muscle_key(name) == key
    for name in ("Isquiosurales", "Femorales", "hamstrings", "Bíceps femoral"):
        assert muscle_key(name) == "hamstrings"
    for name in ("Pectorales", "CHEST", "Pecho (superior)"):
        assert muscle_key(name) == "chest"


@settings(deadline=None)  # the first example imports the modules
@given(programs)
def test_every_program_has_numbers(data: dict[str, Any]) -> None:
    week = EnrichedTrainingProgram.model_validate(data)
    assert week.weekly_sets() >= 0
    sizes = list(week.weekly_sets_by_muscle().values())
    assert sizes == sorted(sizes, reverse=True)
    assert len(week.estimated_session_minutes()) == len(week.sessions)
    assert len(list(week.exercises())) == sum(
        len(b.exercises) for s in week.sessions for b in s.blocks
    )
