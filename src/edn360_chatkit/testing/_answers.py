"""The texts that the simulated workflow posts: its answer, of each kind, and the steps before."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError

from ..inputs import EDN360Input
from ._workflow import Lang, simulated_program, simulated_steps

# Spelled here on purpose: a test double that imported it would not notice a wrong one.
ROOT_KEY = "client_training_program_enriched"

AnswerKind: TypeAlias = Literal[
    "program",  # the JSON alone
    "fenced",  # in a ``` fence
    "prose",  # with prose around it
    "beside",  # with other root keys beside it
    "invalid",  # the root key, but no valid program under it
    "error",  # {"error": ...}
    "truncated",  # JSON that stops in the middle
    "step",  # another JSON object
    "text",  # no JSON
    "nothing",  # no message at all
]


def dumps(value: Any) -> str:
    """JSON as a model writes it: compact, not escaped to ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def output_text(text: str) -> dict[str, Any]:
    """A text as a part of an assistant's message."""
    return {"annotations": [], "text": text, "type": "output_text"}


def answer_text(kind: AnswerKind, message: str, lang: Lang = "es") -> str | None:
    """The answer of a kind to a message that is an ``EDN360Input`` as JSON."""
    if kind == "nothing":
        return None
    if kind == "text":
        return "I could not make a program from this."
    if kind == "step":
        return dumps({"training_plan": {"weeks": 4}})
    if kind == "error":
        return dumps({"error": {"code": "simulated", "message": "The workflow was set to fail."}})
    try:
        program = simulated_program(EDN360Input.model_validate_json(message), lang)
    except ValidationError:
        return dumps({"error": {"code": "bad_input", "message": "The message is no EDN360Input."}})
    if kind == "invalid":
        program["sessions"][0]["blocks"][0]["exercises"][0] = "an exercise that is no object"
        program["sessions"][-1] = "a session that is no object"
    text = dumps({ROOT_KEY: program})
    if kind == "fenced":
        return f"```json\n{text}\n```"
    if kind == "prose":
        return f'Here is the program {{as agreed}}, in "full":\n\n{text}\n\nGood luck!'
    if kind == "beside":
        return dumps({"version": 1, ROOT_KEY: program, "validation": {"ok": True}})
    return text[: len(text) // 2] if kind == "truncated" else text


def step_texts(message: str, lang: Lang) -> list[str]:
    """Three typical steps, or none for a message that is no ``EDN360Input``."""
    try:
        edn360_input = EDN360Input.model_validate_json(message)
    except ValidationError:
        return []
    return [dumps(step) for step in simulated_steps(edn360_input, lang)]
