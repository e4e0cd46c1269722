"""Invented data, and hypothesis strategies for inputs, programs and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from edn360_chatkit.program.model import ROOT_KEY

ATHLETE: dict[str, Any] = {
    "user_profile": {"user_id": "athlete-1", "name": "Ana Ejemplo", "age": 30, "weight_kg": 60.0},
    "questionnaires": [
        {
            "source": "initial",
            "submitted_at": "2026-01-05T10:00:00Z",
            "payload": {"días_por_semana": 4},
        }
    ],
    "context": {"request_type": "initial", "timestamp": "2026-01-05T10:00:01+01:00"},
}

PROGRAM: dict[str, Any] = {
    "title": "Fuerza básica",
    "weeks": 4,
    "sessions": [
        {
            "id": "D1",
            "blocks": [{"id": "A", "exercises": [{"order": 1, "name": "Squat", "reps": "8-10"}]}],
        }
    ],
}

ANSWER = json.dumps({ROOT_KEY: PROGRAM}, ensure_ascii=False)


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of ``tests/cases/{name}.json``."""
    text = (Path(__file__).parents[1] / "cases" / f"{name}.json").read_text("utf-8")
    read: list[dict[str, Any]] = json.loads(text)
    return read


# Strict JSON in UTF-8: no NaN, and no half characters.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts, json_values, max_size=4)


def some(fields: dict[str, st.SearchStrategy[Any]], **required: st.SearchStrategy[Any]) -> Any:
    """Objects with the required fields, some of the others, and unknown keys."""
    declared = st.fixed_dictionaries(required, optional=fields)
    names = set(fields) | set(required)
    unknown = st.dictionaries(texts.filter(lambda key: key not in names), json_values, max_size=2)
    return st.builds(lambda a, b: {**a, **b}, declared, unknown)


def or_null(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


_text = or_null(texts)
_scalar = or_null(texts | numbers)
_names = or_null(st.lists(texts, max_size=2))
_notes = or_null(texts | st.lists(json_values, max_size=2) | json_objects)

exercises = some(
    {
        "order": or_null(st.integers(0, 99)),
        "primary_group": _text,
        "series": _scalar,
        "reps": _scalar,
        "rpe": _scalar,
        "video_url": _text,
        "db_id": _text,
        "secondary_group": _text,
        "notes": _text,
    },
    name=texts,
)
blocks = some(
    {"id": _text, "primary_muscles": _names, "secondary_muscles": _names},
    exercises=st.lists(exercises, max_size=2),
)
sessions = some(
    {
        "id": _text,
        "name": _text,
        "focus": _names,
        "session_notes": _notes,
        "core_mobility_block": _notes,
    },
    blocks=st.lists(blocks, max_size=2),
)
programs = some(
    {
        "summary": _text,
        "goal": _text,
        "training_type": _text,
        "days_per_week": or_null(st.integers(0, 7)),
        "session_duration_min": or_null(st.integers(0, 300)),
        "weeks": or_null(st.integers(0, 60)),
        "general_notes": _notes,
    },
    title=texts,
    sessions=st.lists(sessions, max_size=2),
)

_moment = or_null(texts | st.integers(0, 2**33) | st.sampled_from(["2026-01-05T10:00:00Z"]))
profiles = some(
    {
        "name": _text,
        "email": _text,
        "phone": or_null(texts | st.integers(0, 10**12)),
        "age": _scalar,
        "gender": _text,
        "height_cm": _scalar,
        "weight": _scalar,
        "created_at": _moment,
        "subscription": or_null(some({"plan": _text, "status": _text}) | texts),
    },
    user_id=texts.filter(lambda text: bool(text.strip())),
)
questionnaires = some(
    {
        "submission_id": or_null(texts | st.integers(0, 10**6)),
        "submitted_at": _moment,
        "source": _text,
        "questionnaire_type": _text,
        "payload": or_null(json_objects),
        "answers": or_null(json_objects),
    }
)
plans = some({"plan_data": json_values, "created_at": _moment, "source": _text})
contexts = some(
    {
        "request_type": _text,
        "timestamp": _moment,
        "version": _scalar,
        "previous_training_plan": or_null(plans),
    }
)
inputs = some(
    {"context": or_null(contexts)},
    user_profile=profiles,
    questionnaires=st.lists(questionnaires, min_size=1, max_size=2),
)
