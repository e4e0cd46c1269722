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

from ..data import ProgramData
from ..texts import Language, words
from ..texts.words import Words
from .content import Day, Group, Note, Page, Remark, Row, note_lines, read_page

WIDEST = 110
"""Columns. Longer lines are hard to read."""

GAP = "-"
"""What stands where the program should have a value and has none."""


def terminal_text(program: ProgramData, lang: Language) -> str:
    """A program, readable on standard output as it is: a terminal, a pipe or a file.

    Args:
        program: What to show. Whatever is missing in it is left out, or shows as a dash.
        lang: The language of the labels.

    Returns:
        The text, with colours only where standard output is a terminal, and as wide as that is.
    """
    own = words(lang)
    console = Console(width=min(Console().width, WIDEST), highlight=False)
    with console.capture() as capture:
        for part in _page(read_page(program, own), own):
            console.print(part)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def _page(page: Page, words: Words) -> Iterator[RenderableType]:
    yield Text(page.title or GAP, style="bold")
    if page.summary:
        yield Text(page.summary)
    if page.facts:
        yield ""
        for name, text in page.facts:
            yield _field(name, text)
    for day in page.days:
        yield from _day(day, words)
    if not page.days:
        yield f"\n({words.no_sessions})"
    for remark in page.remarks:
        yield ""
        yield Rule(Text(remark.title, style="bold"), align="left", style="dim")
        yield Text(_lines(remark.notes))


def _day(day: Day, words: Words) -> Iterator[RenderableType]:
    title = "  ".join(filter(None, (day.id, day.name)))
    yield ""
    yield Rule(Text(title, style="bold cyan"), align="left", style="dim")
    if day.focus:
        yield _field(words.field("focus"), ", ".join(day.focus))
    yield from _remarks(day.opening)
    groups = (*day.groups, *filter(None, (day.core,)))
    for index, group in enumerate(groups):
        yield from _group(group, words, header=index == 0)
    if not day.groups:
        yield f"({words.no_blocks})"
    yield from _remarks(day.closing)


def _group(group: Group, words: Words, *, header: bool) -> Iterator[RenderableType]:
    # Fixed widths align the columns of all blocks.
    table = Table(
        Column("#", width=3, justify="right", overflow="fold"),
        Column(words.exercise, ratio=3, overflow="fold"),
        Column(words.series_and_reps, width=13, overflow="fold"),
        Column("RPE", width=5, overflow="fold"),
        Column(words.field("notes"), ratio=4, overflow="fold"),
        box=None,
        expand=True,
        show_header=header,
        header_style="dim",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for row in group.rows:
        table.add_row(*_cells(row))
    also = f" ({words.also} {group.also})" if group.also else ""
    yield ""
    yield Text.assemble((group.id or GAP, "bold green"), "  ", group.title, also)
    yield table if group.rows else f"  ({words.no_exercises})"
    if group.notes:
        yield Padding(Text(_lines(group.notes)), (0, 0, 0, 2))


def _cells(row: Row) -> Iterator[Text]:
    yield Text(row.order or GAP)
    yield Text(row.name or GAP, style="bold")
    yield Text(row.load or GAP)
    yield Text(row.rpe or GAP)
    yield Text(_lines(row.notes))


def _field(name: str, value: str) -> Text:
    return Text.assemble((f"{name}: ", "dim"), value)


def _remarks(remarks: Sequence[Remark]) -> Iterator[RenderableType]:
    for title, notes in remarks:
        lines = _lines(notes)
        yield ""
        yield Text.assemble((f"{title}:", "dim"), "\n" if "\n" in lines else " ", lines)


def _lines(notes: Sequence[Note]) -> str:
    return "\n".join(
        "  " * depth + f"{note.mark} {note.text}".strip() for depth, note in note_lines(notes)
    )
