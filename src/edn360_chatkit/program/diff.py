"""The comparison of two programs."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from .change import (
    Changes,
    ExerciseChange,
    FieldChange,
    Place,
    SessionChange,
    SessionPlace,
    SetsChange,
)
from .data import (
    EXERCISE_DETAILS,
    FACTS,
    Block,
    Exercise,
    ProgramData,
    ProgramPart,
    TrainingSession,
    exercises,
    written,
)
from .muscles import muscle_key
from .numbers import as_text, fold, is_same, read_rpe, says_nothing
from .texts import Language
from .volume import weekly_sets_by_muscle

PROGRAM_FIELDS = ("title", *FACTS, "general_notes")
SESSION_FIELDS = ("session_notes", "warmup", "core_mobility_block")
EXERCISE_FIELDS = ("series", "reps", "rpe")
DETAILS = ("notes", *EXERCISE_DETAILS)

FARTHEST = 30
"""Sessions that are farther apart are not compared, so that time grows with the size only."""

# Words that make no other exercise: "Press de banca" is "Press banca".
_SMALL_WORDS = frozenset(
    (
        *("de", "del", "la", "el", "los", "las", "lo", "un", "en", "con", "al", "a", "y", "para"),
        *("the", "of", "on", "in", "to", "an", "and", "with"),
    )
)
# "Face pulls" is "Face pull", and "press" is no plural.
_PLURAL = re.compile(r"(?<=[^s])s$")

# A name that is only a position: "Día 1" is no other session, but another day.
_DAY = re.compile("(?:dia|day|sesion|session|entrenamiento|workout) ?[0-9]+")


@dataclass(frozen=True)
class ProgramDiff(Changes):
    """The changes from one program to the next; false if there are none.

    Videos, muscles and the sessions' names are not compared.

    Attributes:
        program: Changes of the program's title, goal, type, weeks, days, minutes and notes.
        sessions: Every session before and now, in the order of the program now.
        added: Exercises that are new.
        removed: Exercises that the program no longer has.
        replaced: Exercises in the position of another one, or with its ``db_id`` and another
            name.
        moved: Exercises that are in another session or block, or in another order.
        changed: Exercises with other series, reps or RPE. They may be moved or replaced as well.
        details: Exercises with other notes, rest, tempo, warm-up or progression.
        weekly_sets: Muscles with more or fewer sets a week, the largest change first.
    """

    def to_text(self, *, lang: Language = "es") -> str:
        """The changes as plain text of at most 80 columns.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        from .rendering.changes import changes_text

        return changes_text(self, lang)

    def to_html(self, *, lang: Language = "es") -> str:
        """The changes as an HTML fragment with its style, in which all text is escaped.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        from .rendering.changes import changes_html

        return changes_html(self, lang)

    def _repr_html_(self) -> str:
        return self.to_html()


def diff(new: ProgramData, old: ProgramData) -> ProgramDiff:
    """The changes from ``old`` to ``new``."""
    sessions = tuple(_session_changes(old.sessions, new.sessions))
    db_ids = _trusted_db_ids(old) & _trusted_db_ids(new)
    there = [(s.old, s.new) for s in sessions]
    back = [(s.new, s.old) for s in sessions]
    before = list(_standings(old.sessions, new.sessions, there, db_ids))
    now = list(_standings(new.sessions, old.sessions, back, db_ids))
    pairs = _pairs(before, now)
    old_paths = {old.place.path for old, _ in pairs}
    new_paths = {new.place.path for _, new in pairs}
    same = [(old, new) for old, new in pairs if old.is_same_as(new)]
    changes = [_change(pair) for pair in same]
    return ProgramDiff(
        program=tuple(_changes(old, new, PROGRAM_FIELDS)),
        sessions=sessions,
        added=tuple(s.place for s in now if s.place.path not in new_paths),
        removed=tuple(s.place for s in before if s.place.path not in old_paths),
        replaced=tuple(_change(pair) for pair in pairs if pair[0].name != pair[1].name),
        moved=tuple(_change(pair) for pair in _moved(same)),
        changed=tuple(change for change in changes if change.fields),
        details=tuple(change for change in changes if change.details),
        weekly_sets=_weekly_sets(old, new),
    )


def _changes(old: ProgramPart, new: ProgramPart, fields: Iterable[str]) -> Iterator[FieldChange]:
    old_values, new_values = written(old), written(new)
    for field in fields:
        before = _value(old, field, old_values.get(field))
        now = _value(new, field, new_values.get(field))
        if before == now or is_same(before, now):
            continue
        rpe = read_rpe(before) if field == "rpe" else None
        if rpe is None or rpe != read_rpe(now):  # RIR 2 is RPE 8
            yield FieldChange(field, before, now)


def _value(part: ProgramPart, field: str, value: Any) -> float | str | None:
    """The typed value, else the written one as text."""
    if isinstance(value, (list, dict)):
        return as_text(cast("object", value))
    typed: float | str | None = part.__dict__.get(field)
    return value if typed is None else typed


def _change(pair: _Pair) -> ExerciseChange:
    old, new = pair[0].place, pair[1].place
    changes = tuple(_changes(old.exercise, new.exercise, (*EXERCISE_FIELDS, *DETAILS)))
    fields = tuple(change for change in changes if change.field in EXERCISE_FIELDS)
    return ExerciseChange(old, new, fields, changes[len(fields) :])


# --- pairs of sessions ----------------------------------------------------------------------------


def _session_changes(
    old: Sequence[TrainingSession], new: Sequence[TrainingSession]
) -> Iterator[SessionChange]:
    """The sessions before and now, in the order of ``new``; then those that were removed.

    Sessions are paired by likeness, the most alike first. A model that swaps two days may write
    their ids anew.
    """
    before, now = (
        [_features(session, i) for i, session in enumerate(sessions)] for sessions in (old, new)
    )
    pairs: dict[int, int] = {}
    removed = set(range(len(old)))
    alike = (
        (_likeness(one, other), one.position, other.position)
        for one in before
        for other in now[max(0, one.position - FARTHEST) : one.position + FARTHEST]
    )
    for likeness, i, j in sorted(alike, key=lambda pair: -pair[0]):
        if likeness and j not in pairs and i in removed:
            pairs[j] = i
            removed.remove(i)
    for j, session in enumerate(new):
        place, partner = _session_place(session, j), pairs.get(j)
        if partner is None:
            yield SessionChange(None, place, ())
        else:
            fields = tuple(_changes(old[partner], session, SESSION_FIELDS))
            yield SessionChange(_session_place(old[partner], partner), place, fields)
    for i in sorted(removed):
        yield SessionChange(_session_place(old[i], i), None, ())


def _session_place(session: TrainingSession, index: int) -> SessionPlace:
    return SessionPlace(index, _id(session, index), " ".join((session.name or "").split()))


def _id(part: TrainingSession | Block, index: int) -> str:
    return (part.id or "").strip() or str(index + 1)


class _Features(NamedTuple):
    """The properties of a session by which it is recognized, as they are compared."""

    exercises: frozenset[str]
    name: str
    id: str
    position: int


def _features(session: TrainingSession, position: int) -> _Features:
    names = frozenset(_name(exercise) for block in session.blocks for exercise in block.exercises)
    name = fold(session.name or "")
    return _Features(names, "" if _DAY.fullmatch(name) else name, fold(session.id or ""), position)


def _likeness(one: _Features, other: _Features) -> float:
    """How similar two sessions are.

    The same exercises outweigh name, id and position. An exercise or two that moved do not.
    """
    all_exercises = len(one.exercises) + len(other.exercises)
    shared = 2 * len(one.exercises & other.exercises) / (all_exercises or 1)
    same_name = bool(one.name) and one.name == other.name
    same_id = bool(one.id) and one.id == other.id
    return 2.6 * shared + 1.1 * same_name + same_id + 0.05 * (one.position == other.position)


# --- positions of exercises -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Standing:
    """A place, with the number of its pair of sessions and its block as they are compared."""

    place: Place
    session: int
    block: Hashable
    db_id: str
    name: str

    def is_same_as(self, other: _Standing) -> bool:
        """Whether both are one exercise."""
        return self.name == other.name or (self.db_id != "" and self.db_id == other.db_id)


_Pair = tuple[_Standing, _Standing]


def _standings(
    own: Sequence[TrainingSession],
    other: Sequence[TrainingSession],
    pairs: Iterable[tuple[SessionPlace | None, SessionPlace | None]],
    db_ids: set[str],
) -> Iterator[_Standing]:
    """The exercises of ``own``; each pair has a session of ``own`` and one of ``other``."""
    for number, (own_place, other_place) in enumerate(pairs):
        if own_place is None:
            continue
        own_blocks = own[own_place.position].blocks
        other_blocks = other[other_place.position].blocks if other_place else []
        blocks = _block_keys(own_blocks, other_blocks)
        for b, (block, key) in enumerate(zip(own_blocks, blocks, strict=True)):
            for e, position in enumerate(_numbers(block)):
                exercise = block.exercises[e]
                path = f"sessions.{own_place.position}.blocks.{b}.exercises.{e}"
                place = Place(path, own_place.id, _id(block, b), position, exercise)
                db_id = _db_id(exercise) if _db_id(exercise) in db_ids else ""
                yield _Standing(place, number, key, db_id, _name(exercise))


def _block_keys(own: Sequence[Block], other: Sequence[Block]) -> list[Hashable]:
    """For each block its id, if the other session has it, too; else its position."""
    others = {fold(block.id or "") for block in other}
    keys: dict[Hashable, None] = {}
    for index, block in enumerate(own):
        key = fold(block.id or "")
        keys[key if key and key in others and key not in keys else index] = None
    return [*keys]


def _numbers(block: Block) -> list[int]:
    """The positions of the exercises in their block. ``order`` counts if every exercise has it."""
    orders = [exercise.order for exercise in block.exercises]
    indices = list(range(len(orders)))
    if None not in orders:
        indices.sort(key=lambda index: orders[index] or 0)
    numbers = {index: number for number, index in enumerate(indices, 1)}
    return [numbers[index] for index in range(len(orders))]


def _name(exercise: Exercise) -> str:
    """The name as names are compared: its words without their endings, in any order."""
    name = exercise.name or " ".join(exercise.exercise_types or ())
    words = re.findall(r"[^\W_]+", fold(name))
    stems = (_PLURAL.sub("", word).removesuffix("e") for word in words if word not in _SMALL_WORDS)
    return " ".join(sorted(stems)) or fold(name)


# --- pairs of exercises ---------------------------------------------------------------------------

# Two exercises with an equal key are paired. An empty first value is no key.
_KEYS: tuple[Callable[[_Standing], tuple[Hashable, ...]], ...] = (
    lambda s: (s.db_id, s.session, s.block),
    lambda s: (s.db_id, s.session),
    lambda s: (s.db_id,),
    lambda s: (s.name, s.session, s.block),
    lambda s: (s.name, s.session),
    lambda s: (s.name,),
    lambda s: (s.place.number, s.session, s.block),
)


def _db_id(exercise: Exercise) -> str:
    """The ``db_id``; empty if it is a placeholder: models write ``"N/A"``, ``"?"`` or ``"0"``."""
    db_id = as_text(exercise.db_id).strip()
    return db_id if re.search(r"[^\W0_]", db_id) and not says_nothing(db_id) else ""


def _trusted_db_ids(program: ProgramData) -> set[str]:
    """Each ``db_id`` that has one name only."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for _, _, exercise in exercises(program):
        if db_id := _db_id(exercise):
            names[db_id].add(_name(exercise))
    return {db_id for db_id, its_names in names.items() if len(its_names) == 1}


