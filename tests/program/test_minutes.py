"""The estimated minutes of a session."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import EnrichedTrainingProgram

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
