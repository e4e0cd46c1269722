"""A training program as text for the terminal, with rich (extra ``cli``).

A language model wrote the program: its text is only ever wrapped in :class:`rich.text.Text`, never
printed as a ``str`` that rich would read for markup, and passes through ``printable`` first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Column, Table
from rich.text import Text

from ..models.program import Block, EnrichedTrainingProgram, Exercise, TrainingSession
from .printable import one_line, printable

WIDEST = 110
"""Columns. Longer lines are hard to read."""

GAP = "-"
"""What stands where the program should have a value and has none."""


def terminal_text(program: EnrichedTrainingProgram) -> str:
    """A program, readable on standard output as it is: a terminal, a pipe or a file.

    Args:
        program: What to show. Whatever is missing in it is left out, or shows as a dash.

    Returns:
        The text, with colours only where standard output is a terminal, and as wide as that is.
    """
    console = Console(width=min(Console().width, WIDEST), highlight=False)
    with console.capture() as capture:
        for part in _program(program):
            console.print(part)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def _program(program: EnrichedTrainingProgram) -> Iterator[RenderableType]:
    yield Text(one_line(program.title) or GAP, style="bold")
    if program.summary:
        yield Text(printable(program.summary))
    facts = [
        *_field("Goal", program.goal),
        *_field("Type", program.training_type),
        *_field("Volume", _volume(program)),
    ]
    if facts:
        yield ""
        yield from facts
    for session in program.sessions:
        yield from _session(session)
    if not program.sessions:
        yield "\n(no sessions)"
    if program.general_notes:
        yield ""
        yield Rule(Text("General notes", style="bold"), align="left", style="dim")
        yield Text("\n".join(_lines(program.general_notes)))


def _volume(program: EnrichedTrainingProgram) -> str:
    counts = (
        (program.weeks, "week"),
        (program.days_per_week, "day a week"),
        (program.session_duration_min, "minute a session"),
    )
    return ", ".join(
        f"{count} {what if count == 1 else _plural(what)}"
        for count, what in counts
        if count is not None
    )


def _plural(what: str) -> str:
    noun, blank, rest = what.partition(" ")
    return f"{noun}s{blank}{rest}"


def _session(session: TrainingSession) -> Iterator[RenderableType]:
    names = [one_line(name) for name in (session.id, session.name) if name]
    yield ""
    yield Rule(Text("  ".join(names) or "Session", style="bold cyan"), align="left", style="dim")
    yield from _field("Focus", _joined(session.focus))
    for index, block in enumerate(session.blocks):
        yield from _block(block, header=index == 0)
    if not session.blocks:
        yield "(no blocks)"
    if session.core_mobility_block:
        yield from _core_mobility(session.core_mobility_block, header=not session.blocks)
    if session.session_notes:
        yield ""
        yield from _notes("Notes", session.session_notes)


def _block(block: Block, *, header: bool) -> Iterator[RenderableType]:
    muscles = _joined(block.primary_muscles)
    if block.secondary_muscles:
        muscles += f" (also {_joined(block.secondary_muscles)})"
    title = one_line(block.id or "") or GAP
    yield from _exercises(title, muscles, block.exercises, header=header)


def _core_mobility(
    content: str | Sequence[Any] | Mapping[str, Any], *, header: bool
) -> Iterator[RenderableType]:
    """As a block where it has exercises, as most workflows write it; else as notes."""
    title = "Core and mobility"
    if isinstance(content, Mapping):
        try:
            block = Block.model_validate(content)
        except ValidationError:
            pass
        else:
            yield from _exercises(title, "", block.exercises, header=header)
            rest = {key: value for key, value in content.items() if key != "exercises"}
            if rest:
                yield Padding(Text("\n".join(_lines(rest))), (0, 0, 0, 2))
            return
    yield ""
    yield from _notes(title, content)


def _exercises(
    title: str, muscles: str, exercises: Sequence[Exercise], *, header: bool
) -> Iterator[RenderableType]:
    # Fixed widths, so that the columns of all blocks stand below each other.
    table = Table(
        Column("#", width=3, justify="right", overflow="fold"),
        Column("Exercise", ratio=3, overflow="fold"),
        Column("Series x reps", width=13, overflow="fold"),
        Column("RPE", width=5, overflow="fold"),
        Column("Notes", ratio=4, overflow="fold"),
        box=None,
        expand=True,
        show_header=header,
        header_style="dim",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for exercise in exercises:
        table.add_row(
            _value(exercise.order),
            Text(one_line(exercise.name) or GAP, style="bold"),
            _series_and_reps(exercise),
            _value(exercise.rpe),
            Text(printable(exercise.notes or "")),
        )
    yield ""
    yield Text.assemble((title, "bold green"), "  ", muscles)
    yield table if exercises else "  (no exercises)"


def _series_and_reps(exercise: Exercise) -> Text:
    if exercise.series is None and exercise.reps is None:
        return _value(None)
    return Text(" x ").join([_value(exercise.series), _value(exercise.reps)])


def _value(value: str | float | None) -> Text:
    if isinstance(value, float):
        value = f"{value:g}"
    text = GAP if value is None else one_line(str(value))
    return Text(text or GAP)


def _joined(words: Sequence[str] | None) -> str:
    return ", ".join(one_line(word) for word in words or ())


def _field(name: str, value: str | None) -> Iterator[Text]:
    if value:
        yield Text.assemble((f"{name}: ", "dim"), one_line(value))


def _notes(name: str, content: object) -> Iterator[Text]:
    lines = list(_lines(content))
    start = " " if len(lines) == 1 else "\n"
    yield Text.assemble((f"{name}:", "dim"), start, "\n".join(lines))


def _lines(content: object, indent: str = "") -> Iterator[str]:
    """Free notes, whatever their shape: text, a list or an object, nested or not."""
    if isinstance(content, Mapping):
        for key, value in cast("Mapping[str, object]", content).items():
            yield from _entry(f"{one_line(key)}:", value, indent)
    elif isinstance(content, list):
        for item in cast("list[object]", content):
            yield from _entry("-", item, indent)
    else:
        yield from (indent + line for line in printable(_text(content)).split("\n"))


def _entry(start: str, value: object, indent: str) -> Iterator[str]:
    text = _text(value)
    # Notes that are nested deeper than a reader can follow stay in one line.
    if value and isinstance(value, (list, dict)) and len(indent) < 12:
        yield indent + start
        yield from _lines(cast("object", value), indent + "  ")
    else:
        yield f"{indent}{start} {one_line(text)}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
