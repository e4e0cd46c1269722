"""Programs to compare, and short forms of their differences."""

from __future__ import annotations

from typing import Any

from edn360_chatkit import EnrichedTrainingProgram, ProgramDiff
from edn360_chatkit.program.change import ExerciseChange, Place
from tests.support.samples import cases


def program(
    *blocks: list[dict[str, Any] | str], session: str = "D1", **fields: Any
) -> EnrichedTrainingProgram:
    """A program with a single session. An exercise may be only a name."""
    block_data = [
        {"id": letter, "exercises": [{"name": e} if isinstance(e, str) else e for e in block]}
        for letter, block in zip("ABC", blocks, strict=False)
    ]
    sessions = [{"id": session, "blocks": block_data}]
    return EnrichedTrainingProgram.model_validate({"title": "t", "sessions": sessions, **fields})


def places(values: tuple[Place, ...]) -> list[str]:
    return [f"{p.exercise.name} {p.session}{p.block}{p.number} {p.path}" for p in values]


def names(changes: tuple[ExerciseChange, ...]) -> list[tuple[str | None, str | None]]:
    return [(change.old.exercise.name, change.new.exercise.name) for change in changes]


def days(*ids: str | None, blocks: str = "AB") -> EnrichedTrainingProgram:
    """Sessions with equal exercises in two blocks, and an exercise of their own."""
    sessions = [
        {
            "id": identity,
            "blocks": [
                {"id": blocks[0], "exercises": [{"name": "Squat"}, {"name": f"Own {day}"}]},
                {"id": blocks[1], "exercises": [{"name": "Row"}]},
            ],
        }
        for day, identity in enumerate(ids)
    ]
    return EnrichedTrainingProgram.model_validate({"title": "t", "sessions": sessions})


CASES: dict[str, dict[str, Any]] = {case["why"]: case for case in cases("diff")}


def case(why: str) -> ProgramDiff:
    old, new = (EnrichedTrainingProgram.model_validate(CASES[why][side]) for side in ("old", "new"))
    return new.diff(old)
