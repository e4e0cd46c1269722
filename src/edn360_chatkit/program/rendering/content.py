"""The texts of a program, for every rendering.

A value of any type is shown as the workflow wrote it. A rendering escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from ..._json import is_list, is_object
from ..data import EXERCISE_COLUMNS, Exercise, ProgramPart, raw_values
from ..numbers import as_text, is_empty
from ..texts import Words
from .printable import one_line, printable, web_link

DEEPEST = 6
"""Levels of nested notes. Deeper notes are shown in a single line."""

LIST_MARK = "-"

COLUMNS = {
    "order": "#",
    "name": "exercise",
    "load": "series_and_reps",
    "rpe": "rpe",
    "notes": "notes",
    "video": "video",
}
"""The columns of a table of exercises: fields of :class:`Row` with the keys of their labels."""

# A code of the workflow, for example "upper_lower".
_CODE = re.compile(r"(?<![^\s(])[^\W_]+(?:_[^\W_]+)+(?![^\s).,;:])")


class Note(NamedTuple):
    """A line of notes, and the notes below it.

    ``mark`` is ``"-"`` in a list, a label in an object, and empty in a text.
    """

    mark: str
    text: str
    notes: tuple[Note, ...] = ()


class Row(NamedTuple):
    """An exercise. ``load`` is series and reps; ``notes`` include the fields without a column."""

    order: str
    name: str
    groups: str
    load: str
    rpe: str
    notes: tuple[Note, ...]
    video: str | None


def read_row(exercise: Exercise, words: Words) -> Row:
    """The texts of an exercise in a language."""
    notes = read_notes(exercise.raw("notes"), words)
    return Row(
        show_value(exercise.raw("order")),
        exercise_name(exercise),
        decoded([exercise.raw("primary_group"), exercise.raw("secondary_group")], words),
        series_and_reps(exercise),
        show_value(exercise.raw("rpe")),
        (*notes, *read_notes(others(exercise, EXERCISE_COLUMNS), words)),
        web_link(exercise.video_url),
    )


def others(part: ProgramPart, keys: Container[str]) -> dict[str, object]:
    """The values of the other keys as the workflow wrote them, without empty values."""
    values = raw_values(part).items()
    return {key: value for key, value in values if key not in keys and not is_empty(value)}


def decoded(value: object, words: Words) -> str:
    """A value as a line, with words for the workflow's codes (``upper_lower``, ``push_focus``)."""
    items = (words.code(item) or show_value(item) for item in items_of(value))
    return ", ".join(filter(None, items))


def show_value(value: object) -> str:
    """A value as a line, possibly empty. An unknown code loses its underscores."""
    if is_list(value):
        return ", ".join(filter(None, map(show_value, value)))
    return "" if value is False else one_line(readable(value))


def readable(value: object) -> str:
    """A value as text, without the underscores of the workflow's codes."""
    return _CODE.sub(lambda code: code[0].replace("_", " "), as_text(value))


def exercise_name(exercise: Exercise) -> str:
    """The name, or the kinds of exercise if there is no name."""
    name = exercise.raw("name")
    return show_value(exercise.exercise_types if is_empty(name) else name)


def series_and_reps(exercise: Exercise) -> str:
    """``3 × 8-10``, with a dash for a missing value; empty if both are missing."""
    texts = [show_value(exercise.raw("series")), show_value(exercise.raw("reps"))]
    return " × ".join(text or "-" for text in texts) if any(texts) else ""


def rpe_text(rpe: str) -> str:
    """An RPE with its name: ``"8"`` becomes ``"RPE 8"``; ``"RIR 2"`` has a name already."""
    return rpe if not rpe or re.search(r"(?i)\b(?:rpe|rir)\b", rpe) else f"RPE {rpe}"


def items_of(value: object) -> list[object]:
    """The items of a list. Any other value is a single item."""
    return value if is_list(value) else [value]


def read_notes(content: object, words: Words, depth: int = 0) -> tuple[Note, ...]:
    """Free notes: a text, a list or an object of any depth. Empty notes give no lines."""
    if is_empty(content):
        return ()
    if is_object(content):
        fields = content.items()
        return tuple(_note(f"{words.field(as_text(k))}:", v, words, depth) for k, v in fields)
    if is_list(content):
        return tuple(_note(LIST_MARK, item, words, depth) for item in content)
    return tuple(Note("", line) for line in printable(readable(content)).split("\n"))


def _note(mark: str, value: object, words: Words, depth: int) -> Note:
    if depth == DEEPEST or not value or not (is_list(value) or is_object(value)):
        return Note(mark, words.code(value) or readable(value))
    notes = read_notes(value, words, depth + 1)
    is_flat = is_object(value) and not any(note.notes for note in notes)
    if mark == LIST_MARK and is_flat and len(notes) > 1:  # for example, an exercise
        return Note(mark, " · ".join(f"{note.mark} {note.text}" for note in notes if note.text))
    return Note(mark, "", notes)


def note_lines(notes: Sequence[Note], depth: int = 0) -> Iterator[tuple[int, Note]]:
    """Every line of notes with its depth, from 0."""
    for note in notes:
        yield depth, note
        yield from note_lines(note.notes, depth + 1)
