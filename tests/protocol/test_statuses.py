"""The table of statuses agrees with the errors and with the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edn360_chatkit import APIStatusError
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.responses import status_error
from edn360_chatkit._protocol.retry import is_transient
from edn360_chatkit._protocol.statuses import STATUSES, status_row

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 408, 409, 418, 422, 429, 500, 501])
@pytest.mark.parametrize("own", [False, True])
def test_error_of_a_status_has_its_advice(status: int, own: bool) -> None:
    row = STATUSES["404 endpoint"] if status == 404 else status_row(status)
    error = status_error(Response(status), own=own)
    assert type(error) is row.error
    assert (row.own_advice if own and row.own_advice else row.advice) in str(error)
    assert is_transient(error) is row.retried


def test_unknown_status_has_row_of_its_class() -> None:
    assert status_row(599) is STATUSES["5xx"]
    assert status_row(204) is STATUSES["2xx"]
    assert status_row(0) is STATUSES["4xx"]


def class_of(key: str) -> str:
    return f"{key[0]}xx"


@pytest.mark.parametrize(
    "key", [key for key, row in STATUSES.items() if row.error is not APIStatusError]
)
def test_errors_page_names_status_of_each_error(key: str) -> None:
    error = STATUSES[key].error
    status = class_of(key) if STATUSES[class_of(key)].error is error else key[:3]
    table = (DOCS / "errors.md").read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if line.startswith(f"| `{error.__name__}`"))
    assert status in row


def test_guide_names_the_statuses_that_are_retried() -> None:
    guide = (DOCS / "guide.md").read_text(encoding="utf-8")
    sentence = re.search(r"sent again after ([^()]+) \(not ([^()]+)\)", guide)
    assert sentence is not None
    retried, final = (re.findall(r"\dxx|\d{3}", part) for part in sentence.groups())
    # The statuses that differ from their class.
    own = {k: row for k, row in STATUSES.items() if row.retried != STATUSES[class_of(k)].retried}
    classes = [k for k, row in STATUSES.items() if k == class_of(k) and row.retried]
    assert sorted(retried) == sorted([*classes, *(k for k in own if own[k].retried)])
    assert sorted(final) == sorted(k for k in own if not own[k].retried)
