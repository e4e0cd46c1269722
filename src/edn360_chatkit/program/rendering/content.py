"""A program as it is shown: the part that all renderings share.

A :class:`Page` has every text in its language and in its order; a rendering only lays it out.
Each value is shown as the workflow wrote it, whatever its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from ..core_block import read_core_block
from ..data import (
    EXERCISE_COLUMNS,
    EXERCISE_DETAILS,
    FACTS,
    Block,
    Exercise,
    ProgramData,
    ProgramPart,
)
from ..data import TrainingSession as Session
from ..links import web_link
from ..numbers import is_empty
from ..texts.words import Words
from ..volume import estimated_session_minutes, weekly_sets_by_muscle
from .printable import one_line, printable

DEEPEST = 6
"""Levels of notes in notes. Deeper ones are shown in one line."""

LIST_MARK = "-"

_CODE = re.compile("[a-z]{2,}(?:_[a-z]{2,})+")
_WARM_UPS = ("warmup", "warm_up", "calentamiento")


class Note(NamedTuple):
    """A line of notes.

    Attributes:
        mark: ``"-"`` in a list, ``"key:"`` in an object, empty in a text.
        text: The text; empty if ``notes`` follow.
        notes: The notes below it.
    """

    mark: str
    text: str
    notes: tuple[Note, ...] = ()


class Remark(NamedTuple):
    """Notes with a title."""

    title: str
    notes: tuple[Note, ...]


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
    """A block: its id and muscles, its exercises, and notes below them."""

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
    opening: tuple[Remark, ...]
    groups: tuple[Group, ...]
    core: Group | None
    closing: tuple[Remark, ...]


class Page(NamedTuple):
    """A whole program."""

    title: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    sets: Mapping[str, float]
    days: tuple[Day, ...]
    remarks: tuple[Remark, ...]


def read_page(program: ProgramData, words: Words) -> Page:
    """A program's texts, in a language."""
    facts = ((words.field(key), _decoded(program.raw(key), words)) for key in FACTS)
    minutes = estimated_session_minutes(program)
    return Page(
        one_line(show_value(program.raw("title"))),
        printable(_text(program.raw("summary"))) if program.raw("summary") else "",
        tuple((label, text) for label, text in facts if text),
        weekly_sets_by_muscle(program),
        tuple(
            _day(session, index, minutes[index - 1], words)
            for index, session in enumerate(program.sessions, 1)
        ),
        tuple(_remarks(program, ("general_notes", *_unknown(program)), words)),
    )


def _day(session: Session, index: int, minutes: float, words: Words) -> Day:
    identity, name = show_value(session.raw("id")), show_value(session.raw("name"))
    core, rest = read_core_block(session)
    unknown = _unknown(session)
    closing = [*_remarks(session, [k for k in unknown if k not in _WARM_UPS], words)]
    if rest is not None and core is None:
        closing.insert(0, Remark(words.core, read_notes(rest)))
    return Day(
        identity,
        name if identity or name else f"{words.session} {index}",
        minutes,
        tuple(filter(None, (_decoded(focus, words) for focus in _items(session.raw("focus"))))),
        tuple(_remarks(session, [key for key in unknown if key in _WARM_UPS], words)),
        tuple(_group(block, words) for block in session.blocks),
        _core(core, rest, words),
        (*closing, *_remarks(session, ("session_notes",), words)),
    )


def _group(block: Block, words: Words) -> Group:
    return Group(
        show_value(block.raw("id")),
        joined(block.raw("primary_muscles")),
        joined(block.raw("secondary_muscles")),
        _rows(block, words),
        _fields(block, _unknown(block), words),
    )


def _core(block: Block | None, rest: object, words: Words) -> Group | None:
    if block is None:
        return None
    return Group(words.core, "", "", _rows(block, words), read_notes(rest) if rest else ())


def _rows(block: Block, words: Words) -> tuple[Row, ...]:
    return tuple(_row(exercise, words) for exercise in block.exercises)


def _row(exercise: Exercise, words: Words) -> Row:
    notes = exercise.raw("notes")
    return Row(
        show_value(exercise.raw("order")),
        exercise_name(exercise),
        joined([*_items(exercise.raw("primary_group")), *_items(exercise.raw("secondary_group"))]),
        series_and_reps(exercise),
        show_value(exercise.raw("rpe")),
        (
            *(read_notes(notes) if notes else ()),
            *_fields(exercise, (*EXERCISE_DETAILS, *_unknown(exercise)), words),
        ),
        web_link(exercise.video_url),
    )


# --- values ---------------------------------------------------------------------------------------


def _unknown(part: ProgramPart) -> tuple[str, ...]:
    """The keys of a part that the models do not know."""
    return tuple(key for key in part.model_extra or () if key not in EXERCISE_COLUMNS)


def _remarks(part: ProgramPart, keys: Iterable[str], words: Words) -> Iterator[Remark]:
    for key in keys:
        if (value := part.raw(key)) and not is_empty(value):
            yield Remark(one_line(words.field(key)), read_notes(value))


def _fields(part: ProgramPart, keys: Iterable[str], words: Words) -> tuple[Note, ...]:
    """Fields as notes with the fields' labels."""
    values = ((key, part.raw(key)) for key in keys)
    return tuple(
        _note(one_line(words.field(key)) + ":", value, 0)
        for key, value in values
        if not is_empty(value)
    )


def _decoded(value: object, words: Words) -> str:
    """A value in one line; codes of the workflow (``upper_lower``) become words."""
    text = show_value(value)
    return words.codes.get(text) or (text.replace("_", " ") if _CODE.fullmatch(text) else text)


def show_value(value: object) -> str:
    """A value in one line; empty if there is none."""
    if value is None or value is False:
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(show_value, cast("list[object]", value))))
    try:
        return one_line(f"{value:g}" if isinstance(value, float) else _text(value))
    except ValueError:
        return "…"  # a number of thousands of digits, which Python does not write out


def exercise_name(exercise: Exercise) -> str:
    """The name, or the kinds of exercise if there is no name."""
    name, kinds = exercise.raw("name"), exercise.exercise_types
    if kinds and is_empty(name):
        return ", ".join(one_line(kind.replace("_", " ")) for kind in kinds)
    return show_value(name)


def series_and_reps(exercise: Exercise) -> str:
    """``3 × 8-10``, with a dash for a missing one of the two; empty if both are missing."""
    shown = [show_value(exercise.raw("series")), show_value(exercise.raw("reps"))]
    return " × ".join(text or "-" for text in shown) if any(shown) else ""


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


def joined(names: object) -> str:
    """Names in one line, with commas."""
    return ", ".join(filter(None, map(show_value, _items(names))))


# --- notes ----------------------------------------------------------------------------------------


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
    if depth < DEEPEST and value and isinstance(value, (list, dict)):
        return Note(mark, "", read_notes(cast("object", value), depth + 1))
    return Note(mark, one_line(_text(value)))


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
