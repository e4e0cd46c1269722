"""A program as rows of a table, one row an exercise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

from .data import EXERCISE_DETAILS, Exercise, ProgramData
from .numbers import Range, as_text

Record: TypeAlias = dict[str, str | int | float | None]

COLUMNS: Final = (
    *("session_number", "session", "session_name", "block_number", "block", "order", "name"),
    *("primary_group", "secondary_group", "series", "sets", "reps", "reps_low", "reps_high"),
    *("seconds_low", "seconds_high", "rpe", "rpe_low", "rpe_high", "notes", "video_url", "db_id"),
    *("exercise_types", *EXERCISE_DETAILS, "other"),
)
"""The columns of every record, in this order. ``other`` has the unknown keys, as JSON."""

LARGEST_INTEGER = 2**63 - 1
"""Tables hold integers of 64 bits; no exercise has a larger order."""

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def to_records(program: ProgramData) -> list[Record]:
    """One record for each exercise of the blocks, in the order of the program."""
    return [
        {column: values.get(column) for column in COLUMNS}
        for s, session in enumerate(program.sessions, 1)
        for b, block in enumerate(session.blocks, 1)
        for exercise in block.exercises
        for values in (
            {
                "session_number": s,
                "session": _text(session.raw("id")),
                "session_name": _text(session.raw("name")),
                "block_number": b,
                "block": _text(block.raw("id")),
                **dict(_values(exercise)),
            },
        )
    ]


def _values(exercise: Exercise) -> Iterator[tuple[str, str | int | float | None]]:
    for field in Exercise.model_fields:
        yield field, _text(exercise.raw(field))
    if exercise.model_extra:
        yield "other", _text(exercise.model_extra)
    order = exercise.order
    yield "order", order if order is not None and abs(order) <= LARGEST_INTEGER else None
    yield "sets", exercise.sets
    yield from _ends("reps", exercise.reps_range)
    yield from _ends("seconds", exercise.seconds_range)
    yield from _ends("rpe", exercise.rpe_range)


def _text(value: object) -> str | None:
    """Every value as text, so that no column mixes types."""
    return None if value is None else _HALF_CHARACTER.sub("\ufffd", as_text(value))


def _ends(name: str, value: Range | None) -> Iterator[tuple[str, float]]:
    if value:
        yield f"{name}_low", value.low
        yield f"{name}_high", value.high
