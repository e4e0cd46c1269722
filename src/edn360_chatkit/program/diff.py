"""The comparison of two programs."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._json import is_list, is_object
from .change import (
    BlockChange,
    Changes,
    ExerciseChange,
    FieldChange,
    Place,
    SessionChange,
    SessionPlace,
    SetsChange,
)
from .data import FACTS, Block, Exercise, ProgramData, ProgramPart, TrainingSession, raw_values
from .muscles import muscle_key
from .numbers import as_text, is_empty, is_same, read_rpe, says_nothing
from .texts import Language
from .vocabulary import fold, read_file
from .volume import weekly_sets_by_muscle

# Every key is compared, except these: they identify a part, are compared as parts, or do not
# change the training (see docs/programs.md).
_SKIP_IN_PROGRAM = frozenset(("id", "summary", "sessions"))
_SKIP_IN_SESSION = frozenset(("id", "name", "blocks"))
_SKIP_IN_BLOCK = frozenset(("id", "primary_muscles", "secondary_muscles", "exercises"))
_SKIP_IN_EXERCISE = frozenset(
    ("id", "order", "name", "primary_group", "secondary_group", "video_url", "db_id")
)
_LOAD = ("series", "reps", "rpe")

FARTHEST = 30
"""Sessions that are farther apart are not compared. So the time is linear in their number."""

# "Face pulls" is "Face pull". "Press" is not a plural.
_PLURAL = re.compile(r"(?<=[^s])s$")

# A name that is only a position. It does not identify a session.
_DAY = re.compile("(?:dia|day|sesion|session|entrenamiento|workout) ?[0-9]+")


@dataclass(frozen=True)
class ProgramDiff(Changes):
    """The changes from a program to the next program; false if there are none.

    Videos, muscles, ids, the summary and the sessions' names are not compared.

    Attributes:
        program: Changes of the program's own fields, for example title, weeks and notes.
        sessions: The old and new sessions, in the order of the new program. Each has the changes of
            its fields and of the fields of its blocks.
        added: Exercises that are new.
        removed: Exercises that the program no longer has.
        replaced: Exercises in the position of another exercise, or with its ``db_id`` and another
            name.
        moved: Exercises that are in another session or block, or in another order.
        changed: Exercises with other series, reps or RPE. They may be moved or replaced as well.
        details: Exercises with other notes, rest or tempo, or a change of any other field.
        weekly_sets: Muscles with more or fewer sets a week, the largest change first.
    """

    def to_text(self, *, lang: Language = "es") -> str:
        """The changes as plain text of at most 80 columns.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        from .rendering.changes import changes_text

        return changes_text(self, lang)

    def to_html(self, *, lang: Language = "es") -> str:
        """The changes as an HTML fragment with its style. The text is escaped.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        from .rendering.changes import changes_html

        return changes_html(self, lang)

    def _repr_html_(self) -> str:
        return self.to_html()


def diff(new: ProgramData, old: ProgramData) -> ProgramDiff:
    """The changes from ``old`` to ``new``."""
    days = _paired_days(old.sessions, new.sessions)
    before = [c for n, (was, now) in enumerate(days) for c in _candidates(n, was, now)]
    after = [c for n, (was, now) in enumerate(days) for c in _candidates(n, now, was)]
    pairs = _pairs(before, after)
    old_paths = {old.place.path for old, _ in pairs}
    new_paths = {new.place.path for _, new in pairs}
    # The other pairs only share a position.
    same = [(o, n) for o, n in pairs if o.name == n.name or (o.db_id and o.db_id == n.db_id)]
    changes = [_change(pair) for pair in same]
    return ProgramDiff(
        program=tuple(_changes(old, new, _SKIP_IN_PROGRAM)),
        sessions=tuple(_session_change(*pair) for pair in days),
        added=tuple(c.place for c in after if c.place.path not in new_paths),
        removed=tuple(c.place for c in before if c.place.path not in old_paths),
        replaced=tuple(_change(pair) for pair in pairs if pair[0].name != pair[1].name),
        moved=tuple(_change(pair) for pair in _moved_pairs(same)),
        changed=tuple(change for change in changes if change.fields),
        details=tuple(change for change in changes if change.details),
        weekly_sets=_weekly_sets(old, new),
    )


def _changes(old: ProgramPart, new: ProgramPart, skip: frozenset[str]) -> Iterator[FieldChange]:
    """The changes of every key, known or unknown, that is not in ``skip``."""
    old_values, new_values = raw_values(old), raw_values(new)
    for field in dict.fromkeys(("title", *FACTS, *old_values, *new_values)):
        values = old_values.get(field), new_values.get(field)
        if field in skip or all(map(is_empty, values)):
            continue
        before, now = _value(old, field, values[0]), _value(new, field, values[1])
        if before == now or is_same(before, now):
            continue
        rpe = read_rpe(before) if field == "rpe" else None
        if rpe is None or rpe != read_rpe(now):  # RIR 2 is RPE 8
            yield FieldChange(field, before, now)


def _value(part: ProgramPart, field: str, value: Any) -> float | str | None:
    """The typed value, or the raw value if it has no type; a list or object as text."""
    if is_list(value):
        is_flat = not any(is_list(item) or is_object(item) for item in value)
        return ", ".join(map(as_text, value)) if is_flat else as_text(value)
    if is_object(value):
        return as_text(value)
    typed = part.__dict__.get(field)
    return typed if isinstance(typed, (int, float, str)) else value


def _change(pair: _Pair) -> ExerciseChange:
    old, new = pair[0].place, pair[1].place
    changes = tuple(_changes(old.exercise, new.exercise, _SKIP_IN_EXERCISE))
    fields = tuple(change for change in changes if change.field in _LOAD)
    return ExerciseChange(old, new, fields, tuple(c for c in changes if c.field not in _LOAD))


class _Day(NamedTuple):
    """A session with the properties that identify it, in the form for comparison."""

    place: SessionPlace
    session: TrainingSession
    exercises: frozenset[str]
    name: str
    id: str


def _days(sessions: Sequence[TrainingSession]) -> list[_Day]:
    days: list[_Day] = []
    for i, session in enumerate(sessions):
        exercises = frozenset(_name(e) for block in session.blocks for e in block.exercises)
        place = SessionPlace(i, _id(session, i), " ".join((session.name or "").split()))
        name = fold(session.name or "")
        own_name = "" if _DAY.fullmatch(name) else name
        days.append(_Day(place, session, exercises, own_name, fold(session.id or "")))
    return days


def _paired_days(
    old: Sequence[TrainingSession], new: Sequence[TrainingSession]
) -> list[tuple[_Day | None, _Day | None]]:
    """The sessions before and now: first in the order of ``new``, then the removed sessions.

    The most similar sessions become a pair first: a model that swaps two days may also write new
    ids.
    """
    before, after = _days(old), _days(new)
    candidates = (
        (_likeness(was, now), i, now.place.position)
        for i, was in enumerate(before)
        for now in after[max(0, i - FARTHEST) : i + FARTHEST]
    )
    partners: dict[int, _Day] = {}
    removed = dict(enumerate(before))
    for likeness, i, j in sorted(candidates, key=lambda candidate: -candidate[0]):
        if likeness and j not in partners and i in removed:
            partners[j] = removed.pop(i)
    pairs = [(partners.get(j), now) for j, now in enumerate(after)]
    return [*pairs, *((was, None) for was in removed.values())]


def _likeness(old: _Day, new: _Day) -> float:
    """The similarity of two sessions.

    Equal exercises outweigh name, id and position, except if only an exercise or two moved.
    """
    total = len(old.exercises) + len(new.exercises)
    shared = 2 * len(old.exercises & new.exercises) / (total or 1)
    same_name = bool(old.name) and old.name == new.name
    same_id = bool(old.id) and old.id == new.id
    same_position = old.place.position == new.place.position
    return 2.6 * shared + 1.1 * same_name + same_id + 0.05 * same_position


def _blocks(day: _Day, partner: _Day | None) -> dict[Hashable, tuple[int, Block]]:
    """Blocks with their positions, by their id if the partner has it, or else by position."""
    ids = {fold(block.id or "") for block in partner.session.blocks} if partner else set[str]()
    blocks: dict[Hashable, tuple[int, Block]] = {}
    for index, block in enumerate(day.session.blocks):
        key = fold(block.id or "")
        blocks[key if key and key in ids and key not in blocks else index] = index, block
    return blocks


def _session_change(old_day: _Day | None, new_day: _Day | None) -> SessionChange:
    if old_day is None or new_day is None:
        return SessionChange(old_day and old_day.place, new_day and new_day.place, (), ())
    old, new = _blocks(old_day, new_day), _blocks(new_day, old_day)
    blocks: list[BlockChange] = []
    for key in {**new, **old}:
        index, block = new.get(key) or old[key]
        (_, before), (_, now) = (side.get(key, (0, Block())) for side in (old, new))
        if fields := tuple(_changes(before, now, _SKIP_IN_BLOCK)):
            position = new_day.place.position if key in new else old_day.place.position
            path = f"sessions.{position}.blocks.{index}"
            blocks.append(BlockChange(path, _id(block, index), fields))
    fields = tuple(_changes(old_day.session, new_day.session, _SKIP_IN_SESSION))
    return SessionChange(old_day.place, new_day.place, fields, tuple(blocks))


def _id(part: TrainingSession | Block, index: int) -> str:
    return (part.id or "").strip() or str(index + 1)


class _Candidate(NamedTuple):
    """An exercise that may have a partner in the other program."""

    place: Place
    session: int  # the number of its pair of sessions
    block: Hashable  # the key of its block
    db_id: str
    name: str


_Pair = tuple[_Candidate, _Candidate]


def _candidates(number: int, day: _Day | None, partner: _Day | None) -> Iterator[_Candidate]:
    if day is None:
        return
    for key, (b, block) in _blocks(day, partner).items():
        for e, position in enumerate(_positions(block)):
            exercise = block.exercises[e]
            path = f"sessions.{day.place.position}.blocks.{b}.exercises.{e}"
            place = Place(path, day.place.id, _id(block, b), position, exercise)
            yield _Candidate(place, number, key, _db_id(exercise), _name(exercise))


def _positions(block: Block) -> list[int]:
    """The positions of the exercises in their block. ``order`` counts if every exercise has it."""
    orders = [exercise.order for exercise in block.exercises]
    indices = list(range(len(orders)))
    if None not in orders:
        indices.sort(key=lambda index: orders[index] or 0)
    positions = [0] * len(orders)
    for position, index in enumerate(indices, 1):
        positions[index] = position
    return positions


def _name(exercise: Exercise) -> str:
    """The name for comparison: its words without their endings, sorted."""
    name = exercise.name or " ".join(exercise.exercise_types or ())
    words = re.findall(r"[^\W_]+", fold(name))
    small = read_file()["words"]["small_in_names"].split()
    stems = (_PLURAL.sub("", word).removesuffix("e") for word in words if word not in small)
    return " ".join(sorted(stems)) or fold(name)


# Exercises with an equal key are paired. A key with an empty first value does not count.
_KEYS: tuple[Callable[[_Candidate], tuple[Hashable, ...]], ...] = (
    lambda c: (c.db_id, c.session, c.block),
    lambda c: (c.db_id, c.session),
    lambda c: (c.db_id,),
    lambda c: (c.name, c.session, c.block),
    lambda c: (c.name, c.session),
    lambda c: (c.name,),
    lambda c: (c.place.number, c.session, c.block),
)


def _db_id(exercise: Exercise) -> str:
    """The ``db_id``; empty for a placeholder: models write ``"N/A"``, ``"?"`` or ``"0"``."""
    db_id = as_text(exercise.db_id).strip()
    return db_id if re.search(r"[^\W0_]", db_id) and not says_nothing(db_id) else ""


def _trusted_db_ids(candidates: Iterable[_Candidate]) -> set[str]:
    """Each ``db_id`` that belongs to a single name."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for candidate in candidates:
        names[candidate.db_id].add(candidate.name)
    return {db_id for db_id, its_names in names.items() if db_id and len(its_names) == 1}


