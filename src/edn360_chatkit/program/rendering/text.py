"""A training program as plain text of 80 columns, for a mail or a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ..data import ProgramData
from ..texts import Language
from .content import Group, Row, rpe_text
from .layout import Layout, lay_out
from .printable import one_line

COLUMNS = 80


def program_text(program: ProgramData, lang: Language) -> str:
    """A program as plain text."""
    return lay_out(program, lang, _PlainText)


def wrap(text: str, mark: str = "") -> str:
    """Wrap a text at 80 columns. The mark stands before the first line."""
    below = " " * len(mark)
    lines = textwrap.wrap(one_line(text), COLUMNS - len(mark), break_on_hyphens=False)
    return "\n".join((below if i else mark) + line for i, line in enumerate(lines))


class _PlainText(Layout):
    def heading(self, level: int, text: str) -> str:
        return wrap(text) + {1: "\n" + "=" * COLUMNS, 2: "\n" + "-" * COLUMNS}.get(level, "")

    def line(self, text: str, mark: str = "") -> str:
        return wrap(text, mark)

    def sets(self, sets: Sequence[tuple[str, float]]) -> str:
        lines = (wrap(muscle, f"{self.words.number(count):>6}  ") for muscle, count in sets)
        return "\n".join([f"{self.words.field('weekly_sets')}:", *lines])

    def exercises(self, group: Group) -> str:
        return "\n".join(filter(None, (line for row in group.rows for line in self._row(row))))

    def _row(self, row: Row) -> tuple[str, ...]:
        below = " " * 5
        load = filter(None, (row.load, rpe_text(row.rpe)))
        return (
            wrap(f"{row.order}. {row.name}" if row.order else row.name, "  "),
            wrap(" · ".join(load), below),
            self.notes(row.notes, below),
            wrap(row.video or "", below),
        )
