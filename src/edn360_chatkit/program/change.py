"""The changes between two programs, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .data import Exercise


class Place(NamedTuple):
    """An exercise and its position in its program.

    Attributes:
        path: Such as ``"sessions.0.blocks.1.exercises.2"``.
        session: The session's id, else its number from 1.
        block: The block's id, else its number from 1.
        number: The position in the block, from 1: by ``order`` if all of the block have one.
        exercise: The exercise.
    """

    path: str
    session: str
    block: str
    number: int
    exercise: Exercise


class FieldChange(NamedTuple):
    """A field with the value before and the value now."""

    field: str
    old: float | str | None
    new: float | str | None


class SetsChange(NamedTuple):
    """A muscle with its weekly sets before and now."""

    muscle: str
    old: float
    new: float


class ExerciseChange(NamedTuple):
    """An exercise before and now, with the changes of its series, reps and RPE."""

    old: Place
    new: Place
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True)
class Changes:
    """The fields of a :class:`~.diff.ProgramDiff`."""

    program: tuple[FieldChange, ...]
    added: tuple[Place, ...]
    removed: tuple[Place, ...]
    replaced: tuple[ExerciseChange, ...]
    moved: tuple[ExerciseChange, ...]
    changed: tuple[ExerciseChange, ...]
    weekly_sets: tuple[SetsChange, ...]

    def __bool__(self) -> bool:
        return any(vars(self).values())
