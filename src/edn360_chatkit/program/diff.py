"""The comparison of two programs."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from .change import Changes, ExerciseChange, FieldChange, Place, SetsChange
from .data import FACTS, Block, ProgramData, ProgramPart
from .muscles import muscle_key
from .numbers import as_text, fold, is_same, read_rpe
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
        """The changes as plain text, a line each.

        Args:
            lang: The language of the labels, ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another language.
        """
        from .rendering.changes import changes_text

        return changes_text(self, lang)

    def to_html(self, *, lang: Language = "es") -> str:
        """The changes as an HTML fragment with its style, in which all text is escaped.

        Args:
            lang: The language of the labels, ``"es"`` or ``"en"``.

        Raises:
            ValueError: ``lang`` is another language.
        """
        from .rendering.changes import changes_html

        return changes_html(self, lang)

    def _repr_html_(self) -> str:
        return self.to_html()


def diff(new: ProgramData, old: ProgramData) -> ProgramDiff:
    """What changed from ``old`` to ``new``."""
    before, now = _standing(new, old)
    db_ids = _trusted_db_ids(before) & _trusted_db_ids(now)
    pairs = _pairs(before, now, db_ids)
    old_paths = {pair.old.place.path for pair in pairs}
    new_paths = {pair.new.place.path for pair in pairs}
    same = [pair for pair in pairs if pair.has_one_name() or pair.has_one_of(db_ids)]
    moved = _moved(same)
    return ProgramDiff(
        program=tuple(_changes(old, new, PROGRAM_FIELDS)),
        added=tuple(p.place for p in now if p.place.path not in new_paths),
        removed=tuple(p.place for p in before if p.place.path not in old_paths),
        replaced=tuple(pair.change() for pair in pairs if not pair.has_one_name()),
        moved=tuple(pair.change() for pair in same if pair.new.place.path in moved),
        changed=tuple(change for pair in same if (change := pair.change()).fields),
        weekly_sets=_weekly_sets(old, new),
    )


def _changes(old: ProgramPart, new: ProgramPart, fields: Iterable[str]) -> Iterator[FieldChange]:
    for field in fields:
        values = _value(old, field), _value(new, field)
        if is_same(*values):
            continue
        rpe = [read_rpe(value) for value in values] if field == "rpe" else [None]
        if rpe[0] is None or rpe[0] != rpe[-1]:  # RIR 2 is RPE 8
            yield FieldChange(field, *values)


def _value(part: ProgramPart, field: str) -> float | str | None:
    """The typed value, else the raw value as text."""
    value = part.raw(field)
    if isinstance(value, (list, dict)):
        return as_text(cast("object", value))
    typed: float | str | None = getattr(part, field)
    return value if typed is None else typed


# --- where an exercise stands ---------------------------------------------------------------------


class _Standing(NamedTuple):
    """A place, with its session and block by their indices in the program before.

    What is new has the negative numbers: ids are not to be compared, because a model that writes
    ``"Día 1"`` for ``"D1"`` has moved nothing.
    """

    place: Place
    session: int
    block: int

    @property
    def db_id(self) -> str:
        return as_text(self.place.exercise.db_id).strip()

    @property
    def name(self) -> str:
        exercise = self.place.exercise
        words = fold(exercise.name or " ".join(exercise.exercise_types or ())).split()
        return " ".join(w.removesuffix("s") for w in words if w not in _SMALL_WORDS)


def _standing(new: ProgramData, old: ProgramData) -> tuple[list[_Standing], list[_Standing]]:
    before = [
        place
        for s in range(len(old.sessions))
        for b in range(len(old.sessions[s].blocks))
        for place in _places(old, s, b, (s, b))
    ]
    now: list[_Standing] = []
    sessions = _same_index([s.id for s in new.sessions], [s.id for s in old.sessions])
    for s, (session, s_before) in enumerate(zip(new.sessions, sessions, strict=True)):
        blocks_before: list[Block] = old.sessions[s_before].blocks if s_before >= 0 else []
        blocks = _same_index([b.id for b in session.blocks], [b.id for b in blocks_before])
        for b, b_before in enumerate(blocks):
            now += _places(new, s, b, (s_before, b_before))
    return before, now


def _same_index(now: Sequence[str | None], before: Sequence[str | None]) -> list[int]:
    """For each id the index of the same id before, else of the same position, else below 0."""
    waiting: defaultdict[str, deque[int]] = defaultdict(deque)
    for index, identity in enumerate(before):
        waiting[fold(identity or "")].append(index)
    waiting.pop("", None)
    matches = {
        index: candidates.popleft()
        for index, identity in enumerate(now)
        if (candidates := waiting.get(fold(identity or "")))
    }
    free = set(range(len(before))) - set(matches.values())
    return [matches.get(index, index if index in free else -1 - index) for index in range(len(now))]


def _places(program: ProgramData, s: int, b: int, standing: tuple[int, int]) -> Iterator[_Standing]:
    session = program.sessions[s]
    block = session.blocks[b]
    ids = (session.id or "").strip() or str(s + 1), (block.id or "").strip() or str(b + 1)
    orders = [exercise.order for exercise in block.exercises]
    indices = list(range(len(orders)))
    if None not in orders:
        indices.sort(key=lambda index: orders[index] or 0)
    numbers = {index: number for number, index in enumerate(indices, 1)}
    for e, exercise in enumerate(block.exercises):
        path = f"sessions.{s}.blocks.{b}.exercises.{e}"
        yield _Standing(Place(path, *ids, numbers[e], exercise), *standing)


# --- which exercise is which ----------------------------------------------------------------------

# What models write into ``db_id`` where there is none.
_NO_DB_ID = frozenset(
    {"na", "none", "null", "nil", "nan", "undefined", "unknown", "missing", "false", "todo", "tbd"}
    | {"ninguno", "nulo", "desconocido", "pendiente", "sinid", "nodisponible", "noaplica", "noid"}
)


def _trusted_db_ids(places: Iterable[_Standing]) -> set[str]:
    """The ``db_id`` that are no placeholders and stand for one name only; others say nothing."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for place in places:
        names[place.db_id].add(place.name)
    return {
        db_id
        for db_id, its_names in names.items()
        if len(its_names) == 1
        and (plain := "".join(c for c in fold(db_id) if c.isalnum()).lstrip("0"))
        and plain not in _NO_DB_ID
    }