def _pairs(before: Sequence[_Candidate], after: Sequence[_Candidate]) -> list[_Pair]:
    """The exercises that are equal, or replace each other, in the order of ``after``."""
    db_ids = _trusted_db_ids(before) & _trusted_db_ids(after)
    before, after = (
        [c if c.db_id in db_ids else c._replace(db_id="") for c in candidates]
        for candidates in (before, after)
    )
    partners: dict[str, _Candidate] = {}
    waiting = {old.place.path: old for old in before}
    for key in _KEYS:
        by_key: defaultdict[Hashable, deque[_Candidate]] = defaultdict(deque)
        for old in waiting.values():
            by_key[key(old)].append(old)
        for new in after:
            path = new.place.path
            if path not in partners and key(new)[0] and (equal := by_key.get(key(new))):
                partners[path] = equal.popleft()
                del waiting[partners[path].place.path]
    return [(partners[path], new) for new in after if (path := new.place.path) in partners]


def _moved_pairs(pairs: Iterable[_Pair]) -> list[_Pair]:
    """The exercises that moved, except to make room for another exercise."""
    moved: list[_Pair] = []
    blocks: defaultdict[tuple[Hashable, Hashable], list[_Pair]] = defaultdict(list)
    for pair in pairs:
        blocks[pair[1].session, pair[1].block].append(pair)
    for (session, block), in_block in blocks.items():
        stayed = [pair for pair in in_block if (pair[0].session, pair[0].block) == (session, block)]
        in_new_order = sorted(stayed, key=lambda pair: pair[1].place.number)
        in_old_order = sorted(stayed, key=lambda pair: pair[0].place.number)
        unmoved = {id(n) for n, o in zip(in_new_order, in_old_order, strict=True) if n is o}
        moved += [pair for pair in in_block if id(pair) not in unmoved]
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
