"""The simulated workflow: it answers with a canned program and plans nothing.

``data/programs.json`` has one program for each number of days from 2 to 6. A text in it is written
``"Spanish | English"``. A row of an exercise is its key, series, reps, RPE and other fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from string import ascii_uppercase
from typing import Any, Literal, TypeAlias

from ..inputs import EDN360Input

Lang: TypeAlias = Literal["es", "en"]

DEFAULT_DAYS = 3
_FEWEST_DAYS, _MOST_DAYS = 2, 6

_DAYS = re.compile(r"d[ií]as|days", re.IGNORECASE)
_REST = re.compile("descans|rest", re.IGNORECASE)


def simulated_program(edn360_input: EDN360Input, lang: Lang = "es") -> dict[str, Any]:
    """The canned program for an athlete's number of training days.

    Args:
        edn360_input: The athlete's data. Only the number of days is read, and whether the request
            is an evolution.
        lang: The language of the program's texts, ``"es"`` or ``"en"``.

    Returns:
        The program as JSON data, without the root key. Title, summary and notes say that it is
        simulated. The same input always gives the same program.
    """
    data, days = _data(lang), training_days(edn360_input)
    evolution = is_evolution(edn360_input)

    def exercises(rows: list[list[Any]]) -> list[dict[str, Any]]:
        return [
            _exercise(data, order, _replaced(data, row) if evolution else row)
            for order, row in enumerate(rows, start=1)
        ]

    program: dict[str, Any] = {**data["programs"][str(days)]}
    if evolution:
        program["summary"] = f"{program['summary']} {data['evolution']}"
    program["sessions"] = [
        _session(f"D{number}", session, exercises)
        for number, session in enumerate(program["sessions"], start=1)
    ]
    return program


def simulated_steps(edn360_input: EDN360Input, lang: Lang = "es") -> list[dict[str, Any]]:
    """Three objects that a workflow of several agents posts before its answer.

    Args:
        edn360_input: The athlete's data.
        lang: The language of the texts, ``"es"`` or ``"en"``.

    Returns:
        Objects with one root key each: ``profile``, ``questionnaire_normalized`` and
        ``training_plan``.
    """
    program = simulated_program(edn360_input, lang)
    sessions = [{"id": session["id"], "name": session["name"]} for session in program["sessions"]]
    questionnaire = {
        "days_per_week": program["days_per_week"],
        "evolution": is_evolution(edn360_input),
    }
    return [
        {"profile": {"questionnaires": len(edn360_input.questionnaires)}},
        {"questionnaire_normalized": questionnaire},
        {"training_plan": {"weeks": program["weeks"], "sessions": sessions}},
    ]


def training_days(edn360_input: EDN360Input) -> int:
    """Training days a week: the newest answer to a question about days; 2 to 6, 3 without one."""
    for questionnaire in reversed(edn360_input.questionnaires):
        for question, answer in questionnaire.content.items():
            if _DAYS.search(question) and not _REST.search(question):
                days = _number(answer)
                if 1 <= days <= 7:
                    return min(max(days, _FEWEST_DAYS), _MOST_DAYS)
    return DEFAULT_DAYS


def is_evolution(edn360_input: EDN360Input) -> bool:
    """Whether the request carries the plan before."""
    context = edn360_input.context
    return context is not None and context.previous_training_plan is not None


def _number(answer: Any) -> int:
    """The number of days that an answer names; 0 for an answer that is not read."""
    if isinstance(answer, list):
        return len([day for day in answer if day])  # pyright: ignore[reportUnknownVariableType]
    if isinstance(answer, str):
        match = re.search(r"[0-9]{1,4}", answer[:100])
        return int(match[0]) if match else 0
    if isinstance(answer, (int, float)) and not isinstance(answer, bool) and 1 <= answer <= 7:
        return int(answer)
    return 0


# --- from the data file to a program ------------------------------------------------------------


@cache
def _data(lang: Lang) -> dict[str, Any]:
    text = resources.files(__package__).joinpath("data/programs.json").read_text("utf-8")
    data: dict[str, Any] = _in_language(json.loads(text), ("es", "en").index(lang))
    return data


def _in_language(value: Any, index: int) -> Any:
    if isinstance(value, dict):
        return {key: _in_language(entry, index) for key, entry in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_in_language(entry, index) for entry in value]  # pyright: ignore[reportUnknownVariableType]
    return value.split(" | ")[index] if isinstance(value, str) and " | " in value else value


def _session(
    session_id: str,
    source: dict[str, Any],
    exercises: Callable[[list[list[Any]]], list[dict[str, Any]]],
) -> dict[str, Any]:
    blocks = zip(ascii_uppercase, source["blocks"], strict=False)
    session = {"id": session_id, **source}
    session["blocks"] = [_block(letter, exercises(rows)) for letter, rows in blocks]
    if "core_mobility_block" in source:
        closing = exercises(source["core_mobility_block"])
        session["core_mobility_block"] = {"duration_min": 5, "exercises": closing}
    return session


def _block(block_id: str, exercises: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": block_id,
        "primary_muscles": list(dict.fromkeys(e["primary_group"] for e in exercises)),
        "secondary_muscles": list(dict.fromkeys(e["secondary_group"] for e in exercises)),
        "exercises": exercises,
    }


def _replaced(data: dict[str, Any], row: list[Any]) -> list[Any]:
    return [data["exercises"][row[0]].get("next", row[0]), *row[1:]]


def _exercise(data: dict[str, Any], order: int, row: list[Any]) -> dict[str, Any]:
    key, series, reps, rpe, *more = row
    entry = data["exercises"][key]
    name: str = entry["name"]
    exercise = {
        "order": order,
        "name": name,
        "primary_group": data["muscles"][entry["primary"]],
        "secondary_group": data["muscles"][entry["secondary"]],
        "series": series,
        "reps": reps,
        "rpe": rpe,
        "notes": entry["notes"],
        "video_url": f"https://example.com/videos/{key}",
        "db_id": f"sim-{key}",
    }
    for fields in more:
        exercise |= {"exercise_types": [name.lower().replace(" ", "_")], **fields}
    # A name of null in a row leaves the name out.
    return {field: value for field, value in exercise.items() if value is not None}
