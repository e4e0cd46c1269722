"""The changes between two programs by session, as text and as HTML."""

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
"""A subject, and how it changed."""

# Fields of several lines: only that they changed is shown, as of any long text.
_PROSE = ("notes", "warmup", "progression", "session_notes", "core_mobility_block", "general_notes")


def changes_text(changes: Changes, lang: Language) -> str:
    """The changes as lines of at most 80 columns."""
    own = words(lang)
    sections = [
        "\n".join([wrap(title), *(wrap(f"{subject}: {text}", "- ") for subject, text in entries)])
        for title, entries in _sections(changes, own)
    ]
    return "\n\n".join(sections or [own.field("no_changes")]) + "\n"


def changes_html(changes: Changes, lang: Language) -> Html:
    """The changes as a fragment, in the style of a program."""
    own = words(lang)
    sections = [
        element(
            "section",
            element("h2", title, dir="auto"),
            element("ul", *(_item(*entry) for entry in entries), class_="changes"),
            class_="general",
        )
        for title, entries in _sections(changes, own)
    ]
    nothing = element("p", own.field("no_changes"), class_="empty")
    heading = element("p", own.field("changes"), class_="kind")
    return fragment(element("article", heading, *(sections or [nothing])), lang=lang)


def _item(subject: str, text: str) -> Html:
    return element("li", element("bdi", element("b", subject)), " ", element("bdi", text))


def _sections(changes: Changes, own: Words) -> Iterator[tuple[str, list[_Entry]]]:
    """Titles with their entries: the program, each session, the weekly sets."""
    program = [*(_field(change, own) for change in changes.program), *_sessions(changes, own)]
    days = (
        (
            _day(session.new or session.old),
            [*(_field(c, own) for c in session.fields), *_blocks(session, own), *entries],
        )
        for session, entries in zip(changes.sessions, _exercises(changes, own), strict=True)
    )
    week = [_sets(change, own) for change in changes.weekly_sets]
    sections = ((own.field("of_program"), program), *days, (own.field("weekly_sets"), week))
    return ((title, entries) for title, entries in sections if entries)


def _sessions(changes: Changes, own: Words) -> Iterator[_Entry]:
    """Sessions that are new, removed or another day now. A swap of two is one entry."""
    moved: dict[tuple[int, int], tuple[SessionPlace, SessionPlace]] = {}
    for old, new, *_ in changes.sessions:
        if old is None or new is None:
            yield own.field("new_session" if new else "removed_session"), _day(new or old)
        elif is_other_day(old, new):
            moved[old.position, new.position] = old, new
    for (before, now), (old, new) in moved.items():
        other = moved.get((now, before))
        if other is None:
            yield new.name or own.field("session"), f"{old.id} → {new.id}"
        elif before < now:
            names = " ↔ ".join(dict.fromkeys(filter(None, (old.name, other[0].name))))
            yield names or own.field("session"), f"{old.id} ↔ {new.id}"


def _day(place: SessionPlace | None) -> str:
    names = dict.fromkeys((place.id, place.name)) if place else ()
    return one_line(" · ".join(filter(None, names)))


def _blocks(session: SessionChange, own: Words) -> Iterator[_Entry]:
    for _, block, fields in session.blocks:
        yield f"{own.field('block')} {block}", _listed(*(_in_line(c, own) for c in fields))


def _sets(change: SetsChange, own: Words) -> _Entry:
    difference = change.new - change.old
    sign = "+" if difference > 0 else "-"
    sets = _from_to(own.number(change.old), own.number(change.new))
    return change.muscle, f"{sets} ({sign}{own.number(abs(difference))})"


# --- exercises ------------------------------------------------------------------------------------


def _exercises(changes: Changes, own: Words) -> list[list[_Entry]]:
    """The entries of each session, one for each exercise: those it has in their order, others last.

    The result has the order of ``changes.sessions``: that of the sessions now.
    """
    before = {s.old.position: i for i, s in enumerate(changes.sessions) if s.old}
    kinds = ("details", "changed", "moved", "replaced")
    by_path = {c.new.path: (c, kind) for kind in kinds for c in getattr(changes, kind)}
    moved, detailed = ({c.new.path for c in kind} for kind in (changes.moved, changes.details))
    lines = [(place, _whole("added", place, own)) for place in changes.added]
    for path, (change, kind) in by_path.items():
        name, where = _name(change.new), _where(change.new)
        if path in moved:
            is_here = before[_indices(change.old)[0]] == _indices(change.new)[0]
            day = "" if is_here else f"{change.old.session} · "
            where = _from_to(day + _where(change.old), where)
        fields = [_in_line(field, own) for field in change.fields]
        # Another exercise in this position has other notes, too; that says nothing.
        details = [_in_line(c, own) for c in change.details if path in detailed]
        if kind == "replaced":
            name = f"{_name(change.old)} → {name}"
            fields = _loads(change.old.exercise, change.new.exercise)
        label = own.field(kind) if kind in ("moved", "replaced") else ""
        lines.append((change.new, (name, _listed(label, where, *fields, *details))))
    entries: list[list[_Entry]] = [[] for _ in changes.sessions]
    for place, entry in sorted(lines, key=lambda line: _indices(line[0])):
        entries[_indices(place)[0]].append(entry)
    for place in changes.removed:
        entries[before[_indices(place)[0]]].append(_whole("removed", place, own))
    return entries


def _whole(kind: str, place: Place, own: Words) -> _Entry:
    return _name(place), _listed(own.field(kind), _where(place), *_loads(place.exercise))


def _indices(place: Place) -> list[int]:
    """The positions of session, block and exercise in the program."""
    return [int(index) for index in place.path.split(".")[1::2]]


def _name(place: Place) -> str:
    return exercise_name(place.exercise)


def _where(place: Place) -> str:
    return f"{place.block} · {place.number}"


def _loads(*exercises: Exercise) -> list[str]:
    """Series, reps and RPE of an exercise, or of an old and a new exercise."""
    loads = _from_to(*(series_and_reps(exercise) or "-" for exercise in exercises))
    efforts = _from_to(*(show_value(exercise.raw("rpe")) or "-" for exercise in exercises))
    return ["" if loads == "-" else loads, "" if efforts == "-" else rpe_text(efforts)]


# --- values ---------------------------------------------------------------------------------------


def _field(change: FieldChange, own: Words) -> _Entry:
    label = own.field(change.field)
    if _is_prose(change):
        return label, own.field("new_text" if change.new else "no_text")
    values = (value.split(", ") if isinstance(value, str) else value for value in change[1:])
    return label, _from_to(*(decoded(value, own) or "-" for value in values))


def _is_prose(change: FieldChange) -> bool:
    return change.field in _PROSE or max(map(len, map(as_text, change[1:]))) > LONGEST


def _in_line(change: FieldChange, own: Words) -> str:
    label, text = _field(change, own)
    if change.field == "rpe":
        return rpe_text(text)
    return f"{label.lower()}{':' if _is_prose(change) else ''} {text}"


def _from_to(*texts: str) -> str:
    return " → ".join(dict.fromkeys(texts))


def _listed(*texts: str) -> str:
    return ", ".join(filter(None, texts))
