"""A program as a table, and the schemas of the models in the docs."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import BaseModel

from edn360_chatkit import EnrichedTrainingProgram
from edn360_chatkit.program.records import COLUMNS, program_csv
from scripts.schemas import FOLDER, MODELS, schema_text
from tests.support.samples import programs

NUMBERS = {"sets", "reps_low", "reps_high", "seconds_low", "seconds_high", "rpe_low", "rpe_high"}
WHOLE_NUMBERS = {"session_number", "block_number", "order"}


def program(**fields: Any) -> EnrichedTrainingProgram:
    blocks = [{"id": "A", "exercises": [{"name": "Squat", **fields}]}]
    legs = {"id": "D2", "name": "Legs", "calentamiento": "remo", "blocks": blocks}
    sessions = [{"blocks": []}, legs]
    return EnrichedTrainingProgram.model_validate({"title": "t", "sessions": sessions})


def test_record_holds_texts_and_numbers() -> None:
    fields = {
        "order": 1,
        "primary_group": "Quads",
        "secondary_group": None,
        "series": 3,
        "reps": "8-10",
        "rpe": "7-8",
        "video_url": "https://example.com/v",
        "db_id": 7,
        "descanso": "90s",
        "tempo": [3, 0, 1],
        "own_key": {"a": 1},
    }
    assert program(**fields).to_records() == [
        {
            "session_number": 2,
            "session": "D2",
            "session_name": "Legs",
            "block_number": 1,
            "block": "A",
            "order": 1,
            "name": "Squat",
            "primary_group": "Quads",
            "secondary_group": None,
            "series": "3",
            "sets": 3.0,
            "reps": "8-10",
            "reps_low": 8.0,
            "reps_high": 10.0,
            "seconds_low": None,
            "seconds_high": None,
            "rpe": "7-8",
            "rpe_low": 7.0,
            "rpe_high": 8.0,
            "notes": None,
            "video_url": "https://example.com/v",
            "db_id": "7",
            "exercise_types": None,
            "rest": "90s",
            "tempo": "[3, 0, 1]",
            "warmup": None,
            "progression": None,
            "other": '{"own_key": {"a": 1}}',
            "block_other": None,
            "session_other": '{"calentamiento": "remo"}',
        }
    ]


@settings(deadline=None)  # the first example imports the modules
@given(programs)
def test_columns_keep_their_types(data: dict[str, Any]) -> None:
    for record in EnrichedTrainingProgram.model_validate(data).to_records():
        assert tuple(record) == COLUMNS
        for column, value in record.items():
            kind = int if column in WHOLE_NUMBERS else float if column in NUMBERS else str
            assert value is None or type(value) is kind


def test_synonym_beside_field_is_unknown_key() -> None:
    original = program(rest="2 min", descanso="1 min")
    (record,) = original.to_records()
    assert (record["rest"], record["other"]) == ("2 min", '{"descanso": "1 min"}')
    assert "Descanso: 2 min" in original.to_text()
    assert "descanso: 1 min" in original.to_text()


def test_value_outside_table_types_is_omitted() -> None:
    (record,) = program(order=2**63, notes="half \ud83d", series=10**5000).to_records()
    assert (record["order"], record["sets"]) == (None, None)
    assert str(record["notes"]).encode() == "half \ufffd".encode()


@settings(deadline=None)  # the first example imports the modules
@given(programs)
def test_table_equals_the_records(data: dict[str, Any]) -> None:
    original = EnrichedTrainingProgram.model_validate(data)
    header, *rows = csv.reader(io.StringIO(program_csv(original), newline=""))
    assert tuple(header) == COLUMNS
    records = original.to_records()
    assert len(rows) == len(records)
    for row, record in zip(rows, records, strict=True):
        for cell, (column, value) in zip(row, record.items(), strict=True):
            if column in NUMBERS | WHOLE_NUMBERS:
                assert (float(cell) if cell else None) == value
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or column == "order"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\uff1d"])
def test_text_becomes_no_formula(start: str) -> None:
    name = f'{start}HYPERLINK("https://example.com")'
    row = list(csv.reader(io.StringIO(program_csv(program(name=name)), newline="")))[1]
    assert row[COLUMNS.index("name")].startswith("'")


def test_excel_table_has_byte_order_mark() -> None:
    original = program(notes="Baja más")
    assert program_csv(original, excel=True) == "\ufeff" + program_csv(original)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_pandas_and_polars_read_records_and_csv(library: str) -> None:
    frames = pytest.importorskip(library)
    original = program(notes='Baja "más"; 2,5 s,\nsube', series=3, reps="8-10", order=1)
    records = original.to_records()
    direct = frames.DataFrame(records)
    assert direct["sets"].mean() == 3.0
    for excel in (False, True):
        table = frames.read_csv(io.BytesIO(program_csv(original, excel=excel).encode()))
        assert tuple(table.columns) == tuple(direct.columns) == COLUMNS
        assert table["notes"].to_list() == [records[0]["notes"]]
        assert table["reps_high"].to_list() == [10.0]


@pytest.mark.parametrize(("name", "model"), MODELS.items())
def test_schemas_in_docs_match_models(name: str, model: type[BaseModel]) -> None:
    assert (FOLDER / name).read_text("utf-8") == schema_text(model), "python -m scripts.schemas"
