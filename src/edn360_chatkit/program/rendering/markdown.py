"""A training program as Markdown with tables, as GitHub and JupyterLab read it.

Text of the workflow is escaped: a reader finds no Markdown, HTML or formula in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar
from urllib.parse import quote

from ..data import ProgramData
from ..texts import Language
from .content import COLUMNS, Row, note_lines
from .layout import Layout, lay_out, note_text
from .printable import one_line

_ALWAYS = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: f"\\{mark}" for mark in "\\`*_[]#|~$"}}
)
_AT_THE_START = re.compile(r"^(\d+(?=[.)])|(?=[-+=:]))")
# Bare addresses are links to some readers: a backslash takes them apart, and is not shown.
_ADDRESS = re.compile(r"(?<=[a-z])(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def program_markdown(program: ProgramData, lang: Language) -> str:
    """A program as Markdown."""
    return lay_out(program, lang, _Markdown)


def escape(text: str) -> str:
    """A text in one line, with all Markdown in it escaped."""
    text = _ADDRESS.sub(r"\\", one_line(text).translate(_ALWAYS))
    return _AT_THE_START.sub(r"\1\\", text)


class _Markdown(Layout):
    line_break: ClassVar[str] = "\\\n"

    def heading(self, level: int, text: str) -> str:
        return f"{'#' * level} {escape(text)}"

    def line(self, text: str, mark: str = "") -> str:
        return mark + escape(text)

    def sets(self, sets: Mapping[str, float]) -> str:
        rows = ((escape(muscle), self.words.number(number)) for muscle, number in sets.items())
        table = self._table(("muscle", "sets"), rows)
        return f"**{self.words.field('weekly_sets')}**\n\n{table}"

    def exercises(self, rows: Sequence[Row]) -> str:
        return self._table(COLUMNS, map(self._row, rows))

    def _row(self, row: Row) -> tuple[str, ...]:
        return (
            escape(row.order),
            f"**{escape(row.name)}**" if row.name else "",
            escape(row.load),
            escape(row.rpe),
            "<br>".join(escape(note_text(note)) for _, note in note_lines(row.notes)),
            f"[{self.words.field('video')}](<{_address(row.video)}>)" if row.video else "",
        )

    def _table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        labels = [escape(self.words.field(column)) for column in columns]
        lines = [labels, ["---"] * len(labels), *rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _address(url: str) -> str:
    """A URL to stand between < and >."""
    return quote(url, safe="%/:?#@!&'()*+,;=-._~").replace("&", "&amp;")
