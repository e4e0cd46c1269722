"""The changes between two programs, by session, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator

from ..change import (
    Changes,
    FieldChange,
    Place,
    SessionChange,
    SessionPlace,
    SetsChange,
    is_other_day,
)
from ..data import Exercise
from ..numbers import as_text
from ..texts import Language, Words, words
from ..vocabulary import LONGEST
from .content import decoded, exercise_name, rpe_text, series_and_reps, show_value
from .elements import Html, element
from .html import fragment
from .printable import one_line
from .text import wrap

_Entry = tuple[str, str]
"""A subject and its change."""

# Fields of several lines. Like any long text, they are shown as "new text".
_PROSE = ("notes", "warmup", "progression", "session_notes", "core_mobility_block", "general_notes")


def changes_text(changes: Changes, lang: Language) -> str:
    """The changes as lines of at most 80 columns."""
    labels = words(lang)
    sections = [
        "\n".join([wrap(title), *(wrap(f"{subject}: {text}", "- ") for subject, text in entries)])
        for title, entries in _sections(changes, labels)
    ]
    return "\n\n".join(sections or [labels.field("no_changes")]) + "\n"


def changes_html(changes: Changes, lang: Language) -> Html:
    """The changes as a fragment, in the style of a program."""
    labels = words(lang)
    sections = [
        element(
            "section",
            element("h2", title, dir="auto"),
            element("ul", *(_item(*entry) for entry in entries), class_="changes"),
            class_="general",
        )
        for title, entries in _sections(changes, labels)
    ]
    empty = element("p", labels.field("no_changes"), class_="empty")
    heading = element("p", labels.field("changes"), class_="kind")
    return fragment(element("article", heading, *(sections or [empty])), lang=lang)


def _item(subject: str, text: str) -> Html:
    return element("li", element("bdi", element("b", subject)), " ", element("bdi", text))


def _sections(changes: Changes, labels: Words) -> Iterator[tuple[str, list[_Entry]]]:
    """Titles with their entries: the program, each session, the weekly sets."""
    program = [*(_field(change, labels) for change in changes.program), *_sessions(changes, labels)]
    days = (
        (
            _day(session.new or session.old),
            [*(_field(c, labels) for c in session.fields), *_blocks(session, labels), *entries],
        )
        for session, entries in zip(changes.sessions, _exercises(changes, labels), strict=True)
    )
    week = [_sets(change, labels) for change in changes.weekly_sets]
    sections = ((labels.field("of_program"), program), *days, (labels.field("weekly_sets"), week))
    return ((title, entries) for title, entries in sections if entries)


def _sessions(changes: Changes, labels: Words) -> Iterator[_Entry]:
    """Sessions that are new, removed or on another day. Two swapped sessions share an entry."""
    moved: dict[tuple[int, int], tuple[SessionPlace, SessionPlace]] = {}
    for old, new, *_ in changes.sessions:
        if old is None or new is None:
            yield labels.field("new_session" if new else "removed_session"), _day(new or old)
        elif is_other_day(old, new):
            moved[old.position, new.position] = old, new
    for (before, now), (old, new) in moved.items():
        partner = moved.get((now, before))
        if partner is None:
            yield new.name or labels.field("session"), f"{old.id} → {new.id}"
        elif before < now:
            names = " ↔ ".join(dict.fromkeys(filter(None, (old.name, partner[0].name))))
            yield names or labels.field("session"), f"{old.id} ↔ {new.id}"


def _day(place: SessionPlace | None) -> str:
    names = dict.fromkeys((place.id, place.name)) if place else ()
    return one_line(" · ".join(filter(None, names)))


def _blocks(session: SessionChange, labels: Words) -> Iterator[_Entry]:
    for _, block, fields in session.blocks:
        yield f"{labels.field('block')} {block}", _listed(*(_in_line(c, labels) for c in fields))


def _sets(change: SetsChange, labels: Words) -> _Entry:
    difference = change.new - change.old
    sign = "+" if difference > 0 else "-"
    sets = _from_to(labels.number(change.old), labels.number(change.new))
    return change.muscle, f"{sets} ({sign}{labels.number(abs(difference))})"


def _exercises(changes: Changes, labels: Words) -> list[list[_Entry]]:
    """The exercises of each session, in the order of ``changes.sessions``.

    They have the order of the new program. Removed exercises come last.
    """
    lines = [(place, _whole("added", place, labels)) for place in changes.added]
    lines += _changed_exercises(changes, labels)
    entries: list[list[_Entry]] = [[] for _ in changes.sessions]
    for place, entry in sorted(lines, key=lambda line: _indices(line[0])):
        entries[_indices(place)[0]].append(entry)
    index = _index_by_old_position(changes)
    for place in changes.removed:
        entries[index[_indices(place)[0]]].append(_whole("removed", place, labels))
    return entries


def _changed_exercises(changes: Changes, labels: Words) -> Iterator[tuple[Place, _Entry]]:
    index = _index_by_old_position(changes)
    kinds = ("details", "changed", "moved", "replaced")
    by_path = {c.new.path: (c, kind) for kind in kinds for c in getattr(changes, kind)}
    moved, detailed = ({c.new.path for c in kind} for kind in (changes.moved, changes.details))
    for path, (change, kind) in by_path.items():
        name, where = exercise_name(change.new.exercise), _where(change.new)
        if path in moved:
            is_same_session = index[_indices(change.old)[0]] == _indices(change.new)[0]
            session = "" if is_same_session else f"{change.old.session} · "
            where = _from_to(session + _where(change.old), where)
        fields = [_in_line(field, labels) for field in change.fields]
        # A replaced exercise has other notes, too: they are no detail of the new exercise.
        details = [_in_line(field, labels) for field in change.details if path in detailed]
        if kind == "replaced":
            name = f"{exercise_name(change.old.exercise)} → {name}"
            fields = _loads(change.old.exercise, change.new.exercise)
        label = labels.field(kind) if kind in ("moved", "replaced") else ""
        yield change.new, (name, _listed(label, where, *fields, *details))


def _index_by_old_position(changes: Changes) -> dict[int, int]:
    """The index in ``changes.sessions`` for each session of the old program."""
    return {pair.old.position: index for index, pair in enumerate(changes.sessions) if pair.old}


def _whole(kind: str, place: Place, labels: Words) -> _Entry:
    return exercise_name(place.exercise), _listed(
        labels.field(kind), _where(place), *_loads(place.exercise)
    )


def _indices(place: Place) -> list[int]:
    """The positions of session, block and exercise in the program."""
    return [int(index) for index in place.path.split(".")[1::2]]


def _where(place: Place) -> str:
    return f"{place.block} · {place.number}"


def _loads(*exercises: Exercise) -> list[str]:
    """Series, reps and RPE of an exercise, or of an old and a new exercise."""
    loads = _from_to(*(series_and_reps(exercise) or "-" for exercise in exercises))
    efforts = _from_to(*(show_value(exercise.raw("rpe")) or "-" for exercise in exercises))
    return ["" if loads == "-" else loads, "" if efforts == "-" else rpe_text(efforts)]


def _field(change: FieldChange, labels: Words) -> _Entry:
    label = labels.field(change.field)
    if _is_prose(change):
        return label, labels.field("new_text" if change.new else "no_text")
    values = (value.split(", ") if isinstance(value, str) else value for value in change[1:])
    return label, _from_to(*(decoded(value, labels) or "-" for value in values))


def _is_prose(change: FieldChange) -> bool:
    return change.field in _PROSE or max(map(len, map(as_text, change[1:]))) > LONGEST


def _in_line(change: FieldChange, labels: Words) -> str:
    label, text = _field(change, labels)
    if change.field == "rpe":
        return rpe_text(text)
    return f"{label.lower()}{':' if _is_prose(change) else ''} {text}"


def _from_to(*texts: str) -> str:
    return " → ".join(dict.fromkeys(texts))


def _listed(*texts: str) -> str:
    return ", ".join(filter(None, texts))
