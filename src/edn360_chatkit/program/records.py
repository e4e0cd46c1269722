"""A program as rows of a table, one an exercise."""

from __future__ import annotations

from typing import TypeAlias

from .._json import whole_characters
from .model import EnrichedTrainingProgram, Exercise
from .numbers import Range, written

Record: TypeAlias = dict[str, str | int | float | None]

COLUMNS = (
    "session_number",
    "session",
    "session_name",
    "block_number",
    "block",
    "order",
    "name",
    "primary_group",
    "secondary_group",
    "series",
    "sets",
    "reps",
    "reps_low",
    "reps_high",
    "seconds_low",
    "seconds_high",
    "rpe",
    "rpe_low",
    "rpe_high",
    "notes",
    "video_url",
    "db_id",
)
"""The columns of every record, in this order."""

LARGEST_INTEGER = 2**63 - 1
"""Tables hold integers of 64 bits; there is no exercise of a larger order."""


def to_records(program: EnrichedTrainingProgram) -> list[Record]:
    """One record for each exercise of the blocks, in the order of the program."""
    return [
        dict(
            zip(
                COLUMNS,
                (s, _text(session.id), _text(session.name), b, _text(block.id), *_values(exercise)),
                strict=True,
            )
        )
        for s, session in enumerate(program.sessions, 1)
        for b, block in enumerate(session.blocks, 1)
        for exercise in block.exercises
    ]


def _values(exercise: Exercise) -> tuple[str | int | float | None, ...]:
    order = exercise.order
    return (
        order if order is not None and abs(order) <= LARGEST_INTEGER else None,
        _text(exercise.name),
        _text(exercise.primary_group),
        _text(exercise.secondary_group),
        _text(exercise.series),
        exercise.sets,
        _text(exercise.reps),
        *_ends(exercise.reps_range),
        *_ends(exercise.seconds_range),
        _text(exercise.rpe),
        *_ends(exercise.rpe_range),
        _text(exercise.notes),
        _text(exercise.video_url),
        _text(exercise.db_id),
    )


def _text(value: float | str | None) -> str | None:
    """Text in every row, whatever it was, so that no column mixes types."""
    return None if value is None else whole_characters(written(value))


def _ends(found: Range | None) -> tuple[float | None, float | None]:
    return found or (None, None)
