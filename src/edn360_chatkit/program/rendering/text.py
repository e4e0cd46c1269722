"""A training program as plain text of 80 columns, for a mail or a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..data import FACTS, Block, ProgramData, TrainingSession
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
    """Wrap a text at 80 columns. The mark stands before the first line."""
    below = " " * len(mark)
    lines = textwrap.wrap(one_line(text), WIDTH - len(mark), break_on_hyphens=False)
    return "\n".join((below if i else mark) + line for i, line in enumerate(lines))


def note_text(note: Note) -> str:
    """A note in one line, without those below it."""
    return note.text if note.mark == LIST_MARK else f"{note.mark} {note.text}".strip()


class PlainText:
    """Lays a program out. Markdown and HTML have the same order, and parts of their own."""

    line_break: str = "\n"

    def __init__(self, words: Words) -> None:
        self.words: Words = words

    # --- the parts; an empty one is "" ------------------------------------------------------------

    def section(self, kind: str, *parts: str, anchor: str = "") -> str:
        """Parts that belong together."""
        return "\n\n".join(filter(None, parts))

    def heading(self, level: int, title: str, identity: str = "", also: str = "") -> str:
        """A heading, of level 1 to 3; ``also`` are further muscles, in brackets."""
        also = f" ({self.words.field('also')} {also})" if also else ""
        return self.title(level, " · ".join(filter(None, (identity, title))) + also)

    def title(self, level: int, text: str) -> str:
        """The text of a heading."""
        return wrap(text) + {1: "\n" + "=" * WIDTH, 2: "\n" + "-" * WIDTH}.get(level, "")

    def line(self, text: str, mark: str = "") -> str:
        """A text in one line, behind its mark, which is no text of the workflow."""
        return wrap(text, mark)

    def paragraph(self, text: str, kind: str = "") -> str:
        """A text of one or more lines. The kind of page is shown in HTML only."""
        lines = [] if kind == "kind" else printable(text).split("\n")
        return self.line_break.join(filter(None, map(self.line, lines)))

    def facts(self, facts: Mapping[str, str]) -> str:
        """Values by their labels."""
        return "\n".join(self.line(f"{name}: {text}", "- ") for name, text in facts.items())

    def focus(self, focus: Sequence[str]) -> str:
        """What a session trains."""
        return self.line(f"{self.words.field('focus')}: {', '.join(focus)}") if focus else ""

    def links(self, sessions: Sequence[tuple[str, str]]) -> str:
        """Links to the sessions, by their ids and names."""
        return ""

    def sets(self, sets: Sequence[tuple[str, float]]) -> str:
        """Weekly sets by muscle: at least one."""
        lines = (wrap(muscle, f"{self.words.number(n):>6}  ") for muscle, n in sets)
        return "\n".join([f"{self.words.field('weekly_sets')}:", *lines])

    def exercises(self, rows: Sequence[Row], columns: Collection[str]) -> str:
        """The exercises of a block: at least one; the columns are those that are filled."""
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
        below = " " * 5
        load = filter(None, (row.load, rpe_text(row.rpe)))
        return (
            wrap(f"{row.order}. {row.name}" if row.order else row.name, "  "),
            wrap(" · ".join(load), below),
            self.notes(row.notes, below),
            wrap(row.video or "", below),
        )

    # --- the order --------------------------------------------------------------------------------

    def program(self, program: ProgramData) -> str:
        """A whole program, without the fields that are missing."""
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
            (
                (show_value(block.raw("id")), *self._muscles(block)),
                [read_row(exercise, self.words) for exercise in block.exercises],
                others(block, ("id", "primary_muscles", "secondary_muscles", "exercises")),
            )
            for block in session.blocks
        ]
        core, more = read_core_block(session)
        if core is not None:
            rows = [read_row(exercise, self.words) for exercise in core.exercises]
            blocks.append(((self.words.field("core_mobility_block"), "", ""), rows, more))
        elif more is not None:
            closing.insert(0, self._remark("core_mobility_block", more))
        all_rows = [row for _, rows, _ in blocks for row in rows]
        columns = [c for c in COLUMNS if c == "name" or any(getattr(row, c) for row in all_rows)]
        about = f"≈ {minutes:.0f} min ({self.words.field('estimated')})" if minutes else ""
        focus = (decoded(one, self.words) for one in items_of(session.raw("focus")))
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

    def _muscles(self, block: Block) -> Iterator[str]:
        for key in ("primary_muscles", "secondary_muscles"):
            yield decoded(block.raw(key), self.words)

    def _block(self, block: _Block, columns: Collection[str]) -> str:
        (identity, title, also), rows, more = block
        title = title or ("" if identity else self.words.field("block"))
        nothing = self.words.field("no_exercises")
        return self.section(
            "block",
            self.heading(3, title, identity, also),
            self.exercises(rows, columns) if rows else self.paragraph(nothing, "empty"),
            self.notes(read_notes(more, self.words)),
        )

    def _remarks(self, values: Mapping[str, object], level: int = 3) -> list[str]:
        """Fields with their labels above them."""
        items = values.items()
        return [self._remark(key, value, level) for key, value in items if not is_empty(value)]

    def _remark(self, key: str, value: object, level: int = 3) -> str:
        notes = self.notes(read_notes(value, self.words))
        kind = "remarks general" if level == 2 else "remarks"
        return self.section(kind, self.heading(level, self.words.field(key)), notes)


_Block = tuple[tuple[str, ...], list[Row], object]
"""Its id, muscles and further muscles; its exercises; and its other content."""
