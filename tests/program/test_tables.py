"""Numbers, exercises, muscles and questionnaires in the words of coaches, one table for each.

A coach or a physiotherapist has read each line. ``docs/programs.md`` has the figures from before
the package learned the words of the tables.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram
from edn360_chatkit.program.muscles import muscles
from edn360_chatkit.program.numbers import read_reps, read_rpe, read_seconds, read_series
from edn360_chatkit.program.vocabulary import loaded_joints

HERE = Path(__file__).parent
READERS = {"series": read_series, "reps": read_reps, "seconds": read_seconds, "rpe": read_rpe}
JOINTS = ("knee", "hip", "lower_back", "shoulder", "elbow", "wrist", "ankle", "neck")


def table(name: str, delimiter: str = ",") -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8") as file:
        return [
            {key: value or "" for key, value in row.items()}
            for row in csv.DictReader(file, delimiter=delimiter)
        ]


def test_numbers_match_reading_of_coach() -> None:
    wrong: list[tuple[str, str, object]] = []
    for row in table("numbers.csv"):
        span = READERS[row["field"]](row["text"])
        number = span and ([span.middle] if row["field"] == "series" else [span.low, span.high])
        right = [row["want"], *filter(None, row["also"].split(";"))]
        if number not in [None if r == "null" else [float(n) for n in r.split()] for r in right]:
            wrong.append((row["field"], row["text"], number))
    assert wrong == []


@pytest.mark.parametrize("joint", JOINTS)
def test_exercise_names_give_loaded_joints(joint: str) -> None:
    rows = table("exercises.csv")
    loads = [row["name"] for row in rows if joint in row["joints"].split()]
    others = [row["name"] for row in rows if joint not in f"{row['joints']} {row['may']}".split()]
    recall = sum(joint in loaded_joints(name) for name in loads) / len(loads)
    false_alarms = sum(joint in loaded_joints(name) for name in others) / len(others)
    assert len(rows) >= 200
    assert recall >= 0.95
    assert false_alarms <= 0.02


def test_names_of_muscle_share_key() -> None:
    keys = [
        {key for name in row["names"].split(", ") for key in muscles(name, None)}
        for row in table("muscles.csv", ";")
    ]
    assert [key for key in keys if len(key) > 1] == []
    assert len(set[str]().union(*keys)) == len(keys)


def test_findings_match_reading_of_coach() -> None:
    data = json.loads((HERE / "questionnaires.json").read_text("utf-8"))
    wrong: list[tuple[Any, set[str]]] = []
    for case in data["cases"]:
        answers = {**data["form"], **case["form"]} if "form" in case else case.get("answers")
        kind = "nutrition_initial" if "form" in case else "initial"
        questionnaires = case.get("questionnaires") or [{"source": kind, "payload": answers}]
        athlete = {"user_profile": {"user_id": "athlete-1"}, "questionnaires": questionnaires}
        exercises = [{"name": name} for name in case["exercises"]]
        program = {
            "days_per_week": case.get("days"),
            "session_duration_min": case.get("minutes"),
            "sessions": [{"blocks": [{"exercises": exercises}]}],
        }
        findings = EnrichedTrainingProgram.model_validate(program).check(
            EDN360Input.model_validate(athlete)
        )
        codes = {finding.code for finding in findings}
        if not set(case["has"]) <= codes or codes & set(case["has_not"]):
            wrong.append((case.get("form") or questionnaires, codes))
    assert wrong == []
