"""A training program as text for the terminal, with rich (extra ``cli``).

A language model wrote the program: its text is only ever wrapped in :class:`rich.text.Text`, never
printed as a ``str`` that rich would read for markup, and passes through ``printable`` first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from ..core_block import read_core_block
from ..model import Block, EnrichedTrainingProgram, Exercise, Language, TrainingSession
from .content import joined, note_lines, read_facts, read_notes, series_and_reps, show_value
from .labels import Labels, labels
from .printable import one_line, printable

WIDEST = 110
"""Columns. Longer lines are hard to read."""

GAP = "-"
"""What stands where the program should have a value and has none."""


def terminal_text(program: EnrichedTrainingProgram, lang: Language) -> str:
    """A program, readable on standard output as it is: a terminal, a pipe or a file.

    Args:
        program: What to show. Whatever is missing in it is left out, or shows as a dash.
        lang: The language of the labels.

    Returns:
        The text, with colours only where standard output is a terminal, and as wide as that is.
    """
    console = Console(width=min(Console().width, WIDEST), highlight=False)
    with console.capture() as capture:
        for part in _program(program, labels(lang)):
            console.print(part)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def _program(program: EnrichedTrainingProgram, words: Labels) -> Iterator[RenderableType]:
    yield Text(one_line(program.title) or GAP, style="bold")
    if program.summary:
        yield Text(printable(program.summary))
    if facts := read_facts(program, words):
        yield ""
        for name, text in facts:
            yield from _field(name, text)
    for index, session in enumerate(program.sessions, 1):
        yield from _session(session, index, words)
    if not program.sessions:
        yield f"\n({words.no_sessions})"
    if program.general_notes:
        yield ""
        yield Rule(Text(words.general_notes, style="bold"), align="left", style="dim")
        yield Text(_lines(program.general_notes))


def _session(session: TrainingSession, index: int, words: Labels) -> Iterator[RenderableType]:
    name = "  ".join(one_line(name) for name in (session.id, session.name) if name)
    title = Text(name or f"{words.session} {index}", style="bold cyan")
    yield ""
    yield Rule(title, align="left", style="dim")
    yield from _field(words.focus, joined(session.focus))
    for place, block in enumerate(session.blocks):
        yield from _block(block, words, header=place == 0)
    if not session.blocks:
        yield f"({words.no_blocks})"
    core, rest = read_core_block(session.core_mobility_block)
    if core:
        yield from _exercises(words.core, "", core.exercises, words, header=not session.blocks)
        if rest:
            yield Padding(Text(_lines(rest)), (0, 0, 0, 2))
    elif rest:
        yield ""
        yield from _notes(words.core, rest)
    if session.session_notes:
        yield ""
        yield from _notes(words.notes, session.session_notes)


def _block(block: Block, words: Labels, *, header: bool) -> Iterator[RenderableType]:
    muscles = joined(block.primary_muscles)
    if others := joined(block.secondary_muscles):
        muscles += f" ({words.also} {others})"
    title = one_line(block.id or "") or GAP
    yield from _exercises(title, muscles, block.exercises, words, header=header)


def _exercises(
    title: str, muscles: str, exercises: Sequence[Exercise], words: Labels, *, header: bool
) -> Iterator[RenderableType]:
    # Fixed widths, so that the columns of all blocks stand below each other.
    table = Table(
        Column("#", width=3, justify="right", overflow="fold"),
        Column(words.exercise, ratio=3, overflow="fold"),
        Column(words.series_and_reps, width=13, overflow="fold"),
        Column("RPE", width=5, overflow="fold"),
        Column(words.notes, ratio=4, overflow="fold"),
        box=None,
        expand=True,
        show_header=header,
        header_style="dim",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for exercise in exercises:
        table.add_row(
            Text(show_value(exercise.order) or GAP),
            Text(one_line(exercise.name) or GAP, style="bold"),
            Text(series_and_reps(exercise) or GAP),
            Text(show_value(exercise.rpe) or GAP),
            Text(printable(exercise.notes or "")),
        )
    yield ""
    yield Text.assemble((title, "bold green"), "  ", muscles)
    yield table if exercises else f"  ({words.no_exercises})"


def _field(name: str, value: str) -> Iterator[Text]:
    if value:
        yield Text.assemble((f"{name}: ", "dim"), value)


def _notes(name: str, content: object) -> Iterator[Text]:
    lines = _lines(content)
    start = "\n" if "\n" in lines else " "
    yield Text.assemble((f"{name}:", "dim"), start, lines)


def _lines(content: object) -> str:
    return "\n".join(
        "  " * depth + f"{note.mark} {note.text}".strip()
        for depth, note in note_lines(read_notes(content))
    )
