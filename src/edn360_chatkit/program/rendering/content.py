"""A program as it is shown: the part that all renderings share.

A :class:`Page` has every text in its language and in its order; a rendering lays it out and
escapes it. Each value is shown as the workflow wrote it, whatever its type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from ..data import EXERCISE_COLUMNS, FACTS, Block, Exercise, ProgramData, TrainingSession, written
from ..numbers import as_text, is_empty
from ..texts import Words
from ..volume import read_core_block, session_minutes, weekly_sets_by_muscle
from .printable import one_line, printable, web_link

DEEPEST = 6
"""Levels of notes in notes. Deeper ones are shown in one line."""

LIST_MARK = "-"

COLUMNS = {
    "order": "#",
    "name": "exercise",
    "load": "series_and_reps",
    "rpe": "rpe",
    "notes": "notes",
    "video": "video",
}
"""The columns of a table of exercises, as in :class:`Row`, with the keys of their labels."""

# A word of the workflow's own, such as "upper_lower".
_CODE = re.compile(r"(?<![^\s(])[^\W_]+(?:_[^\W_]+)+(?![^\s).,;:])")


class Note(NamedTuple):
    """A line of notes, and the notes below it.

    ``mark`` is ``"-"`` in a list, a label in an object or above notes, empty in a text.
    """

    mark: str
    text: str
    notes: tuple[Note, ...] = ()


class Row(NamedTuple):
    """An exercise. ``load`` is ``3 × 8-10``; ``notes`` include fields without a column."""

    order: str
    name: str
    groups: str
    load: str
    rpe: str
    notes: tuple[Note, ...]
    video: str | None


class Group(NamedTuple):
    """A block, or the exercises for core and mobility.

    ``columns`` are those of :data:`COLUMNS` that an exercise of the session fills.
    """

    id: str
    title: str
    also: str
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    columns: tuple[str, ...] = ()


class Day(NamedTuple):
    """A session. ``opening`` comes before its blocks, ``closing`` after them."""

    id: str
    name: str
    minutes: str
    focus: tuple[str, ...]
    opening: tuple[Note, ...]
    groups: tuple[Group, ...]
    closing: tuple[Note, ...]


class Page(NamedTuple):
    """A whole program, in the order in which it is shown."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[Note, ...]
    sets: tuple[tuple[str, float], ...]
    days: tuple[Day, ...]
    footnote: str


def read_page(program: ProgramData, words: Words) -> Page:
    """A program's texts, in a language."""
    values = written(program)
    facts = [(words.field(key), decoded(values.pop(key), words)) for key in FACTS]
    days = tuple(_day(session, n, words) for n, session in enumerate(values.pop("sessions"), 1))
    return Page(
        show_value(values.pop("title")) or words.field("program"),
        _readable(values.pop("summary") or None),
        tuple((label, text) for label, text in facts if text),
        _remarks(values, words),
        tuple((decoded(name, words), n) for name, n in weekly_sets_by_muscle(program).items()),
        days,
        words.field("how_estimated") if any(day.minutes for day in days) else "",
    )


def _day(session: TrainingSession, number: int, words: Words) -> Day:
    values = written(session)
    identity, name = show_value(values.pop("id")), show_value(values.pop("name"))
    focus = (decoded(item, words) for item in _items(values.pop("focus")))
    opening = _remarks({"warmup": values.pop("warmup", None)}, words)
    groups = [_group(block, words) for block in values.pop("blocks")]
    del values["core_mobility_block"]
    last = values.pop("session_notes")
    closing = _remarks({**values, "session_notes": last}, words)
    core, more = read_core_block(session)
    core_label = words.field("core_mobility_block")
    if core is not None:
        group, notes = _group(core, words), read_notes(more, words)
        groups.append(Group(core_label, "", "", group.rows, notes))
    elif more is not None:
        closing = (Note(core_label, "", read_notes(more, words)), *closing)
    minutes = session_minutes(session)
    rows = [row for group in groups for row in group.rows]
    columns = tuple(c for c in COLUMNS if c == "name" or any(getattr(row, c) for row in rows))
    return Day(
        identity,
        name if identity or name else f"{words.field('session')} {number}",
        f"≈ {minutes:.0f} min ({words.field('estimated')})" if minutes else "",
        tuple(filter(None, focus)),
        opening,
        tuple(group._replace(columns=columns) for group in groups),
        closing,
    )


