"""The comparison of two programs."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

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
from .data import FACTS, Block, Exercise, ProgramData, ProgramPart, TrainingSession, written
from .muscles import muscle_key
from .numbers import as_text, is_empty, is_same, read_rpe, says_nothing
from .texts import Language
from .vocabulary import fold, read_file
from .volume import weekly_sets_by_muscle

# Every key is compared but these. They give a part its place, are compared as parts, or say
# nothing about the training (see docs/programs.md).
_OF_PROGRAM = frozenset(("id", "summary", "sessions"))
_OF_SESSION = frozenset(("id", "name", "blocks"))
_OF_BLOCK = frozenset(("id", "primary_muscles", "secondary_muscles", "exercises"))
_OF_EXERCISE = frozenset(
    ("id", "order", "name", "primary_group", "secondary_group", "video_url", "db_id")
)
_LOAD = ("series", "reps", "rpe")

FARTHEST = 30
"""Sessions that are farther apart are not compared, so that time grows with the size only."""

# "Face pulls" is "Face pull", and "press" is no plural.
_PLURAL = re.compile(r"(?<=[^s])s$")

# A name that is only a position: "Día 1" is no other session, but another day.
_DAY = re.compile("(?:dia|day|sesion|session|entrenamiento|workout) ?[0-9]+")


@dataclass(frozen=True)
class ProgramDiff(Changes):
    """The changes from one program to the next; false if there are none.

    Videos, muscles, ids, the summary and the sessions' names are not compared.

    Attributes:
        program: Changes of the program's own fields, such as title, weeks and notes.
        sessions: Every session before and now, in the order of the program now, with the changes
            of its own fields and of those of its blocks.
        added: Exercises that are new.
        removed: Exercises that the program no longer has.
        replaced: Exercises in the position of another one, or with its ``db_id`` and another
            name.
        moved: Exercises that are in another session or block, or in another order.
        changed: Exercises with other series, reps or RPE. They may be moved or replaced as well.
        details: Exercises with other notes, rest or tempo, or another change of any other field.
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
    days = [*_paired_days(old.sessions, new.sessions)]
    before = [s for n, (one, other) in enumerate(days) for s in _standings(n, one, other)]
    now = [s for n, (one, other) in enumerate(days) for s in _standings(n, other, one)]
    pairs = _pairs(before, now)
    old_paths = {old.place.path for old, _ in pairs}
    new_paths = {new.place.path for _, new in pairs}
    same = [(old, new) for old, new in pairs if old.is_same_as(new)]
    changes = [_change(pair) for pair in same]
    return ProgramDiff(
        program=tuple(_changes(old, new, _OF_PROGRAM)),
        sessions=tuple(_session_change(*pair) for pair in days),
        added=tuple(s.place for s in now if s.place.path not in new_paths),
        removed=tuple(s.place for s in before if s.place.path not in old_paths),
        replaced=tuple(_change(pair) for pair in pairs if pair[0].name != pair[1].name),
        moved=tuple(_change(pair) for pair in _moved(same)),
        changed=tuple(change for change in changes if change.fields),
        details=tuple(change for change in changes if change.details),
        weekly_sets=_weekly_sets(old, new),
    )


# --- fields ---------------------------------------------------------------------------------------


def _changes(old: ProgramPart, new: ProgramPart, apart: frozenset[str]) -> Iterator[FieldChange]:
    """The changes of every key, known or not, but those of ``apart``."""
    old_values, new_values = written(old), written(new)
    for field in dict.fromkeys(("title", *FACTS, *old_values, *new_values)):
        values = old_values.get(field), new_values.get(field)
        if field in apart or all(map(is_empty, values)):
            continue
        before, now = _value(old, field, values[0]), _value(new, field, values[1])
        if before == now or is_same(before, now):
            continue
        rpe = read_rpe(before) if field == "rpe" else None
        if rpe is None or rpe != read_rpe(now):  # RIR 2 is RPE 8
            yield FieldChange(field, before, now)


def _value(part: ProgramPart, field: str, value: Any) -> float | str | None:
    """The typed value, or the raw value if it has no type; a list or object as text."""
    if isinstance(value, (list, dict)):
        items = cast("list[object]", value) if isinstance(value, list) else [cast("object", value)]
        is_flat = not any(isinstance(item, (list, dict)) for item in items)
        return ", ".join(map(as_text, items)) if is_flat else as_text(cast("object", value))
    typed = part.__dict__.get(field)
    return typed if isinstance(typed, (int, float, str)) else value


def _change(pair: _Pair) -> ExerciseChange:
    old, new = pair[0].place, pair[1].place
    changes = tuple(_changes(old.exercise, new.exercise, _OF_EXERCISE))
    fields = tuple(change for change in changes if change.field in _LOAD)
    return ExerciseChange(old, new, fields, tuple(c for c in changes if c.field not in _LOAD))


# --- pairs of sessions and blocks -----------------------------------------------------------------


class _Day(NamedTuple):
    """A session, with the properties by which it is recognized, as they are compared."""

    place: SessionPlace
    session: TrainingSession
    exercises: frozenset[str]
    name: str
    id: str


