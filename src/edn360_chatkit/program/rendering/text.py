"""A training program as plain text of 80 columns, for a mail or a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..data import ProgramData
from ..texts import Language, words
from ..texts.words import Words
from .columns import wrap
from .content import LIST_MARK, Day, Group, Note, Page, Remark, Row, note_lines, read_page
from .printable import one_line

COLUMNS = 80


def program_text(program: ProgramData, lang: Language) -> str:
    """A program as plain text, without the fields that are missing."""
    own = words(lang)
    return "\n".join(_page(read_page(program, own), own)) + "\n"


def _page(page: Page, words: Words) -> Iterator[str]:
    yield from _title(page.title or words.program, "=")
    for line in page.summary.split("\n"):
        yield from _paragraph(line)
    if page.facts:
        yield ""
        for name, text in page.facts:
            yield from _paragraph(f"{name}: {text}")
    if page.sets:
        yield ""
        yield f"{words.weekly_sets}:"
        for muscle, number in page.sets.items():
            yield from _paragraph(muscle, " " * 8, f"{words.number(number):>6}  ")
    for day in page.days:
        yield from _day(day, words)
    if not page.days:
        yield from ("", words.no_sessions)
    for remark in page.remarks:
        yield ""
        yield from _title(remark.title, "-")
        yield from _notes(remark.notes)


def _day(day: Day, words: Words) -> Iterator[str]:
    yield ""
    yield from _title(" · ".join(filter(None, (day.id, day.name))), "-")
    if day.focus:
        yield from _paragraph(f"{words.field('focus')}: {', '.join(day.focus)}")
    yield from _remarks(day.opening)
    for group in (*day.groups, *filter(None, (day.core,))):
        yield from _group(group, words)
    if not day.groups:
        yield words.no_blocks
    yield from _remarks(day.closing)


def _group(group: Group, words: Words) -> Iterator[str]:
    name = " · ".join(filter(None, (group.id, group.title))) or words.block
    yield ""
    yield from _paragraph(name + (f" ({words.also} {group.also})" if group.also else ""))
    for row in group.rows:
        yield from _row(row)
    if not group.rows:
        yield f"  {words.no_exercises}"
    yield from _notes(group.notes, "  ")


def _row(row: Row) -> Iterator[str]:
    below = " " * 5
    yield from _paragraph(f"{row.order}. {row.name}" if row.order else row.name, below, "  ")
    load = (row.load, row.rpe and f"RPE {row.rpe}")
    yield from _paragraph(" · ".join(filter(None, load)), below)
    yield from _notes(row.notes, below)
    yield from _paragraph(row.video or "", below)


# --- lines ------------------------------------------------------------------------------------


def _title(text: str, line: str) -> Iterator[str]:
    yield from _paragraph(text)
    yield line * COLUMNS


def _remarks(remarks: Sequence[Remark]) -> Iterator[str]:
    for remark in remarks:
        yield ""
        yield from _paragraph(f"{remark.title}:")
        yield from _notes(remark.notes, "  ")


def _notes(notes: Sequence[Note], indent: str = "") -> Iterator[str]:
    for depth, note in note_lines(notes):
        start = indent + "  " * depth
        if note.mark == LIST_MARK:
            yield from _paragraph(note.text, f"{start}  ", f"{start}- ")
        else:
            yield from _paragraph(f"{note.mark} {note.text}", start)


def _paragraph(text: str, indent: str = "", first: str | None = None) -> Iterator[str]:
    """A text in lines that begin with ``indent``, the first line with ``first``."""
    start = indent if first is None else first
    for line in wrap(one_line(text), COLUMNS - len(indent)):
        yield start + line
        start = indent
