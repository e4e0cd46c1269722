"""A program as HTML, Markdown and text shows all its texts, and no text becomes markup."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edn360_chatkit import ChatSession, EDN360Input, EnrichedTrainingProgram, Message
from edn360_chatkit.events import WorkflowResponse
from edn360_chatkit.program.rendering.printable import one_line, web_link
from tests.support.pages import READER, Page, model, one_exercise
from tests.support.samples import inputs, json_values, programs, texts


def everywhere(text: str) -> EnrichedTrainingProgram:
    """A program with a text in every text field."""
    names = ("name", "primary_group", "series", "reps", "rpe", "secondary_group", "notes")
    exercise = {"order": 1, "video_url": text, **dict.fromkeys(names, text)}
    block = {"id": text, "primary_muscles": [text], "secondary_muscles": [text]}
    session = {
        "id": text,
        "name": text,
        "focus": [text],
        "session_notes": {text: [text]},
        "blocks": [{**block, "exercises": [exercise]}],
        "core_mobility_block": {"exercises": [exercise], text: text},
    }
    heads = dict.fromkeys(("title", "summary", "goal", "training_type", "general_notes"), text)
    return model({**heads, "sessions": [session]})


PLACES = 27  # the number of texts of everywhere() that are shown


def shown_texts(program: EnrichedTrainingProgram, *, groups: bool = False) -> list[str]:
    """The texts of a program that readers must see.

    Args:
        groups: Include the muscle groups of the exercises, which only HTML shows.
    """
    texts = [program.title, program.summary, program.goal, program.training_type]
    for session in program.sessions:
        texts += [session.id, session.name, *(session.focus or [])]
        for block in session.blocks:
            texts += [block.id, *(block.primary_muscles or []), *(block.secondary_muscles or [])]
    for _, _, exercise in program.exercises():
        values = (exercise.series, exercise.reps, exercise.rpe)
        texts += [value for value in values if isinstance(value, str)]
        texts += [exercise.name, exercise.notes]
        texts += [exercise.primary_group, exercise.secondary_group] if groups else []
    notes = [program.general_notes, *(session.session_notes for session in program.sessions)]
    texts += [note for note in notes if isinstance(note, str)]
    return [text for text in texts if text]


def words(text: str) -> str:
    """The text without blanks and without the underscores of codes (``push_focus``)."""
    return "".join(one_line(text).replace("_", " ").split()).casefold()


@given(programs, st.sampled_from(["es", "en"]))
def test_html_is_valid_and_has_every_text(value: dict[str, Any], lang: Any) -> None:
    program = model(value)
    for full_page in (False, True):
        page = Page(program.to_html(full_page=full_page, lang=lang))
        page_words = words(page.text)
        assert not [
            text for text in shown_texts(program, groups=True) if words(text) not in page_words
        ]


@given(programs)
def test_markdown_has_every_text_unchanged(value: dict[str, Any]) -> None:
    program = model(value)
    tokens = READER.parse(program.to_markdown())
    inline = [child for token in tokens for child in token.children or ()]
    allowed = ("strong_open", "strong_close", "link_open", "link_close", "hardbreak", "html_inline")
    assert {token.type for token in inline} <= {"text", *allowed}
    assert {token.content for token in inline if token.type == "html_inline"} <= {"<br>"}
    page_words = words("".join(token.content for token in inline if token.type == "text"))
    assert not [text for text in shown_texts(program) if words(text) not in page_words]


@given(programs, st.sampled_from(["es", "en"]))
def test_text_fits_80_columns_without_loss(value: dict[str, Any], lang: Any) -> None:
    program = model(value)
    text = program.to_text(lang=lang)
    assert max(map(len, text.split("\n"))) <= 80
    page_words = words(text)
    assert not [text for text in shown_texts(program) if words(text) not in page_words]


@given(json_values, json_values)
def test_notes_of_any_shape_are_rendered(notes: Any, core: Any) -> None:
    session = {"blocks": [], "session_notes": {"a": notes}, "core_mobility_block": [core]}
    program = model({"title": "T", "sessions": [session], "general_notes": [notes, core]})
    Page(program.to_html())
    assert program.to_markdown()
    assert program.to_text()


@given(programs, inputs, texts, st.sampled_from(["es", "en"]))
def test_every_valid_value_has_a_notebook_view(
    value: dict[str, Any], input_data: dict[str, Any], text: str, lang: Any
) -> None:
    program = model(value)
    response = WorkflowResponse(
        program=program, text=text, session_id=text, attempts=1, elapsed=0.0
    )
    session = ChatSession(id=text, user=text, status=text, client_secret="ek_hidden")
    values = (program, response, session, Message(id=text, session_id=text))
    for thing in (*values, EDN360Input.model_validate(input_data)):
        Page(thing._repr_html_())
        assert "ek_hidden" not in thing._repr_html_() + repr(thing)
    assert response._repr_markdown_() == program._repr_markdown_() == program.to_markdown()
    assert program.to_markdown(lang=lang)
    Page(program.diff(model({"title": text, "sessions": []})).to_html(lang=lang))


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "</style></title></textarea><b>",
    "<!-- --> ]]> <?php ?>",
    "&lt;b&gt; &amp;#60;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_is_text_in_every_place(text: str) -> None:
    program = everywhere(text)
    for full_page in (False, True):
        page = Page(program.to_html(full_page=full_page))
        assert words(page.text).count(words(text)) >= PLACES + full_page


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |",
        "# title",
        "- item",
        "+ item",
        "1. item",
        "2) item",
        "---",
        "===",
        "> quote",
        "    code",
        "`code` ``` ~~~",
        "*a* _b_ **c** ~~d~~",
        "[a](https://example.com) ![a](https://example.com/i.png) [^1] [x]: https://example.com",
        "<https://example.com> <b>bold</b> &amp; &lt;",
        "$x$ $$y$$ \\(z\\) \\",
        "https://example.com www.example.com",
        "a\n\n# b\n- c",
    ],
)
def test_markdown_in_a_text_is_text(text: str) -> None:
    tokens = READER.parse(everywhere(text).to_markdown())
    # A series that begins with a number adds a table of weekly sets.
    harmless = READER.parse(everywhere("1 word" if text[0].isdigit() else "word").to_markdown())
    if "\n" not in text:
        assert [token.type for token in tokens] == [token.type for token in harmless]
    inline = [child for token in tokens for child in token.children or ()]
    assert "link_open" not in {token.type for token in inline}
    visible = "".join(token.content for token in inline if token.type == "text")
    assert words(visible).count(words(text)) >= 18


def test_bare_addresses_are_no_links_in_markdown() -> None:
    text = one_exercise(notes="see http://example.com or WWW.example.com").to_markdown()
    assert r"http\://example.com or WWW\.example.com" in text


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.com/video",
        "/video",
        "video",
        "",
        "http://",
        "https:///video",
        "https:example.com",
        "http:\\\\example.com",
        "https://exam\tple.com",
        "https://example.com/a b",
        "https://example.com/\u202egnp.exe",
        "https://[::1",
        "ftp://example.com/video",
    ],
)
def test_only_http_and_https_are_links(url: str) -> None:
    program = one_exercise(video_url=url)
    assert web_link(url) is None
    assert Page(program.to_html()).links == []
    assert "](" not in program.to_markdown()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/v?a=1&b=2#t",
        "HTTP://EXAMPLE.COM",
        " https://example.com/video\n",
        "https://example.com/niño",
        "https://example.com/(a)|b>c<d\"e'f`$",
        "http://127.0.0.1:8080/v",
    ],
)
def test_video_link_sends_no_referrer(url: str) -> None:
    program = one_exercise(video_url=url)
    html = program.to_html()
    assert Page(html).links == [url.strip()]
    assert 'rel="noopener noreferrer"' in html
    tokens = READER.parse(program.to_markdown())
    links = [
        child for token in tokens for child in token.children or () if child.type == "link_open"
    ]
    assert len(links) == 1
    lines = [
        line for line in program.to_text().splitlines() if line.strip() and "http" in line.lower()
    ]
    assert [line.strip() for line in lines] == [url.strip()]


def test_control_and_bidi_characters_are_replaced() -> None:
    program = everywhere("a\x00\x1b[31m\u202eb\x9b\u2066c")
    for text in (program.to_html(full_page=True), program.to_markdown(), program.to_text()):
        assert not set(text) & set("\x00\x1b\u202e\x9b\u2066")
        assert text.count("\ufffd") >= 5 * 18


@pytest.mark.parametrize(
    "series", [1e308, 10**400, 10**6000, math.inf, math.nan, -3, 0.001, "9" * 5000], ids="abcdefgh"
)
def test_absurd_numbers_are_rendered(series: Any) -> None:
    program = one_exercise(
        series=series, reps=series, rpe=series, primary_group="Pecho", order=10**6000
    )
    again = one_exercise(series=1, primary_group="Espalda").sessions
    both = program.model_copy(update={"sessions": program.sessions * 3 + again})
    for one in (program, both):
        html = one.to_html(lang="en")
        Page(html)
        assert "nan%" not in html
        assert "inf%" not in html
        assert one.to_markdown()
        assert max(map(len, one.to_text().splitlines())) <= 80


def test_recursive_value_is_rendered() -> None:
    notes: dict[str, Any] = {"a": {}}
    notes["a"]["b"] = notes
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    program = model({"title": "T", "sessions": []}).model_copy(
        update={"general_notes": {"self": notes, "deep": deep, "key": {(1, 2): {("a",): 1}}}}
    )
    for text in (program.to_html(), program.to_markdown(), program.to_text()):
        assert "…" in text


def test_page_forbids_scripts_and_requests() -> None:
    page = model({"title": "T", "sessions": []}).to_html(full_page=True)
    assert page.startswith("<!DOCTYPE html>\n<html")
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "<script" not in page
    assert "@import" not in page
    assert "url(" not in page


@pytest.mark.parametrize("render", ["to_html", "to_markdown", "to_text"])
def test_rendering_takes_linear_time(render: str) -> None:
    exercise = {"name": "Sentadilla <b>", "series": 3, "reps": "8-10", "notes": "Despacio | . " * 5}
    session = {"blocks": [{"exercises": [exercise] * 10}]}

    def seconds(sessions: int, text: str) -> float:
        program = model({"title": text, "summary": text, "sessions": [session] * sessions})
        started = time.process_time()
        getattr(program, render)()
        return time.process_time() - started

    seconds(1, "")
    small = min(seconds(5, "x" * 8_000) for _ in range(3))
    assert seconds(50, "x" * 80_000) < 30 * small + 0.05
