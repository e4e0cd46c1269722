"""The layout of a program: labels, columns, charts, links and notebook views."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import ChatSession, EDN360Input, Message
from edn360_chatkit.events import WorkflowResponse
from edn360_chatkit.program.rendering import html
from edn360_chatkit.program.texts import words as words_of
from tests.support.pages import Page, model, one_exercise, visible_text
from tests.support.samples import ATHLETE


def test_labels_are_spanish_or_english() -> None:
    program = model({"title": "T", "goal": "Fuerza", "weeks": 4, "sessions": []})
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        assert "Semanas" in text
        assert "Sin sesiones" in text
    for text in (
        program.to_html(lang="en"),
        program.to_markdown(lang="en"),
        program.to_text(lang="en"),
    ):
        assert "Weeks" in text
        assert "Semanas" not in text
    assert (program._repr_html_(), program._repr_markdown_()) == (
        program.to_html(lang="es"),
        program.to_markdown(lang="es"),
    )
    assert '<html lang="en">' in program.to_html(full_page=True, lang="en")
    assert 'class="edn360" lang="es"' in program.to_html()
    with pytest.raises(ValueError, match='lang must be "es" or "en", not \'fr\''):
        program.to_html(lang="fr")  # type: ignore[arg-type]


def test_chart_shows_weekly_sets() -> None:
    exercise = {"name": "Press", "primary_group": "Pecho", "secondary_group": "Tríceps"}
    program = one_exercise(**exercise, series="3-4")
    html = program.to_html()
    assert "Series semanales por grupo muscular" in visible_text(Page(html))
    assert "Pecho 3,5 Tríceps 1,75" in visible_text(Page(html))
    assert 'width="100.00%"' in html
    assert 'width="50.00%"' in html
    assert "| Pecho | 3,5 |" in program.to_markdown()
    assert "   3,5  Pecho\n  1,75  Tríceps\n" in program.to_text()


def test_languages_have_equal_keys() -> None:
    spanish, english = (words_of(lang) for lang in ("es", "en"))
    assert spanish.fields.keys() == english.fields.keys()
    assert spanish.numbers.keys() == english.numbers.keys()
    source = "".join(path.read_text("utf-8") for path in Path(html.__file__).parent.glob("*.py"))
    keys = re.findall(r'(?:words|own)\.field\(\s*"(\w+)"', source)
    assert len(keys) > 20
    assert set(keys) <= spanish.fields.keys()


def test_response_shows_its_program_and_attempts() -> None:
    response = WorkflowResponse(
        program=one_exercise(),
        text="<secret>",
        message_id="msg_<1>",
        session_id="cksess_1",
        attempts=3,
        elapsed=61.25,
    )
    page = Page(response._repr_html_())
    for text in ("WorkflowResponse", "attempts 3", "elapsed 61.2 s", "msg_<1>", "Squat"):
        assert text in visible_text(page)
    assert "secret" not in page.text
    assert "Squat" in response._repr_markdown_()


def test_small_values_show_only_ids_and_counts() -> None:
    session = ChatSession(
        id="cksess_1", client_secret="ek_hidden", user="athlete-1", status="active"
    )
    page = Page(session._repr_html_())
    assert visible_text(page) == "ChatSession id cksess_1 user athlete-1 status active"
    page = Page(Message(id="msg_1", session_id="cksess_1")._repr_html_())
    assert visible_text(page) == "Message id msg_1 session_id cksess_1"
    athlete = EDN360Input.model_validate(ATHLETE)
    counts = "user_id athlete-1 questionnaires 1 answers 1 request_type initial"
    assert visible_text(Page(athlete._repr_html_())) == f"EDN360Input {counts}"
    evolution = copy.deepcopy(ATHLETE)
    evolution["context"]["previous_training_plan"] = {"plan_data": {"title": "hidden"}}
    page = Page(EDN360Input.model_validate(evolution)._repr_html_())
    assert visible_text(page) == f"EDN360Input {counts} previous_training_plan yes"
    without = EDN360Input.model_validate({**ATHLETE, "context": None})
    assert "request_type" not in without._repr_html_()


def test_minutes_are_shown_with_assumptions() -> None:
    program = one_exercise(series=3, reps="10")
    for render in (program.to_html, program.to_markdown, program.to_text):
        assert "≈ 16 min (estimado)" in render()
        assert "≈ 16 min (estimated)" in render(lang="en")
        assert "90 s entre series y 10 s dentro de una superserie" in " ".join(render().split())
    assert "≈" not in one_exercise().to_html()


def headers(html: str) -> list[str]:
    return re.findall(r"<th scope=\"col\"[^>]*>([^<]*)", html)


def test_empty_column_is_left_out() -> None:
    bare = one_exercise(series=3)
    assert headers(bare.to_html()) == ["Ejercicio", "Series × reps"]
    assert "| Ejercicio | Series × reps |\n" in bare.to_markdown()
    blocks = [{"exercises": [{"name": "a", "rpe": 8}]}, {"exercises": [{"name": "b"}]}]
    both = model({"sessions": [{"blocks": blocks}, {"blocks": blocks[1:]}]})
    assert headers(both.to_html()) == ["Ejercicio", "RPE"] * 2 + ["Ejercicio"]


def test_log_columns_add_blank_cells() -> None:
    program = one_exercise(series=3)
    html = program.to_html(log_columns=True)
    assert headers(html)[2:] == ["S1 ", "S2 ", "S3 ", "S4 "]
    assert html.count('<td class="log"></td>') == 4
    assert "kg × reps" in html
    assert 'class="log"' not in program.to_html()


def test_only_full_page_links_to_sessions() -> None:
    sessions = [{"id": "D1", "name": "Torso", "blocks": []}, {"name": "Pierna", "blocks": []}]
    program = model({"sessions": sessions})
    page = program.to_html(full_page=True)
    links = re.findall(r'<a href="#([^"]*)"><bdi>([^<]*)', page)
    assert links == [("session-1", "D1"), ("session-2", "Pierna")]
    assert re.findall(r'<section class="session" id="([^"]*)"', page) == [link[0] for link in links]
    # Ids would be ambiguous for two programs in a notebook.
    assert " id=" not in program.to_html().partition("</style>")[2]


def test_general_notes_precede_sessions() -> None:
    program = model({"general_notes": "Duerme", "progression": "Sube", "sessions": [{"id": "D1"}]})
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        assert -1 < text.index("Duerme") < text.index("Sube") < text.index("D1")


def test_html_is_displayed_in_notebook() -> None:
    html: Any = one_exercise().to_html(lang="en")
    assert html._repr_html_() == html
    assert "Exercise" in html._repr_html_()


def test_findings_have_table_in_both_languages() -> None:
    findings: Any = one_exercise(name="<b>Squat</b>", rpe="12<i>").check()
    html = findings._repr_html_()
    rows = [finding.message() for finding in findings]
    assert len(rows) > 2
    assert [row for row in rows if row not in visible_text(Page(html))] == []
    english = visible_text(Page(findings.to_html(lang="en")))
    assert [finding.en for finding in findings if finding.en not in english] == []
    findings.clear()
    assert "Nada que señalar." in findings._repr_html_()
