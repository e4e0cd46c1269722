"""A training program as Markdown with tables, as GitHub and JupyterLab read it.

What the workflow wrote is text: nothing in it is read as Markdown, HTML or a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from ..core_block import read_core_block
from ..links import web_link
from ..model import Block, EnrichedTrainingProgram, Exercise, Language, TrainingSession
from .content import (
    LIST_MARK,
    Note,
    joined,
    note_lines,
    read_facts,
    read_notes,
    series_and_reps,
    show_value,
)
from .labels import Labels, labels
from .printable import one_line, printable

_ALWAYS = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: f"\\{mark}" for mark in "\\`*_[]#|~$"}}
)
_AT_THE_START = re.compile(r"([-+=:])|(\d+)(?=[.)])")
_ADDRESS = re.compile(r"(?<=[a-z])(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def program_markdown(program: EnrichedTrainingProgram, lang: Language) -> str:
    """A program as Markdown. Whatever is missing in it is left out."""
    return "\n\n".join(filter(None, _program(program, labels(lang)))) + "\n"


def escaped(text: str) -> str:
    """A text in one line in which Markdown finds nothing to read."""
    text = one_line(text).translate(_ALWAYS)
    # Bare addresses are links to some readers: a backslash takes them apart, and is not shown.
    text = _ADDRESS.sub(r"\\", text)
    start = _AT_THE_START.match(text)
    if start:
        end = start.end(2) if start[2] else 0
        text = f"{text[:end]}\\{text[end:]}"
    return text


def _program(program: EnrichedTrainingProgram, words: Labels) -> Iterator[str]:
    yield f"# {escaped(program.title) or words.program}"
    yield _paragraph(program.summary)
    facts = read_facts(program, words)
    yield "\n".join(f"- {name}: **{escaped(text)}**" for name, text in facts)
    if sets := program.weekly_sets_by_muscle():
        counts = ((escaped(muscle), words.number(number)) for muscle, number in sets.items())
        yield f"**{words.weekly_sets}**"
        yield _table((words.muscle, words.sets), counts)
    for index, session in enumerate(program.sessions, 1):
        yield from _session(session, index, words)
    if not program.sessions:
        yield words.no_sessions
    yield from _remarks("##", words.general_notes, program.general_notes)


def _session(session: TrainingSession, index: int, words: Labels) -> Iterator[str]:
    name = " · ".join(escaped(part) for part in (session.id, session.name) if part)
    yield f"## {name or f'{words.session} {index}'}"
    if focus := joined(session.focus):
        yield f"{words.focus}: {escaped(focus)}"
    for block in session.blocks:
        yield from _block(block, words)
    if not session.blocks:
        yield words.no_blocks
    core, rest = read_core_block(session.core_mobility_block)
    if core:
        yield f"### {words.core}"
        yield _exercises(core.exercises, words)
        yield _notes(rest)
    else:
        yield from _remarks("###", words.core, rest)
    yield from _remarks("###", words.session_notes, session.session_notes)


def _block(block: Block, words: Labels) -> Iterator[str]:
    others = joined(block.secondary_muscles)
    parts = [part for part in (one_line(block.id or ""), joined(block.primary_muscles)) if part]
    name = " · ".join(map(escaped, parts)) or words.block
    yield f"### {name}" + (f" ({words.also} {escaped(others)})" if others else "")
    yield _exercises(block.exercises, words)


def _exercises(exercises: Sequence[Exercise], words: Labels) -> str:
    if not exercises:
        return words.no_exercises
    columns = ("\\#", words.exercise, words.series_and_reps, "RPE", words.notes, words.video)
    return _table(columns, (_exercise(exercise, words) for exercise in exercises))


def _exercise(exercise: Exercise, words: Labels) -> tuple[str, ...]:
    url = web_link(exercise.video_url)
    name = escaped(exercise.name)
    return (
        escaped(show_value(exercise.order)),
        f"**{name}**" if name else "",
        escaped(series_and_reps(exercise)),
        escaped(show_value(exercise.rpe)),
        "<br>".join(_lines(exercise.notes or "")),
        f"[{words.video}](<{_address(url)}>)" if url else "",
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _address(url: str) -> str:
    """A URL between < and > in which Markdown finds nothing to read."""
    return quote(url, safe="%/:?#@!&'()*+,;=-._~").replace("&", "&amp;")


def _paragraph(text: str | None) -> str:
    return "\\\n".join(_lines(text or ""))


def _lines(text: str) -> Iterator[str]:
    return filter(None, map(escaped, printable(text).split("\n")))


def _remarks(level: str, name: str, content: object) -> Iterator[str]:
    if content:
        yield f"{level} {name}"
        yield _notes(content)


def _notes(content: object) -> str:
    if isinstance(content, str):
        return _paragraph(content)
    return "\n".join(_entry(depth, note) for depth, note in note_lines(read_notes(content)))


def _entry(depth: int, note: Note) -> str:
    key = "" if note.mark == LIST_MARK else f"{escaped(note.mark)} "
    return f"{'  ' * depth}- {key}{escaped(note.text)}".rstrip()
