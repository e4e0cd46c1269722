"""What changed from one program to the next."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..models.program import EnrichedTrainingProgram, Exercise, Language
from .numbers import fold, is_same, written

PROGRAM_FIELDS = (
    "title",
    "goal",
    "training_type",
    "weeks",
    "days_per_week",
    "session_duration_min",
)
EXERCISE_FIELDS = ("series", "reps", "rpe")


class Place(NamedTuple):
    """An exercise and where it stands in its program.

    Attributes:
        path: Such as ``"sessions.0.blocks.1.exercises.2"``.
        session: The session's id, else its number from 1.
        block: The block's id, else its number from 1.
        number: Its place in the block, from 1.
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
    """An exercise that is in both programs, before and now.

    Attributes:
        old: Where and what it was.
        new: Where and what it is.
        fields: What changed of its series, reps and RPE.
    """

    old: Place
    new: Place
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True)
class ProgramDiff:
    """What changed from one program to the next; false where nothing did.

    Notes, videos, muscles and the sessions' names are not compared.

    Attributes:
        program: What changed of the program's title, goal, type, weeks, days and minutes.
        added: Exercises that are new.
        removed: Exercises that are gone.
        replaced: Exercises that stand where another one stood.
        moved: Exercises that are in another session or block, or in another order.
        changed: Exercises with other series, reps or RPE; a moved one may be among them too.
        weekly_sets: Muscles with more or fewer sets a week, the largest change first.
    """

    program: tuple[FieldChange, ...]
    added: tuple[Place, ...]
    removed: tuple[Place, ...]
    replaced: tuple[ExerciseChange, ...]
    moved: tuple[ExerciseChange, ...]
    changed: tuple[ExerciseChange, ...]
    weekly_sets: tuple[SetsChange, ...]

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def to_text(self, *, lang: Language = "es") -> str:
        """The changes as plain text, a line each.

        Args:
            lang: The language of the labels, ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another one.
        """
        from ..rendering.changes import changes_text

        return changes_text(self, lang)

    def to_html(self, *, lang: Language = "es") -> str:
        """The changes as an HTML fragment with its style, in which all text is escaped.

        Args:
            lang: The language of the labels, ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another one.
        """
        from ..rendering.changes import changes_html

        return changes_html(self, lang)

    def _repr_html_(self) -> str:
        return self.to_html()


def diff(new: EnrichedTrainingProgram, old: EnrichedTrainingProgram) -> ProgramDiff:
    """What changed from ``old`` to ``new``."""
    before, now = list(_places(old)), list(_places(new))
    pairs = _pairs(before, now)
    known = {change.old.path for change in pairs}
    added_to = {change.new.path for change in pairs}
    same = [change for change in pairs if _is_same_exercise(change)]
    moved = _moved(same)
    return ProgramDiff(
        program=tuple(_changes(old, new, PROGRAM_FIELDS)),
        added=tuple(place for place in now if place.path not in added_to),
        removed=tuple(place for place in before if place.path not in known),
        replaced=tuple(change for change in pairs if not _is_same_exercise(change)),
        moved=tuple(change for change in same if change.new.path in moved),
        changed=tuple(change for change in same if change.fields),
        weekly_sets=_weekly_sets(old, new),
    )


def _places(program: EnrichedTrainingProgram) -> Iterator[Place]:
    for s, session in enumerate(program.sessions):
        for b, block in enumerate(session.blocks):
            for e, exercise in enumerate(block.exercises):
                path = f"sessions.{s}.blocks.{b}.exercises.{e}"
                ids = (
                    (session.id or "").strip() or str(s + 1),
                    (block.id or "").strip() or str(b + 1),
                )
                yield Place(path, *ids, e + 1, exercise)


def _changes(old: object, new: object, fields: Iterable[str]) -> Iterator[FieldChange]:
    for field in fields:
        values = getattr(old, field), getattr(new, field)
        if not is_same(*values):
            yield FieldChange(field, *values)


# --- which exercise is which ----------------------------------------------------------------------


def _db_id(place: Place) -> str:
    return written(place.exercise.db_id).strip()


def _name(place: Place) -> str:
    return fold(place.exercise.name)


# By what two exercises are taken for one, the surest first; nothing where there is no db_id.
_KEYS: tuple[Callable[[Place], Hashable], ...] = (
    lambda p: (db_id := _db_id(p)) and (db_id, p.session, p.block),
    lambda p: (db_id := _db_id(p)) and (db_id, p.session),
    _db_id,
    lambda p: (name := _name(p)) and (name, p.session, p.block),
    lambda p: (name := _name(p)) and (name, p.session),
    _name,
    lambda p: (p.session, p.block, p.number),
)


def _pairs(before: list[Place], now: list[Place]) -> list[ExerciseChange]:
    found: dict[str, Place] = {}
    for key in _KEYS:
        waiting: defaultdict[Hashable, deque[Place]] = defaultdict(deque)
        for place in before:
            if identity := key(place):
                waiting[identity].append(place)
        for place in now:
            if place.path in found:
                continue
            if candidates := waiting.get(key(place)):
                found[place.path] = candidates.popleft()
        taken = {place.path for place in found.values()}
        before = [place for place in before if place.path not in taken]
    return [
        ExerciseChange(old, place, tuple(_changes(old.exercise, place.exercise, EXERCISE_FIELDS)))
        for place in now
        if (old := found.get(place.path))
    ]


def _is_same_exercise(change: ExerciseChange) -> bool:
    old, new = change.old, change.new
    return _name(old) == _name(new) or (_db_id(old) == _db_id(new) != "")


def _moved(pairs: list[ExerciseChange]) -> set[str]:
    """The new paths of what moved. What only made room for another exercise did not."""
    moved: set[str] = set()
    blocks: defaultdict[tuple[str, str], list[ExerciseChange]] = defaultdict(list)
    for change in pairs:
        old, new = change.old, change.new
        if (old.session, old.block) == (new.session, new.block):
            blocks[new.session, new.block].append(change)
        else:
            moved.add(new.path)
    for stayed in blocks.values():
        in_old_order = sorted(stayed, key=lambda change: change.old.number)
        moved.update(
            change.new.path
            for change, other in zip(stayed, in_old_order, strict=True)
            if change is not other
        )
    return moved


def _weekly_sets(
    old: EnrichedTrainingProgram, new: EnrichedTrainingProgram
) -> tuple[SetsChange, ...]:
    before = {fold(muscle): (muscle, sets) for muscle, sets in old.weekly_sets_by_muscle().items()}
    now = {fold(muscle): (muscle, sets) for muscle, sets in new.weekly_sets_by_muscle().items()}
    changes = [
        SetsChange(name, before.get(key, (name, 0.0))[1], now.get(key, (name, 0.0))[1])
        for key, (name, _) in {**before, **now}.items()
    ]
    changed = [change for change in changes if change.old != change.new]
    return tuple(sorted(changed, key=lambda change: -abs(change.new - change.old)))
