"""A training program as Markdown with tables, as GitHub and JupyterLab read it.

What the workflow wrote is text: nothing in it is read as Markdown, HTML or a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from ..data import ProgramData
from ..texts import Language
from .content import LIST_MARK, Note, Row, note_lines
from .layout import Layout, lay_out
from .printable import one_line, printable

_ALWAYS = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: f"\\{mark}" for mark in "\\`*_[]#|~$"}}
)
_AT_THE_START = re.compile(r"(\d*)([-+=:.)])")
# Bare addresses are links to some readers: a backslash takes them apart, and is not shown.
_ADDRESS = re.compile(r"(?<=[a-z])(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def program_markdown(program: ProgramData, lang: Language) -> str:
    """A program as Markdown."""
    return lay_out(program, lang, Markdown)


def escaped(text: str) -> str:
    """A text in one line in which Markdown finds nothing to read."""
    text = _ADDRESS.sub(r"\\", one_line(text).translate(_ALWAYS))
    return _AT_THE_START.sub(r"\1\\\2", text, count=1) if _AT_THE_START.match(text) else text


class Markdown(Layout):
    """Paragraphs of Markdown."""

    def heading(self, level: int, text: str) -> str:
        """A heading."""
        return f"{'#' * level} {escaped(text)}"

    def paragraph(self, text: str) -> str:
        """Lines with a hard break between them."""
        return "\\\n".join(filter(None, map(escaped, printable(text).split("\n"))))

    def facts(self, facts: Sequence[tuple[str, str]]) -> str:
        """A list."""
        return "\n".join(f"- {name}: **{escaped(text)}**" for name, text in facts)

    def sets(self, sets: Mapping[str, float]) -> str:
        """A table with its title."""
        rows = ((escaped(muscle), self.words.number(number)) for muscle, number in sets.items())
        table = _table((self.words.muscle, self.words.sets), rows)
        return f"**{self.words.weekly_sets}**\n\n{table}"

    def exercises(self, rows: Sequence[Row]) -> str:
        """A table."""
        own = self.words
        columns = ("\\#", own.exercise, own.series_and_reps, "RPE", own.field("notes"), own.video)
        return _table(columns, map(self._row, rows))

    def notes(self, notes: Sequence[Note]) -> str:
        """Lines of text, or a list."""
        if notes and not notes[0].mark:
            return self.paragraph("\n".join(note.text for note in notes))
        return "\n".join(f"{'  ' * depth}- {_line(note)}" for depth, note in note_lines(notes))

    def _row(self, row: Row) -> tuple[str, ...]:
        return (
            escaped(row.order),
            f"**{escaped(row.name)}**" if row.name else "",
            escaped(row.load),
            escaped(row.rpe),
            "<br>".join(filter(None, (_line(note) for _, note in note_lines(row.notes)))),
            f"[{self.words.video}](<{_address(row.video)}>)" if row.video else "",
        )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _line(note: Note) -> str:
    return escaped(note.text if note.mark == LIST_MARK else f"{note.mark} {note.text}")


def _address(url: str) -> str:
    """A URL between < and > in which Markdown finds nothing to read."""
    return quote(url, safe="%/:?#@!&'()*+,;=-._~").replace("&", "&amp;")
