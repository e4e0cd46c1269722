"""The order of a program's paragraphs, which Markdown and plain text share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from ..data import ProgramData
from ..texts import Language, words
from ..texts.base import Words
from .content import LIST_MARK, Day, Group, Note, note_lines, read_page
from .printable import printable


class Layout(ABC):
    """How each paragraph is written. An empty one is left out."""

    line_break: ClassVar[str] = "\n"

    def __init__(self, words: Words) -> None:
        self.words: Words = words

    @abstractmethod
    def heading(self, level: int, text: str) -> str:
        """A heading, of level 1 to 3."""

    @abstractmethod
    def line(self, text: str, mark: str = "") -> str:
        """A text in one line, behind its mark, which is no text of the workflow."""

    @abstractmethod
    def sets(self, sets: Sequence[tuple[str, float]]) -> str:
        """Weekly sets by muscle: at least one."""

    @abstractmethod
    def exercises(self, group: Group) -> str:
        """The exercises of a block: at least one."""

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


def note_text(note: Note) -> str:
    """A note in one line, without those below it."""
    return note.text if note.mark == LIST_MARK else f"{note.mark} {note.text}".strip()


def lay_out(program: ProgramData, lang: Language, kind: type[Layout]) -> str:
    """A program in a layout, without the fields that are missing."""
    own = words(lang)
    return "\n\n".join(filter(None, _page(program, kind(own)))) + "\n"


def _page(program: ProgramData, to: Layout) -> Iterator[str]:
    page = read_page(program, to.words)
    yield to.heading(1, page.title)
    yield to.paragraph(page.summary)
    yield "\n".join(to.line(f"{name}: {text}", "- ") for name, text in page.facts)
    yield from _remarks(2, page.remarks, to)
    yield to.sets(page.sets) if page.sets else ""
    for day in page.days:
        yield from _day(day, to)
    if not page.days:
        yield to.words.field("no_sessions")
    yield to.paragraph(page.footnote)


def _day(day: Day, to: Layout) -> Iterator[str]:
    yield to.heading(2, " · ".join(filter(None, (day.id, day.name))))
    yield to.line(day.minutes)
    yield to.line(f"{to.words.field('focus')}: {', '.join(day.focus)}") if day.focus else ""
    yield from _remarks(3, day.opening, to)
    for group in day.groups:
        yield from _group(group, to)
    if not day.groups:
        yield to.words.field("no_blocks")
    yield from _remarks(3, day.closing, to)


def _group(group: Group, to: Layout) -> Iterator[str]:
    own = to.words
    name = " · ".join(filter(None, (group.id, group.title))) or own.field("block")
    yield to.heading(3, name + (f" ({own.field('also')} {group.also})" if group.also else ""))
    yield to.exercises(group) if group.rows else own.field("no_exercises")
    yield to.notes(group.notes)


def _remarks(level: int, remarks: Sequence[Note], to: Layout) -> Iterator[str]:
    for remark in remarks:
        yield to.heading(level, remark.mark)
        yield to.notes(remark.notes)
