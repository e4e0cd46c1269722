"""Fields of any kind and unknown keys, as HTML, Markdown and text."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import EnrichedTrainingProgram
from edn360_chatkit.program.records import program_csv
from tests.support.pages import model, one_exercise
from tests.support.samples import cases

from .test_minutes import LIFT


@pytest.mark.parametrize("key", ["rest", "tempo", "warmup", "progression", "own_key"])
def test_field_of_an_exercise_shows_everywhere(key: str) -> None:
    exercise = {"name": "Remo", key: "dos 2-0-2"}
    program = EnrichedTrainingProgram.model_validate(
        {"sessions": [{"blocks": [{"exercises": [exercise]}]}]}
    )
    for text in (program.to_html(), program.to_markdown(), program.to_text(), program_csv(program)):
        assert "dos 2-0-2" in text
    assert "dos 2-0-2" in str(program.to_records()[0])


def test_list_in_text_field_is_shown() -> None:
    exercise = {"name": "Remo", "reps": [12, 10, 8], "notes": ["Baja despacio", "Sube fuerte"]}
    program = EnrichedTrainingProgram.model_validate(
        {"goal": ["fuerza"], "sessions": [{"blocks": [{"exercises": [exercise]}]}]}
    )
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        for part in ("12, 10, 8", "Baja despacio", "Sube fuerte", "fuerza"):
            assert part in text


@pytest.mark.parametrize("case", cases("rendering"), ids=lambda case: case["why"])
def test_rendering_of_real_program_is_readable(case: dict[str, Any]) -> None:
    data, want = case["program"], case["want"]
    program = EnrichedTrainingProgram.model_validate(data)
    html = program.to_html().partition("</style>")[2]
    assert [text for text in want.get("html_has", ()) if text not in html] == []
    for text in (html, program.to_text(), program.to_markdown()):
        assert [word for word in want.get("shown_nowhere", ()) if word in text] == []
    if key := want.get("minutes_as_without"):
        sessions = [{k: v for k, v in s.items() if k != key} for s in data["sessions"]]
        without = EnrichedTrainingProgram.model_validate({"sessions": sessions})
        assert program.estimated_session_minutes() == without.estimated_session_minutes()
    assert len(program.weekly_sets_by_muscle()) == want.get(
        "muscles", len(program.weekly_sets_by_muscle())
    )


@pytest.mark.parametrize(
    "core",
    [{"include": False, "details": "x"}, {"incluir": "no", "a": 1}, {"include": True}, [], ""],
)
def test_empty_closing_block_is_hidden(core: Any) -> None:
    session = {"blocks": [{"exercises": [LIFT]}], "core_mobility_block": core}
    program = EnrichedTrainingProgram.model_validate({"sessions": [session]})
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        assert "Core y movilidad" not in text
        assert "include" not in text
    assert program.estimated_session_minutes() == [16.0]


def test_missing_fields_are_hidden() -> None:
    exercise = dict.fromkeys(("order", "series", "reps", "rpe", "video_url", "notes"))
    block = {"id": None, "primary_muscles": None, "exercises": [{"name": "Squat", **exercise}]}
    session = {"id": None, "name": None, "focus": None, "session_notes": None, "blocks": [block]}
    heads = dict.fromkeys(("summary", "goal", "weeks", "general_notes"))
    program = model({"title": "T", **heads, "sessions": [session, {"blocks": []}]})
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        assert "None" not in text
        assert "Squat" in text
    html = program.to_html()
    assert "<figure" not in html
    assert "<dl" not in html


@pytest.mark.parametrize(
    ("code", "es", "en"),
    [
        ("upper_lower", "Torso / pierna", "Upper / lower body"),
        ("push_focus", "Empuje", "Push"),
        ("hypertrophy", "Hipertrofia", "Hypertrophy"),
        ("own_kind_of_day", "own kind of day", "own kind of day"),
        ("own_focus", "own focus", "own focus"),
    ],
)
def test_code_is_shown_in_words(code: str, es: str, en: str) -> None:
    blocks = [{"primary_muscles": [code], "exercises": [{"name": "a", "method": code}]}]
    program = model({"training_type": code, "sessions": [{"focus": [code], "blocks": blocks}]})
    for render in (program.to_html, program.to_markdown, program.to_text):
        assert render().count(es) == 4
        assert code not in render() + render(lang="en")
        assert en in render(lang="en")


@pytest.mark.parametrize(("rpe", "is_labelled"), [("8", True), ("RIR 2", False), ("RPE 8", False)])
def test_effort_without_scale_is_labelled(rpe: str, is_labelled: bool) -> None:
    program = one_exercise(rpe=rpe)
    assert ('data-label="RPE"' in program.to_html()) is is_labelled
    assert ("RPE 8" if is_labelled else rpe) in program.to_text()
    assert "RPE R" not in program.to_text()


def test_list_of_objects_is_shown_as_list() -> None:
    core = [{"name": "Gato", "reps": 8}, {"name": "Plancha", "reps": "20 s"}]
    session = {"blocks": [], "core_mobility_block": core}
    program = model({"sessions": [session]})
    lines = "- Nombre: Gato · Repeticiones: 8\n- Nombre: Plancha · Repeticiones: 20 s\n"
    assert lines in program.to_text()
    assert lines in program.to_markdown()
    assert "<li>Nombre: Gato · Repeticiones: 8</li>" in program.to_html()


def test_unknown_keys_are_shown() -> None:
    exercise = {"name": "Remo", "cue": "codos atrás"}
    block = {"name": "Principal", "notes": "sin prisa", "exercises": [exercise]}
    session = {"calentamiento": "cinco minutos", "order": "primero", "blocks": [block]}
    program = model({"fuente": "ejemplo", "sessions": [session]})
    texts = ("codos atrás", "Principal", "sin prisa", "cinco minutos", "primero", "ejemplo")
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        assert [part for part in texts if part not in text] == []
    records = str(program.to_records())
    assert [text for text in texts[:-1] if text not in records] == []
