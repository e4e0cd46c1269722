"""The simulated workflow: it answers with a canned program and plans nothing.

``data/programs.json`` has one program for each number of days from 2 to 6. A text in it is written
``"Spanish | English"``. A row of an exercise is its key, series, reps, RPE and other fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources
from typing import Any, Literal, TypeAlias

from ..inputs import EDN360Input

Lang: TypeAlias = Literal["es", "en"]

_DAYS = re.compile(r"d[ií]as|days", re.IGNORECASE)
_TEXT = re.compile(r'"([^"|]*) \| ([^"|]*)"')
_REST = re.compile("descans|rest", re.IGNORECASE)


def simulated_program(edn360_input: EDN360Input, lang: Lang = "es") -> dict[str, Any]:
    """The canned program for an athlete, as JSON data without the root key.

    The same input always gives the same program. It depends on the number of training days and on
    whether the request is an evolution.
    """
    data = read_data("programs.json", lang)
    evolution = is_evolution(edn360_input)

    def exercises(rows: list[Any]) -> list[dict[str, Any]]:
        return [_exercise(data, evolution, order, row) for order, row in enumerate(rows, start=1)]

    program: dict[str, Any] = data["programs"][str(training_days(edn360_input))]
    if evolution:
        program["summary"] += f" {data['evolution']}"
    program["sessions"] = [
        {"id": f"D{number}", **_session(session, exercises)}
        for number, session in enumerate(program["sessions"], start=1)
    ]
    return program


def simulated_steps(edn360_input: EDN360Input, lang: Lang = "es") -> list[dict[str, Any]]:
    """Three objects, with one root key each, that several agents post before the answer."""
    program = simulated_program(edn360_input, lang)
    sessions = [{"id": session["id"], "name": session["name"]} for session in program["sessions"]]
    days, evolution = program["days_per_week"], is_evolution(edn360_input)
    return [
        {"profile": {"questionnaires": len(edn360_input.questionnaires)}},
        {"questionnaire_normalized": {"days_per_week": days, "evolution": evolution}},
        {"training_plan": {"weeks": program["weeks"], "sessions": sessions}},
    ]


def training_days(edn360_input: EDN360Input) -> int:
    """Training days a week: the newest answer to a question about days; 2 to 6, 3 without one."""
    for questionnaire in reversed(edn360_input.questionnaires):
        for question, answer in questionnaire.content.items():
            if _DAYS.search(question) and not _REST.search(question):
                days = _number(answer)
                if 1 <= days <= 7:
                    return min(max(days, 2), 6)
    return 3


def is_evolution(edn360_input: EDN360Input) -> bool:
    """Whether the request carries the plan before."""
    context = edn360_input.context
    return context is not None and context.previous_training_plan is not None


def _number(answer: Any) -> int:
    """The number of days that an answer names; 0 for an answer that is not read."""
    match answer:
        case [*days]:
            return len(days)
        case str():
            number = re.search(r"[0-9]{1,4}", answer[:100])
            return int(number[0]) if number else 0
        case int() | float() if not isinstance(answer, bool) and 1 <= answer <= 7:
            return int(answer)
        case _:
            return 0


def read_data(name: str, lang: Lang = "en") -> Any:
    """A data file of the simulator, with the texts of one language."""
    text = (resources.files("edn360_chatkit.testing") / "data" / name).read_text("utf-8")
    return json.loads(_TEXT.sub(r'"\1"' if lang == "es" else r'"\2"', text))


def _session(
    source: dict[str, Any], exercises: Callable[[list[Any]], list[dict[str, Any]]]
) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    for letter, rows in zip("ABCDEF", source["blocks"], strict=False):
        block = exercises(rows)
        muscles = {
            f"{kind}_muscles": list(dict.fromkeys(exercise[f"{kind}_group"] for exercise in block))
            for kind in ("primary", "secondary")
        }
        blocks.append({"id": letter, **muscles, "exercises": block})
    session = {**source, "blocks": blocks}
    if "core_mobility_block" in source:
        closing = exercises(source["core_mobility_block"])
        session["core_mobility_block"] = {"duration_min": 5, "exercises": closing}
    return session


def _exercise(data: dict[str, Any], evolution: bool, order: int, row: list[Any]) -> dict[str, Any]:
    key, series, reps, rpe, *more = row
    if evolution:
        key = data["exercises"][key].get("next", key)
    entry = data["exercises"][key]
    exercise = {
        "order": order,
        "name": entry["name"],
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
        exercise |= {"exercise_types": [entry["name"].lower().replace(" ", "_")], **fields}
    # A name of null in a row leaves the name out.
    return {field: value for field, value in exercise.items() if value is not None}
