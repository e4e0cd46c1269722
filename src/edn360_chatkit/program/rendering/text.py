"""A training program as plain text of 80 columns, for a mail or a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from ..data import ProgramData
from ..texts import Language
from .content import LIST_MARK, Note, Row, note_lines
from .layout import Layout, lay_out
from .printable import one_line, printable

COLUMNS = 80


def program_text(program: ProgramData, lang: Language) -> str:
    """A program as plain text."""
    return lay_out(program, lang, PlainText)


def wrap(text: str, indent: str = "", first: str | None = None) -> str:
    """A text in lines that begin with ``indent``, the first line with ``first``."""
    return textwrap.fill(
        one_line(text),
        COLUMNS,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


class PlainText(Layout):
    """Paragraphs of plain text."""

    def heading(self, level: int, text: str) -> str:
        """A heading, with a line below the larger ones."""
        line = {1: "=" * COLUMNS, 2: "-" * COLUMNS}.get(level, "")
        return _joined([wrap(text), line])

    def paragraph(self, text: str) -> str:
        """Lines of text."""
        return _joined(map(wrap, printable(text).split("\n")))

    def facts(self, facts: Sequence[tuple[str, str]]) -> str:
        """A line for each."""
        return _joined(wrap(f"{name}: {text}") for name, text in facts)

    def sets(self, sets: Mapping[str, float]) -> str:
        """A line for each muscle."""
        number = self.words.number
        lines = (wrap(muscle, " " * 8, f"{number(count):>6}  ") for muscle, count in sets.items())
        return _joined([f"{self.words.weekly_sets}:", *lines])

    def exercises(self, rows: Sequence[Row]) -> str:
        """An exercise's name, and below it the rest."""
        return _joined(map(_row, rows))

    def notes(self, notes: Sequence[Note]) -> str:
        """A line for each."""
        return _notes(notes, "")


def _row(row: Row) -> str:
    below = " " * 5
    load = filter(None, (row.load, row.rpe and f"RPE {row.rpe}"))
    return _joined(
        [
            wrap(f"{row.order}. {row.name}" if row.order else row.name, below, "  "),
            wrap(" · ".join(load), below),
            _notes(row.notes, below),
            wrap(row.video or "", below),
        ]
    )


def _notes(notes: Sequence[Note], indent: str) -> str:
    lines: list[str] = []
    for depth, note in note_lines(notes):
        start = indent + "  " * depth
        if note.mark == LIST_MARK:
            lines.append(wrap(note.text, f"{start}  ", f"{start}- "))
        else:
            lines.append(wrap(f"{note.mark} {note.text}", start))
    return _joined(lines)


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(filter(None, lines))
