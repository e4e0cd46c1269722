"""A training program as Markdown with tables, as GitHub and JupyterLab read it.

What the workflow wrote is text: nothing in it is read as Markdown, HTML or a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from ..data import ProgramData
from ..texts import Language, words
from ..texts.words import Words
from .content import LIST_MARK, Day, Group, Note, Page, Remark, Row, note_lines, read_page
from .printable import one_line, printable

_ALWAYS = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: f"\\{mark}" for mark in "\\`*_[]#|~$"}}
)
_AT_THE_START = re.compile(r"([-+=:])|(\d+)(?=[.)])")
_ADDRESS = re.compile(r"(?<=[a-z])(?=://)|(?<=www)(?=\.)", re.IGNORECASE)


def program_markdown(program: ProgramData, lang: Language) -> str:
    """A program as Markdown. Whatever is missing in it is left out."""
    own = words(lang)
    return "\n\n".join(filter(None, _page(read_page(program, own), own))) + "\n"


def escaped(text: str) -> str:
    """A text in one line in which Markdown finds nothing to read."""
    text = one_line(text).translate(_ALWAYS)
    # Bare addresses are links to some readers: a backslash takes them apart, and is not shown.
    text = _ADDRESS.sub(r"\\", text)
    start = _AT_THE_START.match(text)
    if start:
        end = start.end(2) if start[2] else 0
        text = f"{text[:end]}\\{text[end:]}"
    return text


def _page(page: Page, words: Words) -> Iterator[str]:
    yield f"# {escaped(page.title) or words.program}"
    yield _paragraph(page.summary)
    yield "\n".join(f"- {name}: **{escaped(text)}**" for name, text in page.facts)
    if page.sets:
        counts = ((escaped(muscle), words.number(number)) for muscle, number in page.sets.items())
        yield f"**{words.weekly_sets}**"
        yield _table((words.muscle, words.sets), counts)
    for day in page.days:
        yield from _day(day, words)
    if not page.days:
        yield words.no_sessions
    yield from _remarks("##", page.remarks)


def _day(day: Day, words: Words) -> Iterator[str]:
    yield "## " + " · ".join(escaped(part) for part in (day.id, day.name) if part)
    if day.focus:
        yield f"{words.field('focus')}: {escaped(', '.join(day.focus))}"
    yield from _remarks("###", day.opening)
    for group in (*day.groups, *filter(None, (day.core,))):
        yield from _group(group, words)
    if not day.groups:
        yield words.no_blocks
    yield from _remarks("###", day.closing)


def _group(group: Group, words: Words) -> Iterator[str]:
    name = " · ".join(escaped(part) for part in (group.id, group.title) if part) or words.block
    yield f"### {name}" + (f" ({words.also} {escaped(group.also)})" if group.also else "")
    columns = ["\\#", words.exercise, words.series_and_reps, "RPE"]
    columns += [words.field("notes"), words.video]
    rows = (_row(row, words) for row in group.rows)
    yield _table(columns, rows) if group.rows else words.no_exercises
    yield _notes(group.notes)


def _row(row: Row, words: Words) -> tuple[str, ...]:
    notes = (escaped(f"{_mark(note)}{note.text}") for _, note in note_lines(row.notes))
    return (
        escaped(row.order),
        f"**{escaped(row.name)}**" if row.name else "",
        escaped(row.load),
        escaped(row.rpe),
        "<br>".join(filter(None, notes)),
        f"[{words.video}](<{_address(row.video)}>)" if row.video else "",
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _address(url: str) -> str:
    """A URL between < and > in which Markdown finds nothing to read."""
    return quote(url, safe="%/:?#@!&'()*+,;=-._~").replace("&", "&amp;")


def _paragraph(text: str) -> str:
    return "\\\n".join(filter(None, map(escaped, printable(text).split("\n"))))


def _remarks(level: str, remarks: Sequence[Remark]) -> Iterator[str]:
    for remark in remarks:
        yield f"{level} {escaped(remark.title)}"
        yield _notes(remark.notes)


def _notes(notes: Sequence[Note]) -> str:
    if notes and not notes[0].mark:
        return _paragraph("\n".join(note.text for note in notes))
    return "\n".join(
        f"{'  ' * depth}- {escaped(_mark(note))} {escaped(note.text)}".rstrip()
        for depth, note in note_lines(notes)
    )


def _mark(note: Note) -> str:
    return "" if note.mark in ("", LIST_MARK) else f"{note.mark} "
