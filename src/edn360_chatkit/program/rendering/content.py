"""A program as it is shown: the part that all renderings share.

A :class:`Page` has every text in its language and in its order; a rendering lays it out and
escapes it. Each value is shown as the workflow wrote it, whatever its type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from ..data import (
    EXERCISE_COLUMNS,
    EXERCISE_DETAILS,
    FACTS,
    Block,
    Exercise,
    ProgramData,
    ProgramPart,
    TrainingSession,
)
from ..numbers import as_text, is_empty
from ..texts.base import Words
from ..volume import estimated_session_minutes, read_core_block, weekly_sets_by_muscle
from .printable import one_line, printable, web_link

DEEPEST = 6
"""Levels of notes in notes. Deeper ones are shown in one line."""

LIST_MARK = "-"

COLUMNS = ("#", "exercise", "series_and_reps", "rpe", "notes", "video")
"""The columns of a table of exercises, by the keys of their labels."""

_CODE = re.compile("[a-z]{2,}(?:_[a-z]{2,})+")
_WARM_UPS = ("warmup", "warm_up", "calentamiento")


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
    """A block, or the exercises for core and mobility."""

    id: str
    title: str
    also: str
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]


class Day(NamedTuple):
    """A session. ``opening`` comes before its blocks, ``closing`` after them."""

    id: str
    name: str
    minutes: float
    focus: tuple[str, ...]
    opening: tuple[Note, ...]
    groups: tuple[Group, ...]
    closing: tuple[Note, ...]


class Page(NamedTuple):
    """A whole program."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    sets: Mapping[str, float]
    days: tuple[Day, ...]
    remarks: tuple[Note, ...]


def read_page(program: ProgramData, words: Words) -> Page:
    """A program's texts, in a language."""
    facts = ((words.field(key), _decoded(program.raw(key), words)) for key in FACTS)
    days = zip(program.sessions, estimated_session_minutes(program), strict=True)
    return Page(
        show_value(program.raw("title")) or words.field("program"),
        as_text(program.raw("summary") or None),
        tuple((label, text) for label, text in facts if text),
        weekly_sets_by_muscle(program),
        tuple(_day(session, i, minutes, words) for i, (session, minutes) in enumerate(days, 1)),
        _remarks(program, ("general_notes", *_unknown(program)), words),
    )


def _day(session: TrainingSession, index: int, minutes: float, words: Words) -> Day:
    identity, name = show_value(session.raw("id")), show_value(session.raw("name"))
    core, more = read_core_block(session)
    groups = [_group(block, words) for block in session.blocks]
    closing = _remarks(session, [k for k in _unknown(session) if k not in _WARM_UPS], words)
    if core is not None:
        groups.append(Group(words.field("core"), "", "", _rows(core, words), _notes_of(more)))
    elif more is not None:
        closing = (Note(words.field("core"), "", read_notes(more)), *closing)
    return Day(
        identity,
        name if identity or name else f"{words.field('session')} {index}",
        minutes,
        tuple(filter(None, (_decoded(focus, words) for focus in _items(session.raw("focus"))))),
        _remarks(session, [key for key in _unknown(session) if key in _WARM_UPS], words),
        tuple(groups),
        (*closing, *_remarks(session, ("session_notes",), words)),
    )


def _group(block: Block, words: Words) -> Group:
    return Group(
        show_value(block.raw("id")),
        show_value(block.raw("primary_muscles")),
        show_value(block.raw("secondary_muscles")),
        _rows(block, words),
        _fields(block, _unknown(block), words),
    )


def _rows(block: Block, words: Words) -> tuple[Row, ...]:
    return tuple(_row(exercise, words) for exercise in block.exercises)


def _row(exercise: Exercise, words: Words) -> Row:
    fields = _fields(exercise, (*EXERCISE_DETAILS, *_unknown(exercise)), words)
    return Row(
        show_value(exercise.raw("order")),
        exercise_name(exercise),
        show_value([exercise.raw("primary_group"), exercise.raw("secondary_group")]),
        series_and_reps(exercise),
        show_value(exercise.raw("rpe")),
        (*_notes_of(exercise.raw("notes")), *fields),
        web_link(exercise.video_url),
    )


# --- values ---------------------------------------------------------------------------------------


def _unknown(part: ProgramPart) -> list[str]:
    """The keys of a part that the models do not know."""
    return [key for key in part.model_extra or () if key not in EXERCISE_COLUMNS]


def _remarks(part: ProgramPart, keys: Iterable[str], words: Words) -> tuple[Note, ...]:
    """Fields with their labels above them."""
    return tuple(
        Note(words.field(key), "", read_notes(part.raw(key)))
        for key in keys
        if not is_empty(part.raw(key))
    )


def _fields(part: ProgramPart, keys: Iterable[str], words: Words) -> tuple[Note, ...]:
    """Fields with their labels before them."""
    return tuple(
        _note(f"{words.field(key)}:", part.raw(key), 0)
        for key in keys
        if not is_empty(part.raw(key))
    )


def _decoded(value: object, words: Words) -> str:
    """A value in one line; codes of the workflow (``upper_lower``) become words."""
    text = show_value(value)
    return words.codes.get(text) or (text.replace("_", " ") if _CODE.fullmatch(text) else text)


def show_value(value: object) -> str:
    """A value in one line; empty if there is none."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(show_value, cast("list[object]", value))))
    return "" if value is False else one_line(as_text(value))


def exercise_name(exercise: Exercise) -> str:
    """The name, or the kinds of exercise if there is no name."""
    kinds = [kind.replace("_", " ") for kind in exercise.exercise_types or ()]
    return show_value(kinds if is_empty(exercise.raw("name")) else exercise.raw("name"))


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


def read_notes(content: object, depth: int = 0) -> tuple[Note, ...]:
    """Free notes, which are text, a list or an object, nested or not."""
    if isinstance(content, Mapping):
        fields = cast("Mapping[object, object]", content).items()
        return tuple(_note(as_text(k).replace("_", " ") + ":", v, depth) for k, v in fields)
    if isinstance(content, list):
        return tuple(_note(LIST_MARK, item, depth) for item in cast("list[object]", content))
    return tuple(Note("", line) for line in printable(as_text(content)).split("\n"))


def _notes_of(value: object) -> tuple[Note, ...]:
    return read_notes(value) if value else ()


def _note(mark: str, value: object, depth: int) -> Note:
    if depth < DEEPEST and value and isinstance(value, (list, dict)):
        return Note(mark, "", read_notes(cast("object", value), depth + 1))
    return Note(mark, as_text(value))


def note_lines(notes: Sequence[Note], depth: int = 0) -> Iterator[tuple[int, Note]]:
    """Every line of notes with its depth, from 0."""
    for note in notes:
        yield depth, note
        yield from note_lines(note.notes, depth + 1)
