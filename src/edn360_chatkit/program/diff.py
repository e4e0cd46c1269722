"""The comparison of two programs."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from .change import Changes, ExerciseChange, FieldChange, Place, SetsChange
from .data import FACTS, Block, Exercise, ProgramData, ProgramPart, TrainingSession
from .muscles import muscle_key
from .numbers import as_text, fold, is_same, read_rpe, says_nothing
from .texts import Language
from .volume import weekly_sets_by_muscle

PROGRAM_FIELDS = ("title", *FACTS)
EXERCISE_FIELDS = ("series", "reps", "rpe")

# Words that make no other exercise: "Press de banca" is "Press banca".
_SMALL_WORDS = frozenset(
    {"de", "del", "la", "el", "los", "las", "en", "con", "al", "a", "the", "of", "on", "with"}
)


@dataclass(frozen=True)
class ProgramDiff(Changes):
    """The changes from one program to the next; false if there are none.

    Notes, videos, muscles and the sessions' names are not compared.

    Attributes:
        program: Changes of the program's title, goal, type, weeks, days and minutes.
        added: Exercises that are new.
        removed: Exercises that the program no longer has.
        replaced: Exercises in the position of another one, or with its ``db_id`` and another
            name.
        moved: Exercises that are in another session or block, or in another order.
        changed: Exercises with other series, reps or RPE. One that has moved, or has the same
            ``db_id`` and another name, may be among them too.
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
    before, now = list(_standings(old, new)), list(_standings(new, old))
    trusted = _trusted_db_ids(before) & _trusted_db_ids(now)
    before, now = (
        [s if s.db_id in trusted else replace(s, db_id="") for s in side] for side in (before, now)
    )
    pairs = _pairs(before, now)
    old_paths = {old.place.path for old, _ in pairs}
    new_paths = {new.place.path for _, new in pairs}
    same = [(old, new) for old, new in pairs if old.is_same_as(new)]
    return ProgramDiff(
        program=tuple(_changes(old, new, PROGRAM_FIELDS)),
        added=tuple(s.place for s in now if s.place.path not in new_paths),
        removed=tuple(s.place for s in before if s.place.path not in old_paths),
        replaced=tuple(_change(pair) for pair in pairs if pair[0].name != pair[1].name),
        moved=tuple(_change(pair) for pair in _moved(same)),
        changed=tuple(change for pair in same if (change := _change(pair)).fields),
        weekly_sets=_weekly_sets(old, new),
    )


def _changes(old: ProgramPart, new: ProgramPart, fields: Iterable[str]) -> Iterator[FieldChange]:
    for field in fields:
        before, now = _value(old, field), _value(new, field)
        rpe = read_rpe(before) if field == "rpe" else None
        same_rpe = rpe is not None and rpe == read_rpe(now)  # RIR 2 is RPE 8
        if not same_rpe and not is_same(before, now):
            yield FieldChange(field, before, now)


def _value(part: ProgramPart, field: str) -> float | str | None:
    """The typed value, else the raw value as text."""
    value = part.raw(field)
    if isinstance(value, (list, dict)):
        return as_text(cast("object", value))
    typed: float | str | None = getattr(part, field)
    return value if typed is None else typed


def _change(pair: _Pair) -> ExerciseChange:
    old, new = pair[0].place, pair[1].place
    fields = _changes(old.exercise, new.exercise, EXERCISE_FIELDS)
    return ExerciseChange(old, new, tuple(fields))


# --- where an exercise stands ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Standing:
    """A place, with its session and block as they are compared.

    A model that writes ``"Día 1"`` for ``"D1"`` has moved nothing.
    """

    place: Place
    session: Hashable
    block: Hashable
    db_id: str
    name: str

    def is_same_as(self, other: _Standing) -> bool:
        """Whether both are one exercise."""
        return self.name == other.name or (self.db_id != "" and self.db_id == other.db_id)


_Pair = tuple[_Standing, _Standing]
_Part = TrainingSession | Block


def _standings(program: ProgramData, other: ProgramData) -> Iterator[_Standing]:
    sessions = _identities(program.sessions, other.sessions)
    others = dict(zip(_identities(other.sessions, program.sessions), other.sessions, strict=True))
    for s, (session, s_identity) in enumerate(zip(program.sessions, sessions, strict=True)):
        same = others.get(s_identity)
        blocks = _identities(session.blocks, same.blocks if same else [])
        for b, (block, b_identity) in enumerate(zip(session.blocks, blocks, strict=True)):
            path = f"sessions.{s}.blocks.{b}"
            ids = (session.id or "").strip() or str(s + 1), (block.id or "").strip() or str(b + 1)
            for e, number in enumerate(_numbers(block)):
                exercise = block.exercises[e]
                place = Place(f"{path}.exercises.{e}", *ids, number, exercise)
                db_id = as_text(exercise.db_id).strip()
                yield _Standing(place, s_identity, b_identity, db_id, _name(exercise))


def _identities(own: Sequence[_Part], other: Sequence[_Part]) -> list[Hashable]:
    """For each part its id, if the other program has it, too; else its position."""
    others = {fold(part.id or "") for part in other}
    identities: list[Hashable] = []
    for index, part in enumerate(own):
        identity = fold(part.id or "")
        is_shared = identity and identity in others and identity not in identities
        identities.append(identity if is_shared else index)
    return identities


def _numbers(block: Block) -> list[int]:
    """The positions of the exercises: by ``order`` if all have one."""
    orders = [exercise.order for exercise in block.exercises]
    indices = list(range(len(orders)))
    if None not in orders:
        indices.sort(key=lambda index: orders[index] or 0)
    numbers = {index: number for number, index in enumerate(indices, 1)}
    return [numbers[index] for index in range(len(orders))]


def _name(exercise: Exercise) -> str:
    words = fold(exercise.name or " ".join(exercise.exercise_types or ())).split()
    return " ".join(word.removesuffix("s") for word in words if word not in _SMALL_WORDS)


# --- which exercise is which ----------------------------------------------------------------------

# What makes two exercises the same, the surest first. An empty first value matches nothing.
_KEYS: tuple[Callable[[_Standing], tuple[Hashable, ...]], ...] = (
    lambda s: (s.db_id, s.session, s.block),
    lambda s: (s.db_id, s.session),
    lambda s: (s.db_id,),
    lambda s: (s.name, s.session, s.block),
    lambda s: (s.name, s.session),
    lambda s: (s.name,),
    lambda s: (s.place.number, s.session, s.block),
)


def _trusted_db_ids(standings: Iterable[_Standing]) -> set[str]:
    """The ``db_id`` that are no placeholders and stand for one name only; others say nothing."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for standing in standings:
        names[standing.db_id].add(standing.name)
    return {db_id for db_id, its_names in names.items() if len(its_names) == 1 and _is_id(db_id)}


def _is_id(db_id: str) -> bool:
    """Whether it is no placeholder: models write ``"N/A"``, ``"?"`` or ``"0"`` for no id."""
    return not says_nothing(db_id) and bool(re.search(r"[^\W0_]", db_id))


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
