"""A program without findings, its variants, and athletes to compare it with."""

from __future__ import annotations

import copy
from typing import Any

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram

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
