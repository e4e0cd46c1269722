"""What the simulated workflow can answer: each row of the table of answers."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from pydantic import ValidationError

from ..inputs import EDN360Input
from ._workflow import simulated_program

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


def answer_text(kind: AnswerKind, message: str) -> str | None:
    """The answer of a kind to a message; ``None`` for no message at all."""
    if kind == "nothing":
        return None
    if kind == "text":
        return "I could not make a program from this."
    if kind == "step":
        return dumps({"training_plan": {"weeks": 4}})
    if kind == "error":
        return dumps({"error": {"code": "simulated", "message": "The workflow was told to fail."}})
    try:
        program = simulated_program(EDN360Input.model_validate_json(message))
    except ValidationError:
        return dumps({"error": {"code": "bad_input", "message": "The message is no EDN360Input."}})
    return _written(kind, program)


def _written(kind: AnswerKind, program: dict[str, Any]) -> str:
    if kind == "invalid":
        del program["title"]
        del program["sessions"][0]["blocks"][0]["exercises"][0]["name"]
    text = dumps({ROOT_KEY: program})
    if kind == "fenced":
        return f"```json\n{text}\n```"
    if kind == "prose":
        return f'Here is the program {{as agreed}}, in "full":\n\n{text}\n\nGood luck!'
    if kind == "beside":
        return dumps({"version": 1, ROOT_KEY: program, "validation": {"ok": True}})
    if kind == "truncated":
        return text[: len(text) // 2]
    return text
