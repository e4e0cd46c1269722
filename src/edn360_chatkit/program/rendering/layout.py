"""The order of a program's paragraphs, which Markdown and plain text share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from ..data import ProgramData
from ..texts import Language, words
from ..texts.words import Words
from .content import Day, Group, Note, Page, Row, read_page


class Layout(ABC):
    """How each paragraph is written. An empty one is left out."""

    def __init__(self, words: Words) -> None:
        self.words: Words = words

    @abstractmethod
    def heading(self, level: int, text: str) -> str:
        """A heading, of level 1 to 3."""

    @abstractmethod
    def paragraph(self, text: str) -> str:
        """A text of one or more lines."""

    @abstractmethod
    def facts(self, facts: Sequence[tuple[str, str]]) -> str:
        """Labels with their texts."""

    @abstractmethod
    def sets(self, sets: Mapping[str, float]) -> str:
        """Weekly sets by muscle: at least one."""

    @abstractmethod
    def exercises(self, rows: Sequence[Row]) -> str:
        """The exercises of a block: at least one."""

    @abstractmethod
    def notes(self, notes: Sequence[Note]) -> str:
        """Notes of any depth."""


def lay_out(program: ProgramData, lang: Language, kind: type[Layout]) -> str:
    """A program in a layout, without the fields that are missing."""
    own = words(lang)
    return "\n\n".join(filter(None, _page(read_page(program, own), kind(own)))) + "\n"


def _page(page: Page, to: Layout) -> Iterator[str]:
    yield to.heading(1, page.title)
    yield to.paragraph(page.summary)
    yield to.facts(page.facts)
    if page.sets:
        yield to.sets(page.sets)
    for day in page.days:
        yield from _day(day, to)
    if not page.days:
        yield to.paragraph(to.words.no_sessions)
    yield from _remarks(2, page.remarks, to)


def _day(day: Day, to: Layout) -> Iterator[str]:
    yield to.heading(2, " · ".join(filter(None, (day.id, day.name))))
    yield to.paragraph(f"{to.words.field('focus')}: {', '.join(day.focus)}" if day.focus else "")
    yield from _remarks(3, day.opening, to)
    for group in day.groups:
        yield from _group(group, to)
    if not day.groups:
        yield to.paragraph(to.words.no_blocks)
    yield from _remarks(3, day.closing, to)


def _group(group: Group, to: Layout) -> Iterator[str]:
    name = " · ".join(filter(None, (group.id, group.title))) or to.words.block
    yield to.heading(3, name + (f" ({to.words.also} {group.also})" if group.also else ""))
    yield to.exercises(group.rows) if group.rows else to.paragraph(to.words.no_exercises)
    yield to.notes(group.notes)


def _remarks(level: int, remarks: Sequence[Note], to: Layout) -> Iterator[str]:
    for remark in remarks:
        yield to.heading(level, remark.mark)
        yield to.notes(remark.notes)
