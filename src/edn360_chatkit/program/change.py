"""The changes between two programs, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .data import Exercise
from .vocabulary import fold


class Place(NamedTuple):
    """An exercise and its position in its program.

    Attributes:
        path: For example ``"sessions.0.blocks.1.exercises.2"``.
        session: The session's id, or its number from 1.
        block: The block's id, or its number from 1.
        number: The position in the block, from 1. ``order`` counts if every exercise has it.
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
    """An exercise before and now.

    Attributes:
        old: The exercise before.
        new: The exercise now.
        fields: The changes of its series, reps and RPE.
        details: The changes of its other fields, such as notes and rest.
    """

    old: Place
    new: Place
    fields: tuple[FieldChange, ...]
    details: tuple[FieldChange, ...]


class SessionPlace(NamedTuple):
    """A session and its position in its program.

    Attributes:
        position: The position in the program, from 0.
        id: The id, or the number from 1.
        name: The name, or an empty text.
    """

    position: int
    id: str
    name: str


class BlockChange(NamedTuple):
    """A block with changes of its own fields, for example rounds or notes.

    Attributes:
        path: The block in the new program, for example ``"sessions.0.blocks.1"``. A removed block
            has its path in the old program.
        block: The id, or the number from 1.
        fields: The changes.
    """

    path: str
    block: str
    fields: tuple[FieldChange, ...]


class SessionChange(NamedTuple):
    """A session before and now.

    Attributes:
        old: The session before; ``None`` if it is new.
        new: The session now; ``None`` if it was removed.
        fields: The changes of its own fields, for example notes and warm-up.
        blocks: The changes of its blocks' own fields.
    """

    old: SessionPlace | None
    new: SessionPlace | None
    fields: tuple[FieldChange, ...]
    blocks: tuple[BlockChange, ...]


def is_other_day(old: SessionPlace, new: SessionPlace) -> bool:
    """Whether a session is at another position now, under another id."""
    return old.position != new.position and fold(old.id) != fold(new.id)


@dataclass(frozen=True)
class Changes:
    """The fields of a :class:`~.diff.ProgramDiff`."""

    program: tuple[FieldChange, ...]
    sessions: tuple[SessionChange, ...]
    added: tuple[Place, ...]
    removed: tuple[Place, ...]
    replaced: tuple[ExerciseChange, ...]
    moved: tuple[ExerciseChange, ...]
    changed: tuple[ExerciseChange, ...]
    details: tuple[ExerciseChange, ...]
    weekly_sets: tuple[SetsChange, ...]

    def __bool__(self) -> bool:
        others = (value for name, value in vars(self).items() if name != "sessions")
        return any(others) or any(map(_is_changed, self.sessions))


def _is_changed(session: SessionChange) -> bool:
    old, new, *changes = session
    return any(changes) or old is None or new is None or is_other_day(old, new)
