"""A training program as plain text of 80 columns, for a mail or a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ..data import ProgramData
from ..texts import Language, Words, words
from .content import LIST_MARK, Day, Group, Note, Row, note_lines, read_page, rpe_text
from .printable import one_line, printable

COLUMNS = 80


def program_text(program: ProgramData, lang: Language) -> str:
    """A program as plain text."""
    return PlainText(words(lang)).lay_out(program)


def wrap(text: str, mark: str = "") -> str:
    """Wrap a text at 80 columns. The mark stands before the first line."""
    below = " " * len(mark)
    lines = textwrap.wrap(one_line(text), COLUMNS - len(mark), break_on_hyphens=False)
    return "\n".join((below if i else mark) + line for i, line in enumerate(lines))


def note_text(note: Note) -> str:
    """A note in one line, without those below it."""
    return note.text if note.mark == LIST_MARK else f"{note.mark} {note.text}".strip()


class PlainText:
    """The paragraphs of a program in their order. Markdown writes each in its own way."""

    line_break: str = "\n"

    def __init__(self, words: Words) -> None:
        self.words: Words = words

    def lay_out(self, program: ProgramData) -> str:
        """A program, without the fields that are missing."""
        return "\n\n".join(filter(None, self._page(program))) + "\n"

    # --- how a paragraph is written ---------------------------------------------------------------

    def heading(self, level: int, text: str) -> str:
        """A heading, of level 1 to 3."""
        return wrap(text) + {1: "\n" + "=" * COLUMNS, 2: "\n" + "-" * COLUMNS}.get(level, "")

    def line(self, text: str, mark: str = "") -> str:
        """A text in one line, behind its mark, which is no text of the workflow."""
        return wrap(text, mark)

    def sets(self, sets: Sequence[tuple[str, float]]) -> str:
        """Weekly sets by muscle: at least one."""
        lines = (wrap(muscle, f"{self.words.number(count):>6}  ") for muscle, count in sets)
        return "\n".join([f"{self.words.field('weekly_sets')}:", *lines])

    def exercises(self, group: Group) -> str:
        """The exercises of a block: at least one."""
        return "\n".join(filter(None, (line for row in group.rows for line in self._row(row))))

    def paragraph(self, text: str) -> str:
        """A text of one or more lines."""
        return self.line_break.join(filter(None, map(self.line, printable(text).split("\n"))))

    def notes(self, notes: Sequence[Note], indent: str = "") -> str:
        """Notes of any depth: lines of text, or a list."""
        if notes and not notes[0].mark and not indent:
            return self.paragraph("\n".join(note.text for note in notes))
        marks = (
            (f"{indent}{'  ' * depth}{'- ' if note.mark else ''}", note)
            for depth, note in note_lines(notes)
        )
        lines = (self.line(note_text(note), mark).rstrip() for mark, note in marks)
        return "\n".join(filter(None, lines))

    def _row(self, row: Row) -> tuple[str, ...]:
        below = " " * 5
        load = filter(None, (row.load, rpe_text(row.rpe)))
        return (
            wrap(f"{row.order}. {row.name}" if row.order else row.name, "  "),
            wrap(" · ".join(load), below),
            self.notes(row.notes, below),
            wrap(row.video or "", below),
        )

    # --- the order --------------------------------------------------------------------------------

    def _page(self, program: ProgramData) -> Iterator[str]:
        page = read_page(program, self.words)
        yield self.heading(1, page.title)
        yield self.paragraph(page.summary)
        yield "\n".join(self.line(f"{name}: {text}", "- ") for name, text in page.facts)
        yield from self._remarks(2, page.remarks)
        yield self.sets(page.sets) if page.sets else ""
        for day in page.days:
            yield from self._day(day)
        if not page.days:
            yield self.words.field("no_sessions")
        yield self.paragraph(page.footnote)

    def _day(self, day: Day) -> Iterator[str]:
        yield self.heading(2, " · ".join(filter(None, (day.id, day.name))))
        yield self.line(day.minutes)
        yield self.line(f"{self.words.field('focus')}: {', '.join(day.focus)}") if day.focus else ""
        yield from self._remarks(3, day.opening)
        for group in day.groups:
            name = " · ".join(filter(None, (group.id, group.title))) or self.words.field("block")
            also = f" ({self.words.field('also')} {group.also})" if group.also else ""
            yield self.heading(3, name + also)
            yield self.exercises(group) if group.rows else self.words.field("no_exercises")
            yield self.notes(group.notes)
        if not day.groups:
            yield self.words.field("no_blocks")
        yield from self._remarks(3, day.closing)

    def _remarks(self, level: int, remarks: Sequence[Note]) -> Iterator[str]:
        for remark in remarks:
            yield self.heading(level, remark.mark)
            yield self.notes(remark.notes)
