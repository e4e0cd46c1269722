"""What changed between two programs, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..diff import ExerciseChange, FieldChange, Place, ProgramDiff
from ..model import Language
from .columns import wrap
from .content import series_and_reps, show_value
from .elements import Html, element
from .html import fragment
from .labels import Labels, labels
from .printable import one_line

COLUMNS = 80


@dataclass(frozen=True)
class _Words:
    title: str
    nothing: str
    program: str
    name: str
    added: str
    removed: str
    replaced: str
    moved: str
    changed: str
    series: str
    reps: str


_WORDS = {
    "es": _Words(
        title="Cambios en el programa",
        nothing="Sin cambios.",
        program="Programa",
        name="Título",
        added="Ejercicios añadidos",
        removed="Ejercicios retirados",
        replaced="Ejercicios sustituidos",
        moved="Ejercicios cambiados de sitio",
        changed="Series, repeticiones y RPE",
        series="series",
        reps="repeticiones",
    ),
    "en": _Words(
        title="Changes in the program",
        nothing="No changes.",
        program="Program",
        name="Title",
        added="Exercises added",
        removed="Exercises removed",
        replaced="Exercises replaced",
        moved="Exercises moved",
        changed="Series, reps and RPE",
        series="series",
        reps="reps",
    ),
}


def changes_text(diff: ProgramDiff, lang: Language) -> str:
    """The changes as lines of at most 80 columns."""
    words, own = labels(lang), _WORDS[lang]
    lines: list[str] = []
    for title, entries in _sections(diff, words, own):
        lines += ["", title]
        for who, what in entries:
            first, *more = wrap(f"{who}: {what}", COLUMNS - 4)
            lines += [f"  {first}", *(f"    {line}" for line in more)]
    return "\n".join(lines[1:] or [own.nothing]) + "\n"


def changes_html(diff: ProgramDiff, lang: Language) -> Html:
    """The changes as a fragment, in the style of a program."""
    words, own = labels(lang), _WORDS[lang]
    sections = [
        element(
            "section",
            element("h2", title),
            element("ul", *(_entry(who, what) for who, what in entries), class_="changes"),
            class_="general",
        )
        for title, entries in _sections(diff, words, own)
    ]
    nothing = element("p", own.nothing, class_="empty")
    heading = element("p", own.title, class_="kind")
    return fragment(element("article", heading, *(sections or [nothing])), lang=lang)


def _entry(who: str, what: str) -> Html:
    return element("li", element("bdi", element("b", who)), " ", element("bdi", what))


def _sections(
    diff: ProgramDiff, words: Labels, own: _Words
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Titles and, below each, who changed and how."""
    sections = {
        own.program: [(_label(c, words, own), _from_to(c)) for c in diff.program],
        own.added: [(one_line(p.exercise.name), _whole(p)) for p in diff.added],
        own.removed: [(one_line(p.exercise.name), _whole(p)) for p in diff.removed],
        own.replaced: [_replaced(change) for change in diff.replaced],
        own.moved: [
            (one_line(c.new.exercise.name), f"{_where(c.old)} → {_where(c.new)}")
            for c in diff.moved
        ],
        own.changed: [_changed(change, words, own) for change in diff.changed],
        words.weekly_sets: [
            (
                one_line(muscle),
                f"{words.number(old)} → {words.number(new)} "
                f"({'+' if new > old else '-'}{words.number(abs(new - old))})",
            )
            for muscle, old, new in diff.weekly_sets
        ],
    }
    for title, entries in sections.items():
        if entries:
            yield title, entries


def _replaced(change: ExerciseChange) -> tuple[str, str]:
    names = [one_line(place.exercise.name) for place in (change.old, change.new)]
    loads = [series_and_reps(place.exercise) for place in (change.old, change.new)]
    if loads[0] == loads[1]:
        del loads[0]
    load = " → ".join(load or "-" for load in loads) if any(loads) else ""
    return " → ".join(names), ", ".join(filter(None, (_where(change.new), load)))


def _changed(change: ExerciseChange, words: Labels, own: _Words) -> tuple[str, str]:
    what = "; ".join(f"{_label(field, words, own)} {_from_to(field)}" for field in change.fields)
    return one_line(change.new.exercise.name), f"{_where(change.new)}, {what}"


def _whole(place: Place) -> str:
    return ", ".join(filter(None, (_where(place), series_and_reps(place.exercise))))


def _where(place: Place) -> str:
    return f"{one_line(place.session)} · {one_line(place.block)} · {place.number}"


def _from_to(change: FieldChange) -> str:
    return f"{show_value(change.old) or '-'} → {show_value(change.new) or '-'}"


def _label(change: FieldChange, words: Labels, own: _Words) -> str:
    return {
        "title": own.name,
        "goal": words.goal,
        "training_type": words.training_type,
        "weeks": words.weeks,
        "days_per_week": words.days_per_week,
        "session_duration_min": words.session_minutes,
        "series": own.series,
        "reps": own.reps,
        "rpe": "RPE",
    }[change.field]
