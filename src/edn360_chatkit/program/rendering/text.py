"""A training program as plain text of 80 columns, for a mail or a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core_block import read_core_block
from ..links import web_link
from ..model import Block, EnrichedTrainingProgram, Exercise, Language, TrainingSession
from .columns import wrap
from .content import (
    LIST_MARK,
    joined,
    note_lines,
    read_facts,
    read_notes,
    series_and_reps,
    show_value,
)
from .labels import Labels, labels
from .printable import one_line

COLUMNS = 80


def program_text(program: EnrichedTrainingProgram, lang: Language) -> str:
    """A program as plain text. Whatever is missing in it is left out."""
    return "\n".join(_program(program, labels(lang))) + "\n"


def _program(program: EnrichedTrainingProgram, words: Labels) -> Iterator[str]:
    yield from _title(one_line(program.title) or words.program, "=")
    yield from _notes(program.summary)
    if facts := read_facts(program, words):
        yield ""
        for name, text in facts:
            yield from _paragraph(f"{name}: {text}")
    if sets := program.weekly_sets_by_muscle():
        yield ""
        yield f"{words.weekly_sets}:"
        for muscle, number in sets.items():
            yield from _paragraph(muscle, " " * 8, f"{words.number(number):>6}  ")
    for index, session in enumerate(program.sessions, 1):
        yield from _session(session, index, words)
    if not program.sessions:
        yield from ("", words.no_sessions)
    if program.general_notes:
        yield ""
        yield from _title(words.general_notes, "-")
        yield from _notes(program.general_notes)


def _session(session: TrainingSession, index: int, words: Labels) -> Iterator[str]:
    yield ""
    yield from _title(_name(session.id, session.name) or f"{words.session} {index}", "-")
    if focus := joined(session.focus):
        yield from _paragraph(f"{words.focus}: {focus}")
    for block in session.blocks:
        yield from _block(block, words)
    if not session.blocks:
        yield words.no_blocks
    core, rest = read_core_block(session.core_mobility_block)
    if core:
        yield from _exercises(words.core, core.exercises, words)
        yield from _notes(rest, "  ")
    else:
        yield from _remarks(words.core, rest)
    yield from _remarks(words.session_notes, session.session_notes)


def _block(block: Block, words: Labels) -> Iterator[str]:
    others = joined(block.secondary_muscles)
    name = _name(block.id, joined(block.primary_muscles)) or words.block
    name += f" ({words.also} {others})" if others else ""
    yield from _exercises(name, block.exercises, words)


def _exercises(name: str, exercises: Sequence[Exercise], words: Labels) -> Iterator[str]:
    yield ""
    yield from _paragraph(name)
    for exercise in exercises:
        yield from _exercise(exercise)
    if not exercises:
        yield f"  {words.no_exercises}"


def _exercise(exercise: Exercise) -> Iterator[str]:
    order, rpe = show_value(exercise.order), show_value(exercise.rpe)
    name = f"{order}. {exercise.name}" if order else exercise.name
    load = (series_and_reps(exercise), rpe and f"RPE {rpe}")
    below = " " * 5
    yield from _paragraph(name, below, "  ")
    yield from _paragraph(" · ".join(filter(None, load)), below)
    yield from _notes(exercise.notes, below)
    yield from _paragraph(web_link(exercise.video_url) or "", below)


# --- lines ------------------------------------------------------------------------------------


def _name(*parts: str | None) -> str:
    return " · ".join(filter(None, (one_line(part or "") for part in parts)))


def _title(text: str, line: str) -> Iterator[str]:
    yield from _paragraph(text)
    yield line * COLUMNS


def _remarks(name: str, content: object) -> Iterator[str]:
    if content:
        yield ""
        yield f"{name}:"
        yield from _notes(content, "  ")


def _notes(content: object, indent: str = "") -> Iterator[str]:
    for depth, note in note_lines(read_notes(content)) if content else ():
        start = indent + "  " * depth
        if note.mark == LIST_MARK:
            yield from _paragraph(note.text, f"{start}  ", f"{start}- ")
        else:
            yield from _paragraph(f"{note.mark} {note.text}", start)


def _paragraph(text: str, indent: str = "", first: str | None = None) -> Iterator[str]:
    """A text in lines that begin with blanks, the first one with something else."""
    start = indent if first is None else first
    for line in wrap(one_line(text), COLUMNS - len(indent)):
        yield start + line
        start = indent
