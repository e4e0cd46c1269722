"""The simulated workflow: its answer is a canned program of ``data/programs.json``.

A text in the data has the form ``"Spanish | English"``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources
from typing import Any, Literal, TypeAlias, cast

from pydantic import ValidationError

from ..inputs import EDN360Input

# Repeated on purpose: a double that imports the key of the package can't notice a wrong key.
ROOT_KEY = "client_training_program_enriched"

Lang: TypeAlias = Literal["es", "en"]
Data: TypeAlias = dict[str, Any]
AnswerKind: TypeAlias = Literal[
    "program",  # only the JSON
    "fenced",  # the JSON in a ``` fence
    "prose",  # the JSON between prose
    "beside",  # the JSON with other root keys
    "invalid",  # the root key with an invalid program
    "error",  # {"error": ...}
    "truncated",  # JSON that stops in the middle
    "step",  # another JSON object
    "text",  # no JSON
    "nothing",  # no message
]

_DAYS = re.compile(r"d[ií]as|days", re.IGNORECASE)
_REST = re.compile("descans|rest", re.IGNORECASE)
_TEXT = re.compile(r'"([^"|]*) \| ([^"|]*)"')


def dumps(value: Any) -> str:
    """JSON as a model writes it: compact, not escaped to ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def output_text(text: str) -> Data:
    """A content part of an assistant's message."""
    return {"annotations": [], "text": text, "type": "output_text"}


_WITHOUT_PROGRAM: dict[str, str | None] = {
    "error": dumps({"error": {"code": "simulated", "message": "The workflow was set to fail."}}),
    "step": dumps({"training_plan": {"weeks": 4}}),
    "text": "I could not make a program from this.",
    "nothing": None,
}


def read_data(name: str, lang: Lang = "en", complete: Callable[[Data], Data] | None = None) -> Any:
    """A data file of the simulator, with its texts in a language."""
    text = (resources.files("edn360_chatkit.testing") / "data" / name).read_text("utf-8")
    return json.loads(_TEXT.sub(r'"\1"' if lang == "es" else r'"\2"', text), object_hook=complete)


def answer_text(kind: AnswerKind, message: str, lang: Lang = "es") -> str | None:
    """The answer to a message, which should be an ``EDN360Input`` as JSON."""
    if kind in _WITHOUT_PROGRAM:
        return _WITHOUT_PROGRAM[kind]
    try:
        program = simulated_program(EDN360Input.model_validate_json(message), lang)
    except ValidationError:
        return dumps({"error": {"code": "bad_input", "message": "The message is no EDN360Input."}})
    if kind == "invalid":
        program["sessions"][0]["blocks"][0]["exercises"][0] = "an exercise that is no object"
        program["sessions"][-1] = "a session that is no object"
    text = dumps({ROOT_KEY: program})
    forms = {
        "fenced": f"```json\n{text}\n```",
        "prose": f'Here is the program {{as agreed}}, in "full":\n\n{text}\n\nGood luck!',
        "beside": dumps({"version": 1, ROOT_KEY: program, "validation": {"ok": True}}),
        "truncated": text[: len(text) // 2],
    }
    return forms.get(kind, text)


def simulated_program(edn360_input: EDN360Input, lang: Lang = "es") -> Data:
    """The canned program for the athlete's training days, as JSON data without the root key.

    An evolution has other exercises instead of those that load the knee most.
    """
    exercises = read_data("exercises.json", lang)
    evolution = _is_evolution(edn360_input)

    def complete(data: Data) -> Data:
        if "key" in data:  # an exercise; it has no name if its name is null
            exercise = exercises[data.pop("key")]
            if evolution and "replacement" in exercise:
                exercise = exercises[exercise["replacement"]]
            data = {**exercise, **data, "replacement": None}
            return {name: value for name, value in data.items() if value is not None}
        if "id" in data and "exercises" in data:  # a block
            for kind in ("primary", "secondary"):
                groups = dict.fromkeys(item[f"{kind}_group"] for item in data["exercises"])
                data[f"{kind}_muscles"] = list(groups)
        return data

    programs: dict[str, Data] = read_data("programs.json", lang, complete)
    program = programs[str(training_days(edn360_input))]
    if evolution:
        program["summary"] += programs["evolution"]["summary"]
    return program


def step_texts(message: str, lang: Lang = "es") -> list[str]:
    """Three typical steps, or an empty list if the message is no ``EDN360Input``."""
    try:
        edn360_input = EDN360Input.model_validate_json(message)
    except ValidationError:
        return []
    program = simulated_program(edn360_input, lang)
    sessions = [{"id": session["id"], "name": session["name"]} for session in program["sessions"]]
    days, evolution = program["days_per_week"], _is_evolution(edn360_input)
    steps: list[Data] = [
        {"profile": {"questionnaires": len(edn360_input.questionnaires)}},
        {"questionnaire_normalized": {"days_per_week": days, "evolution": evolution}},
        {"training_plan": {"weeks": program["weeks"], "sessions": sessions}},
    ]
    return [dumps(step) for step in steps]


def training_days(edn360_input: EDN360Input) -> int:
    """Training days a week, from 2 to 6; 3 if no questionnaire has a number of days."""
    for questionnaire in reversed(edn360_input.questionnaires):
        for question, answer in questionnaire.content.items():
            is_about_days = _DAYS.search(question) and not _REST.search(question)
            if is_about_days and (number := re.search(r"\b[1-7]\b", _days_text(answer))):
                return min(max(int(number[0]), 2), 6)
    return 3


def _days_text(answer: object) -> str:
    return str(len(cast("list[object]", answer)) if isinstance(answer, list) else answer)


def _is_evolution(edn360_input: EDN360Input) -> bool:
    return bool((context := edn360_input.context) and context.previous_training_plan)