class _Pair(NamedTuple):
    old: _Standing
    new: _Standing

    def has_one_name(self) -> bool:
        return self.old.name == self.new.name

    def has_one_of(self, db_ids: set[str]) -> bool:
        return self.old.db_id == self.new.db_id and self.old.db_id in db_ids

    def change(self) -> ExerciseChange:
        old, new = self.old.place, self.new.place
        fields = _changes(old.exercise, new.exercise, EXERCISE_FIELDS)
        return ExerciseChange(old, new, tuple(fields))


def _pairs(before: list[_Standing], now: list[_Standing], db_ids: set[str]) -> list[_Pair]:
    def db_id(p: _Standing) -> str:
        return p.db_id if p.db_id in db_ids else ""

    # The keys that make two exercises the same, the surest first; an empty key matches nothing.
    keys: tuple[Callable[[_Standing], Hashable], ...] = (
        lambda p: (identity := db_id(p)) and (identity, p.session, p.block),
        lambda p: (identity := db_id(p)) and (identity, p.session),
        db_id,
        lambda p: (name := p.name) and (name, p.session, p.block),
        lambda p: (name := p.name) and (name, p.session),
        lambda p: p.name,
        lambda p: (p.session, p.block, p.place.number),
    )
    matches: dict[str, _Standing] = {}
    for key in keys:
        waiting: defaultdict[Hashable, deque[_Standing]] = defaultdict(deque)
        for place in before:
            if identity := key(place):
                waiting[identity].append(place)
        for place in now:
            if place.place.path in matches:
                continue
            if candidates := waiting.get(key(place)):
                matches[place.place.path] = candidates.popleft()
        matched_paths = {place.place.path for place in matches.values()}
        before = [place for place in before if place.place.path not in matched_paths]
    return [_Pair(old, place) for place in now if (old := matches.get(place.place.path))]


def _moved(pairs: list[_Pair]) -> set[str]:
    """The new paths of what moved. What only made room for another exercise did not."""
    moved: set[str] = set()
    blocks: defaultdict[tuple[int, int], list[_Pair]] = defaultdict(list)
    for pair in pairs:
        old, new = pair
        if (old.session, old.block) == (new.session, new.block):
            blocks[new.session, new.block].append(pair)
        else:
            moved.add(new.place.path)
    for pairs_of_block in blocks.values():
        in_old_order = sorted(pairs_of_block, key=lambda pair: pair.old.place.number)
        in_new_order = sorted(pairs_of_block, key=lambda pair: pair.new.place.number)
        moved.update(
            pair.new.place.path
            for pair, other in zip(in_new_order, in_old_order, strict=True)
            if pair is not other
        )
    return moved


def _weekly_sets(old: ProgramData, new: ProgramData) -> tuple[SetsChange, ...]:
    before, now = (
        {muscle_key(muscle): (muscle, sets) for muscle, sets in week.items()}
        for week in map(weekly_sets_by_muscle, (old, new))
    )
    changes = [
        SetsChange(name, before.get(key, (name, 0.0))[1], now.get(key, (name, 0.0))[1])
        for key, (name, _) in {**before, **now}.items()
    ]
    changed = [change for change in changes if change.old != change.new]
    return tuple(sorted(changed, key=lambda change: -abs(change.new - change.old)))
