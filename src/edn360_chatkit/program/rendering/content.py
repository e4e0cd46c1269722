"""The texts of a program, which all renderings share.

Each value is shown as the workflow wrote it, whatever its type. A rendering escapes it.
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


def read_row(exercise: Exercise, words: Words) -> Row:
    """An exercise's texts, in a language."""
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
    """The values of all other keys that are filled, as the workflow wrote them."""
    values = raw_values(part).items()
    return {key: value for key, value in values if key not in keys and not is_empty(value)}


# --- values ---------------------------------------------------------------------------------------


def decoded(value: object, words: Words) -> str:
    """A value in one line; codes of the workflow (``upper_lower``, ``push_focus``) as words."""
    items = (words.code(item) or show_value(item) for item in items_of(value))
    return ", ".join(filter(None, items))


def show_value(value: object) -> str:
    """A value in one line; empty if there is none. An unknown code loses its underscores."""
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
    """``3 × 8-10``, with a dash for a missing one of the two; empty if both are missing."""
    shown = [show_value(exercise.raw("series")), show_value(exercise.raw("reps"))]
    return " × ".join(text or "-" for text in shown) if any(shown) else ""


def rpe_text(rpe: str) -> str:
    """An RPE with its name, if there is one: ``"8"`` is ``"RPE 8"``, ``"RIR 2"`` says it itself."""
    return rpe if not rpe or re.search(r"(?i)\b(?:rpe|rir)\b", rpe) else f"RPE {rpe}"


def items_of(value: object) -> list[object]:
    """The items of a list. Any other value is a single item."""
    return value if is_list(value) else [value]


# --- notes ----------------------------------------------------------------------------------------


def read_notes(content: object, words: Words, depth: int = 0) -> tuple[Note, ...]:
    """Free notes, which are text, a list or an object, nested or not; none if they are empty."""
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
