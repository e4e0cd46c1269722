"""What a program says, whatever shape the workflow gave it: the part that all renderings share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from ..model import EnrichedTrainingProgram, Exercise
from .labels import Labels
from .printable import one_line, printable

DEEPEST = 6
"""Levels of notes in notes. What is nested deeper than a reader can follow stays in one line."""

LIST_MARK = "-"


def read_facts(program: EnrichedTrainingProgram, words: Labels) -> list[tuple[str, str]]:
    """What the program says of itself, with its labels."""
    facts = (
        (words.goal, program.goal),
        (words.training_type, program.training_type),
        (words.weeks, program.weeks),
        (words.days_per_week, program.days_per_week),
        (words.session_minutes, program.session_duration_min),
    )
    return [(name, text) for name, value in facts if (text := show_value(value))]


class Note(NamedTuple):
    """A line of notes.

    Attributes:
        mark: ``"-"`` in a list, ``"key:"`` in an object (its underscores are blanks), nothing in a
            text.
        text: What it says; empty where ``notes`` follow.
        notes: What stands below it.
    """

    mark: str
    text: str
    notes: tuple[Note, ...] = ()


def read_notes(content: object, depth: int = 0) -> tuple[Note, ...]:
    """Free notes, which are text, a list or an object, nested or not."""
    if isinstance(content, Mapping):
        fields = cast("Mapping[object, object]", content).items()
        return tuple(_note(_key(key), value, depth) for key, value in fields)
    if isinstance(content, list):
        return tuple(_note(LIST_MARK, item, depth) for item in cast("list[object]", content))
    return tuple(Note("", line) for line in printable(_text(content)).split("\n"))


def _key(key: object) -> str:
    return one_line(_text(key).replace("_", " ")) + ":"


def _note(mark: str, value: object, depth: int) -> Note:
    if depth < DEEPEST and _has_notes(value):
        return Note(mark, "", read_notes(value, depth + 1))
    return Note(mark, one_line(_text(value)))


def _has_notes(value: object) -> bool:
    return bool(value) and isinstance(value, (list, dict))


def note_lines(notes: Sequence[Note], depth: int = 0) -> Iterator[tuple[int, Note]]:
    """Every line of notes with its depth, from 0."""
    for note in notes:
        yield depth, note
        yield from note_lines(note.notes, depth + 1)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return "…"  # from Python, not from JSON: a value within itself, or a key that is no text


def show_value(value: str | float | None) -> str:
    """A number or a text in one line; empty where there is none."""
    if value is None:
        return ""
    try:
        return one_line(f"{value:g}" if isinstance(value, float) else str(value))
    except ValueError:
        return "…"  # a number of thousands of digits, which Python does not write out


def series_and_reps(exercise: Exercise) -> str:
    """``3 × 8-10``, with a dash where one of the two is missing; empty where both are."""
    shown = [show_value(exercise.series), show_value(exercise.reps)]
    return " × ".join(text or "-" for text in shown) if any(shown) else ""


def joined(names: Iterable[str | None] | None) -> str:
    """Names in one line, with commas."""
    return ", ".join(filter(None, (one_line(name or "") for name in names or ())))