def _group(block: Block, words: Words) -> Group:
    values = written(block)
    return Group(
        show_value(values.pop("id")),
        decoded(values.pop("primary_muscles"), words),
        decoded(values.pop("secondary_muscles"), words),
        tuple(_row(exercise, words) for exercise in values.pop("exercises")),
        _fields(values, words),
    )


def _row(exercise: Exercise, words: Words) -> Row:
    values = written(exercise)
    groups = [values.get("primary_group"), values.get("secondary_group")]
    notes = read_notes(values.get("notes"), words)
    others = {key: value for key, value in values.items() if key not in EXERCISE_COLUMNS}
    return Row(
        show_value(values["order"]),
        exercise_name(exercise),
        decoded(groups, words),
        series_and_reps(exercise),
        show_value(values["rpe"]),
        (*notes, *_fields(others, words)),
        web_link(exercise.video_url),
    )


# --- values ---------------------------------------------------------------------------------------


def _remarks(values: Mapping[str, object], words: Words) -> tuple[Note, ...]:
    """Fields with their labels above them."""
    filled = [(key, value) for key, value in values.items() if not is_empty(value)]
    return tuple(Note(words.field(key), "", read_notes(value, words)) for key, value in filled)


def _fields(values: Mapping[str, object], words: Words) -> tuple[Note, ...]:
    """Fields with their labels before them."""
    return read_notes({k: value for k, value in values.items() if not is_empty(value)}, words)


def decoded(value: object, words: Words) -> str:
    """A value in one line; codes of the workflow (``upper_lower``, ``push_focus``) as words."""
    items = (words.code(item) or show_value(item) for item in _items(value))
    return ", ".join(filter(None, items))


def show_value(value: object) -> str:
    """A value in one line; empty if there is none. An unknown code loses its underscores."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(show_value, cast("list[object]", value))))
    return "" if value is False else one_line(_readable(value))


def _readable(value: object) -> str:
    """A value as text, without the underscores of the workflow's codes."""
    return _CODE.sub(lambda code: code[0].replace("_", " "), as_text(value))


def exercise_name(exercise: Exercise) -> str:
    """The name, or the kinds of exercise if there is no name."""
    name = exercise.raw("name")
    return show_value(exercise.exercise_types if is_empty(name) else name)


def series_and_reps(exercise: Exercise) -> str:
    """``3 × 8-10``, with a dash for a missing one of the two; empty if both are missing."""
    shown = [show_value(exercise.raw("series")), show_value(exercise.raw("reps"))]
    return " × ".join(text or "-" for text in shown) if any(shown) else ""


def rpe_text(rpe: str) -> str:
    """An RPE with its name, if there is one: ``"8"`` is ``"RPE 8"``, ``"RIR 2"`` says it itself."""
    return rpe if not rpe or re.search(r"(?i)\b(?:rpe|rir)\b", rpe) else f"RPE {rpe}"


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


# --- notes ----------------------------------------------------------------------------------------


def read_notes(content: object, words: Words, depth: int = 0) -> tuple[Note, ...]:
    """Free notes, which are text, a list or an object, nested or not; none if they are empty."""
    if is_empty(content):
        return ()
    if isinstance(content, Mapping):
        fields = cast("Mapping[object, object]", content).items()
        return tuple(_note(f"{words.field(as_text(k))}:", v, words, depth) for k, v in fields)
    if isinstance(content, list):
        items = cast("list[object]", content)
        return tuple(_note(LIST_MARK, item, words, depth) for item in items)
    return tuple(Note("", line) for line in printable(_readable(content)).split("\n"))


def _note(mark: str, value: object, words: Words, depth: int = 0) -> Note:
    if depth < DEEPEST and value and isinstance(value, (list, dict)):
        notes = read_notes(cast("object", value), words, depth + 1)
        is_flat = isinstance(value, dict) and not any(note.notes for note in notes)
        if mark == LIST_MARK and is_flat and len(notes) > 1:  # such as an exercise
            return Note(mark, " · ".join(f"{note.mark} {note.text}" for note in notes if note.text))
        return Note(mark, "", notes)
    return Note(mark, words.code(value) or _readable(value))


def note_lines(notes: Sequence[Note], depth: int = 0) -> Iterator[tuple[int, Note]]:
    """Every line of notes with its depth, from 0."""
    for note in notes:
        yield depth, note
        yield from note_lines(note.notes, depth + 1)
