"""A program as a table for spreadsheets (CSV)."""

from __future__ import annotations

import csv
import io
import re

from ..data import ProgramData
from ..records import COLUMNS, to_records
from .printable import printable

# Spreadsheets take these at the beginning of a text for a formula, which can send data away
# (OWASP, "CSV injection"); an apostrophe in front keeps it a text.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def program_csv(program: ProgramData) -> str:
    """A program as CSV: a header, and one line for each exercise.

    Args:
        program: What to write; the columns are those of its records.

    Returns:
        CSV as RFC 4180 has it. Texts that a spreadsheet could run as a formula begin with an
        apostrophe; numbers are numbers.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for record in to_records(program):
        writer.writerow([_cell(value) for value in record.values()])
    return file.getvalue()


def _cell(value: str | float | None) -> str | float | None:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) else text
