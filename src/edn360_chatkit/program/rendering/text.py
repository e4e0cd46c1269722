"""A training program as plain text of 80 columns, for a mail or a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..data import FACTS, ProgramData, TrainingSession
from ..numbers import is_empty
from ..texts import Language, Words, words
from ..volume import read_core_block, session_minutes, weekly_sets_by_muscle
from .content import (
    COLUMNS,
    LIST_MARK,
    Note,
    Row,
    decoded,
    items_of,
    note_lines,
    others,
    read_notes,
    read_row,
    readable,
    rpe_text,
    show_value,
)
from .printable import one_line, printable

WIDTH = 80


def program_text(program: ProgramData, lang: Language) -> str:
    """A program as plain text."""
    return PlainText(words(lang)).program(program) + "\n"


def program_title(program: ProgramData, words: Words) -> str:
    """The title, or the label "Training program"."""
    return show_value(program.raw("title")) or words.field("program")


def wrap(text: str, mark: str = "") -> str:
    """Wrap a text at 80 columns, with the mark before the first line."""
    below = " " * len(mark)
    lines = textwrap.wrap(one_line(text), WIDTH - len(mark), break_on_hyphens=False)
    return "\n".join((below if i else mark) + line for i, line in enumerate(lines))


def note_text(note: Note) -> str:
    """A note as a line, without the notes below it."""
    return note.text if note.mark == LIST_MARK else f"{note.mark} {note.text}".strip()


class _Block(NamedTuple):
    identity: str
    muscles: str
    secondary_muscles: str
    rows: list[Row]
    details: object


class PlainText:
    """The layout of a program, and its parts as plain text. An empty part is ``""``.

    Markdown and HTML have this layout and override parts.
    """

    line_break: str = "\n"

    def __init__(self, words: Words) -> None:
        self.words: Words = words

    def section(self, kind: str, *parts: str, anchor: str = "") -> str:
        """Parts that belong together."""
        return "\n\n".join(filter(None, parts))

    def heading(self, level: int, title: str, identity: str = "", also: str = "") -> str:
        """A heading of level 1 to 3. ``also`` has the secondary muscles, for brackets."""
        also = f" ({self.words.field('also')} {also})" if also else ""
        return self.title(level, " · ".join(filter(None, (identity, title))) + also)

    def title(self, level: int, text: str) -> str:
        """The text of a heading."""
        return wrap(text) + {1: "\n" + "=" * WIDTH, 2: "\n" + "-" * WIDTH}.get(level, "")

    def line(self, text: str, mark: str = "") -> str:
        """A text as a line. Its mark is our text and is not escaped."""
        return wrap(text, mark)

    def paragraph(self, text: str, kind: str = "") -> str:
        """A text with any number of lines. A paragraph of the kind "kind" is for HTML only."""
        lines = [] if kind == "kind" else printable(text).split("\n")
        return self.line_break.join(filter(None, map(self.line, lines)))

    def facts(self, facts: Mapping[str, str]) -> str:
        """Values by their labels."""
        return "\n".join(self.line(f"{name}: {text}", "- ") for name, text in facts.items())

    def focus(self, focus: Sequence[str]) -> str:
        """The focus of a session."""
        return self.line(f"{self.words.field('focus')}: {', '.join(focus)}") if focus else ""

    def links(self, sessions: Sequence[tuple[str, str]]) -> str:
        """Links to the sessions, from their ids and names."""
        return ""

    def sets(self, sets: Sequence[tuple[str, float]]) -> str:
        """The weekly sets by muscle, of at least one muscle."""
        lines = (wrap(muscle, f"{self.words.number(n):>6}  ") for muscle, n in sets)
        return "\n".join([f"{self.words.field('weekly_sets')}:", *lines])

    def exercises(self, rows: Sequence[Row], columns: Collection[str]) -> str:
        """The exercises of a block, at least one, in the columns that have content."""
        return "\n".join(filter(None, (line for row in rows for line in self._row(row))))

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
        indent = " " * 5
        load = filter(None, (row.load, rpe_text(row.rpe)))
        return (
            wrap(f"{row.order}. {row.name}" if row.order else row.name, "  "),
            wrap(" · ".join(load), indent),
            self.notes(row.notes, indent),
            wrap(row.video or "", indent),
        )

    def program(self, program: ProgramData) -> str:
        """A program, without missing fields."""
        minutes = [session_minutes(session) for session in program.sessions]
        facts = {self.words.field(key): decoded(program.raw(key), self.words) for key in FACTS}
        sets = [(decoded(k, self.words), n) for k, n in weekly_sets_by_muscle(program).items()]
        return self.section(
            "article",
            self.section(
                "header",
                self.paragraph(self.words.field("program"), "kind"),
                self.heading(1, program_title(program, self.words)),
                self.paragraph(readable(program.raw("summary") or None), "summary"),
                self.facts({name: text for name, text in facts.items() if text}),
            ),
            self.links([self._name(s, i) for i, s in enumerate(program.sessions)]),
            *self._remarks(others(program, ("title", "summary", *FACTS, "sessions")), 2),
            self.sets(sets) if sets else "",
            *(self._day(s, i, minutes[i]) for i, s in enumerate(program.sessions)),
            "" if program.sessions else self.paragraph(self.words.field("no_sessions"), "empty"),
            self.paragraph(self.words.field("how_estimated") if any(minutes) else "", "footnote"),
        )

    def _name(self, session: TrainingSession, index: int) -> tuple[str, str]:
        identity, name = show_value(session.raw("id")), show_value(session.raw("name"))
        return identity, name if identity or name else f"{self.words.field('session')} {index + 1}"

    def _day(self, session: TrainingSession, index: int, minutes: float) -> str:
        values = others(session, ("id", "name", "focus", "blocks", "core_mobility_block"))
        opening, last = ({key: values.pop(key, None)} for key in ("warmup", "session_notes"))
        closing = self._remarks({**values, **last})
        blocks: list[_Block] = [
            _Block(
                show_value(block.raw("id")),
                decoded(block.raw("primary_muscles"), self.words),
                decoded(block.raw("secondary_muscles"), self.words),
                [read_row(exercise, self.words) for exercise in block.exercises],
                others(block, ("id", "primary_muscles", "secondary_muscles", "exercises")),
            )
            for block in session.blocks
        ]
        core, details = read_core_block(session)
        if core is not None:
            rows = [read_row(exercise, self.words) for exercise in core.exercises]
            blocks.append(_Block(self.words.field("core_mobility_block"), "", "", rows, details))
        elif details is not None:
            closing.insert(0, self._remark("core_mobility_block", details))
        all_rows = [row for block in blocks for row in block.rows]
        columns = [c for c in COLUMNS if c == "name" or any(getattr(row, c) for row in all_rows)]
        about = f"≈ {minutes:.0f} min ({self.words.field('estimated')})" if minutes else ""
        focus = (decoded(item, self.words) for item in items_of(session.raw("focus")))
        identity, name = self._name(session, index)
        return self.section(
            "session",
            self.section(
                "header",
                self.heading(2, name, identity),
                self.paragraph(about, "minutes"),
                self.focus([*filter(None, focus)]),
            ),
            *self._remarks(opening),
            *(self._block(block, columns) for block in blocks),
            "" if blocks else self.paragraph(self.words.field("no_blocks"), "empty"),
            *closing,
            anchor=f"session-{index + 1}",
        )

    def _block(self, block: _Block, columns: Collection[str]) -> str:
        title = block.muscles or ("" if block.identity else self.words.field("block"))
        empty = self.paragraph(self.words.field("no_exercises"), "empty")
        return self.section(
            "block",
            self.heading(3, title, block.identity, block.secondary_muscles),
            self.exercises(block.rows, columns) if block.rows else empty,
            self.notes(read_notes(block.details, self.words)),
        )

    def _remarks(self, values: Mapping[str, object], level: int = 3) -> list[str]:
        """Fields with their labels as headings, without empty fields."""
        items = values.items()
        return [self._remark(key, value, level) for key, value in items if not is_empty(value)]

    def _remark(self, key: str, value: object, level: int = 3) -> str:
        notes = self.notes(read_notes(value, self.words))
        kind = "remarks general" if level == 2 else "remarks"
        return self.section(kind, self.heading(level, self.words.field(key)), notes)