def _days(sessions: Sequence[TrainingSession]) -> Iterator[_Day]:
    for i, session in enumerate(sessions):
        names = frozenset(_name(e) for block in session.blocks for e in block.exercises)
        place = SessionPlace(i, _id(session, i), " ".join((session.name or "").split()))
        name = fold(session.name or "")
        own = "" if _DAY.fullmatch(name) else name
        yield _Day(place, session, names, own, fold(session.id or ""))


def _paired_days(
    old: Sequence[TrainingSession], new: Sequence[TrainingSession]
) -> Iterator[tuple[_Day | None, _Day | None]]:
    """The sessions before and now, in the order of ``new``; then those that were removed.

    Sessions are paired by likeness, the most alike first. A model that swaps two days may write
    their ids anew.
    """
    before, now = [*_days(old)], [*_days(new)]
    alike = (
        (_likeness(one, other), i, other.place.position)
        for i, one in enumerate(before)
        for other in now[max(0, i - FARTHEST) : i + FARTHEST]
    )
    pairs: dict[int, int] = {}
    removed = dict.fromkeys(range(len(before)))
    for likeness, i, j in sorted(alike, key=lambda pair: -pair[0]):
        if likeness and j not in pairs and i in removed:
            pairs[j] = i
            del removed[i]
    yield from ((before[pairs[j]] if j in pairs else None, day) for j, day in enumerate(now))
    yield from ((before[i], None) for i in removed)


def _likeness(one: _Day, other: _Day) -> float:
    """How similar two sessions are.

    The same exercises outweigh name, id and position. An exercise or two that moved do not.
    """
    all_exercises = len(one.exercises) + len(other.exercises)
    shared = 2 * len(one.exercises & other.exercises) / (all_exercises or 1)
    same_name = bool(one.name) and one.name == other.name
    same_id = bool(one.id) and one.id == other.id
    same_position = one.place.position == other.place.position
    return 2.6 * shared + 1.1 * same_name + same_id + 0.05 * same_position


def _blocks(own: _Day | None, other: _Day | None) -> dict[Hashable, tuple[int, Block]]:
    """Blocks with their positions, by their id if the other session has it, else by position."""
    others = {fold(block.id or "") for block in other.session.blocks} if other else set[str]()
    blocks: dict[Hashable, tuple[int, Block]] = {}
    for index, block in enumerate(own.session.blocks if own else ()):
        key = fold(block.id or "")
        blocks[key if key and key in others and key not in blocks else index] = index, block
    return blocks


def _session_change(old_day: _Day | None, new_day: _Day | None) -> SessionChange:
    if old_day is None or new_day is None:
        return SessionChange(old_day and old_day.place, new_day and new_day.place, (), ())
    old, new = _blocks(old_day, new_day), _blocks(new_day, old_day)
    blocks: list[BlockChange] = []
    for key in {**new, **old}:
        index, block = new.get(key) or old[key]
        (_, before), (_, now) = (side.get(key, (0, Block())) for side in (old, new))
        if fields := tuple(_changes(before, now, _OF_BLOCK)):
            position = new_day.place.position if key in new else old_day.place.position
            path = f"sessions.{position}.blocks.{index}"
            blocks.append(BlockChange(path, _id(block, index), fields))
    fields = tuple(_changes(old_day.session, new_day.session, _OF_SESSION))
    return SessionChange(old_day.place, new_day.place, fields, tuple(blocks))


def _id(part: TrainingSession | Block, index: int) -> str:
    return (part.id or "").strip() or str(index + 1)


# --- positions of exercises -----------------------------------------------------------------------


class _Standing(NamedTuple):
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


def _standings(number: int, own: _Day | None, other: _Day | None) -> Iterator[_Standing]:
    if own is None:
        return
    for key, (b, block) in _blocks(own, other).items():
        for e, position in enumerate(_numbers(block)):
            exercise = block.exercises[e]
            path = f"sessions.{own.place.position}.blocks.{b}.exercises.{e}"
            place = Place(path, own.place.id, _id(block, b), position, exercise)
            yield _Standing(place, number, key, _db_id(exercise), _name(exercise))


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
    small = read_file()["words"]["small_in_names"].split()
    stems = (_PLURAL.sub("", word).removesuffix("e") for word in words if word not in small)
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


def _trusted_db_ids(standings: Iterable[_Standing]) -> set[str]:
    """Each ``db_id`` that has one name only."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for standing in standings:
        names[standing.db_id].add(standing.name)
    return {db_id for db_id, its_names in names.items() if db_id and len(its_names) == 1}


def _pairs(before: Sequence[_Standing], now: Sequence[_Standing]) -> list[_Pair]:
    """The exercises that are the same, or replace each other, in the order of ``now``."""
    db_ids = _trusted_db_ids(before) & _trusted_db_ids(now)
    before, now = (
        [s if s.db_id in db_ids else s._replace(db_id="") for s in standings]
        for standings in (before, now)
    )
    matches: dict[str, _Standing] = {}
    waiting = {standing.place.path: standing for standing in before}
    for key in _KEYS:
        by_key: defaultdict[Hashable, deque[_Standing]] = defaultdict(deque)
        for standing in waiting.values():
            if key(standing)[0]:
                by_key[key(standing)].append(standing)
        for standing in now:
            path = standing.place.path
            if path not in matches and (same := by_key.get(key(standing))):
                matches[path] = same.popleft()
                del waiting[matches[path].place.path]
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
