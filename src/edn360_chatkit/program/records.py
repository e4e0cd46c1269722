"""A program as rows of a table, with a row for each exercise, and as CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import Final, TypeAlias

from .._json import whole_characters
from .data import EXERCISE_COLUMNS, Exercise, ProgramData, raw_values
from .numbers import as_text
from .rendering.printable import printable

Record: TypeAlias = dict[str, str | int | float | None]

COLUMNS: Final = (
    *("session_number", "session", "session_name", "block_number", "block", "order", "name"),
    *("primary_group", "secondary_group", "series", "sets", "reps", "reps_low", "reps_high"),
    *("seconds_low", "seconds_high", "rpe", "rpe_low", "rpe_high", "notes", "video_url", "db_id"),
    *("exercise_types", *(f for f in Exercise.model_fields if f not in EXERCISE_COLUMNS)),
    *("other", "block_other", "session_other"),
)
"""The columns of every record, in this order. The last three contain unknown keys, as JSON."""

LARGEST_INTEGER = 2**63 - 1
"""The limit of databases and data frames. A larger order is a mistake."""

# A spreadsheet runs a text that begins like this as a formula, which can send data away (OWASP,
# "CSV injection"). After an apostrophe it stays a text.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def to_records(program: ProgramData) -> list[Record]:
    """A record for each exercise of the blocks, in the order of the program."""
    records: list[Record] = []
    for s, session in enumerate(program.sessions, 1):
        for b, block in enumerate(session.blocks, 1):
            place: Record = {
                "session_number": s,
                "session": _text(session.raw("id")),
                "session_name": _text(session.raw("name")),
                "session_other": _text(session.model_extra or None),
                "block_number": b,
                "block": _text(block.raw("id")),
                "block_other": _text(block.model_extra or None),
            }
            rows = ({**place, **_values(exercise)} for exercise in block.exercises)
            records += ({column: row[column] for column in COLUMNS} for row in rows)
    return records


def program_csv(program: ProgramData, *, excel: bool = False) -> str:
    """The records as CSV (RFC 4180), with a header.

    A text that a spreadsheet could run as a formula begins with an apostrophe.

    Args:
        program: The program.
        excel: Begin with a byte order mark. Excel then reads the file as UTF-8; pandas and polars
            skip the mark.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(map(_cell, record.values()) for record in to_records(program))
    return ("\ufeff" if excel else "") + file.getvalue()


def _cell(value: str | float | None) -> str | float | None:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _values(exercise: Exercise) -> Record:
    values = raw_values(exercise)
    record: Record = {field: _text(values.pop(field, None)) for field in Exercise.model_fields}
    order = exercise.order
    record["order"] = order if order is not None and abs(order) <= LARGEST_INTEGER else None
    record["sets"] = exercise.sets
    ranges = (exercise.reps_range, exercise.seconds_range, exercise.rpe_range)
    for name, value in zip(("reps", "seconds", "rpe"), ranges, strict=True):
        record[f"{name}_low"], record[f"{name}_high"] = value or (None, None)
    record["other"] = _text(values or None)
    return record


def _text(value: object) -> str | None:
    """A value as text, so that a column has a single type."""
    return None if value is None else whole_characters(as_text(value))