def _pairs(before: Sequence[_Standing], now: Sequence[_Standing]) -> list[_Pair]:
    """The exercises that are the same, or replace each other, in the order of ``now``."""
    matches: dict[str, _Standing] = {}
    for key in _KEYS:
        matched = {standing.place.path for standing in matches.values()}
        waiting: defaultdict[Hashable, deque[_Standing]] = defaultdict(deque)
        for standing in before:
            if key(standing)[0] and standing.place.path not in matched:
                waiting[key(standing)].append(standing)
        for standing in now:
            if standing.place.path not in matches and (same := waiting.get(key(standing))):
                matches[standing.place.path] = same.popleft()
    return [(old, new) for new in now if (old := matches.get(new.place.path))]


def _moved(pairs: Iterable[_Pair]) -> list[_Pair]:
    """The exercises that moved, and did not only make room for another one."""
    moved: list[_Pair] = []
    blocks: defaultdict[tuple[Hashable, Hashable], list[_Pair]] = defaultdict(list)
    for pair in pairs:
        blocks[pair[1].session, pair[1].block].append(pair)
    for (session, block), in_block in blocks.items():
        stayed = [pair for pair in in_block if (pair[0].session, pair[0].block) == (session, block)]
        in_new_order = sorted(stayed, key=lambda pair: pair[1].place.number)
        in_old_order = sorted(stayed, key=lambda pair: pair[0].place.number)
        kept = {id(n) for n, o in zip(in_new_order, in_old_order, strict=True) if n is o}
        moved += [pair for pair in in_block if id(pair) not in kept]
    return moved


def _weekly_sets(old: ProgramData, new: ProgramData) -> tuple[SetsChange, ...]:
    before, now = (
        {muscle_key(muscle): (muscle, sets) for muscle, sets in week.items()}
        for week in map(weekly_sets_by_muscle, (old, new))
    )
    changes = (
        SetsChange(name, before.get(key, (name, 0.0))[1], now.get(key, (name, 0.0))[1])
        for key, (name, _) in {**before, **now}.items()
    )
    changed = (change for change in changes if change.old != change.new)
    return tuple(sorted(changed, key=lambda change: -abs(change.new - change.old)))
