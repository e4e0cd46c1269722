"""A training program as Markdown with tables, for GitHub and JupyterLab.

The text of the workflow is escaped, so that it is not read as Markdown, HTML or a formula.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from urllib.parse import quote

from ..data import ProgramData
from ..texts import Language, words
from .content import COLUMNS, Row, note_lines
from .printable import one_line
from .text import PlainText, note_text

_ALWAYS = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: f"\\{mark}" for mark in "\\`*_[]#|~$"}}
)
_AT_THE_START = re.compile(r"^(\d+(?=[.)])|(?=[-+=:]))")
# Some readers make links of bare addresses. An invisible backslash prevents that.
_ADDRESS = re.compile(r"(?<=[a-z])(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def program_markdown(program: ProgramData, lang: Language) -> str:
    """A program as Markdown."""
    return _Markdown(words(lang)).program(program) + "\n"


def escape(text: str) -> str:
    """Escape a text as a line of Markdown."""
    text = _ADDRESS.sub(r"\\", one_line(text).translate(_ALWAYS))
    return _AT_THE_START.sub(r"\1\\", text)


class _Markdown(PlainText):
    line_break: str = "\\\n"

    def title(self, level: int, text: str) -> str:
        return f"{'#' * level} {escape(text)}"

    def line(self, text: str, mark: str = "") -> str:
        return mark + escape(text)

    def sets(self, sets: Sequence[tuple[str, float]]) -> str:
        rows = ((escape(muscle), self.words.number(number)) for muscle, number in sets)
        table = self._table(("muscle", "series"), rows)
        return f"**{self.words.field('weekly_sets')}**\n\n{table}"

    def exercises(self, rows: Sequence[Row], columns: Collection[str]) -> str:
        cells = ([self._cell(row, column) for column in columns] for row in rows)
        return self._table([COLUMNS[column] for column in columns], cells)

    def _cell(self, row: Row, column: str) -> str:
        if column == "notes":
            return "<br>".join(escape(note_text(note)) for _, note in note_lines(row.notes))
        text: str = getattr(row, column) or ""
        if column == "video" and text:
            return f"[{self.words.field('video')}](<{_address(text)}>)"
        return f"**{escape(text)}**" if column == "name" and text else escape(text)

    def _table(self, labels: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        names = [escape(self.words.field(label)) for label in labels]
        lines = [names, ["---"] * len(names), *rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _address(url: str) -> str:
    """A URL for the brackets < and >."""
    return quote(url, safe="%/:?#@!&'()*+,;=-._~").replace("&", "&amp;")
