"""The changes between two programs, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..change import Changes, ExerciseChange, FieldChange, Place
from ..texts import Language, words
from ..texts.base import Words
from .content import exercise_name, series_and_reps, show_value
from .elements import Html, element
from .html import fragment
from .text import wrap


def changes_text(changes: Changes, lang: Language) -> str:
    """The changes as lines of at most 80 columns."""
    own = words(lang)
    sections = [
        "\n".join([title, *(wrap(f"{subject}: {text}", "  ") for subject, text in entries)])
        for title, entries in _sections(changes, own)
    ]
    return "\n\n".join(sections or [own.field("no_changes")]) + "\n"


def changes_html(changes: Changes, lang: Language) -> Html:
    """The changes as a fragment, in the style of a program."""
    own = words(lang)
    sections = [
        element(
            "section",
            element("h2", title),
            element("ul", *(_entry(*entry) for entry in entries), class_="changes"),
            class_="general",
        )
        for title, entries in _sections(changes, own)
    ]
    nothing = element("p", own.field("no_changes"), class_="empty")
    heading = element("p", own.field("changes"), class_="kind")
    return fragment(element("article", heading, *(sections or [nothing])), lang=lang)


def _entry(subject: str, text: str) -> Html:
    return element("li", element("bdi", element("b", subject)), " ", element("bdi", text))


def _sections(changes: Changes, own: Words) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Titles, each with its entries: a subject and its change."""
    sections = {
        own.field("of_program"): [(own.field(c.field), _from_to(c)) for c in changes.program],
        own.field("added"): [_whole(place) for place in changes.added],
        own.field("removed"): [_whole(place) for place in changes.removed],
        own.field("replaced"): [_replaced(change, own) for change in changes.replaced],
        own.field("moved"): [
            (_name(c.new), f"{_where(c.old)} → {_where(c.new)}") for c in changes.moved
        ],
        own.field("changed"): [
            (_name(c.new), f"{_where(c.new)}, {_fields(c.fields, own)}") for c in changes.changed
        ],
        own.field("weekly_sets"): [
            (
                muscle,
                f"{own.number(old)} → {own.number(new)} "
                f"({'+' if new > old else '-'}{own.number(abs(new - old))})",
            )
            for muscle, old, new in changes.weekly_sets
        ],
    }
    for title, entries in sections.items():
        if entries:
            yield title, entries


def _name(place: Place) -> str:
    return exercise_name(place.exercise)


def _whole(place: Place) -> tuple[str, str]:
    return _name(place), _listed(_where(place), series_and_reps(place.exercise))


def _replaced(change: ExerciseChange, own: Words) -> tuple[str, str]:
    loads = [series_and_reps(place.exercise) or "-" for place in (change.old, change.new)]
    load = "" if loads == ["-", "-"] else " → ".join(dict.fromkeys(loads))
    rpe = _fields([field for field in change.fields if field.field == "rpe"], own)
    return f"{_name(change.old)} → {_name(change.new)}", _listed(_where(change.new), load, rpe)


def _listed(*texts: str) -> str:
    return ", ".join(filter(None, texts))


def _where(place: Place) -> str:
    return f"{place.session} · {place.block} · {place.number}"


def _fields(fields: Sequence[FieldChange], own: Words) -> str:
    return "; ".join(f"{own.field(field.field)} {_from_to(field)}" for field in fields)


def _from_to(change: FieldChange) -> str:
    return f"{show_value(change.old) or '-'} → {show_value(change.new) or '-'}"
