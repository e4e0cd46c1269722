"""A program as HTML, Markdown and text shows all its texts, and no text becomes markup."""

from __future__ import annotations

import copy
import math
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from edn360_chatkit import ChatSession, EDN360Input, EnrichedTrainingProgram, Message
from edn360_chatkit.events import WorkflowResponse
from edn360_chatkit.program.rendering import html
from edn360_chatkit.program.rendering.printable import one_line, web_link
from edn360_chatkit.program.texts import words as words_of
from tests.support.samples import ATHLETE, inputs, json_values, programs, texts

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

VOID = {"meta"}
TAGS = {
    *("html", "head", "title", "body", "main", "div", "article", "header", "section", "figure"),
    *("figcaption", "svg", "rect", "style", "h1", "h2", "h3", "p", "b", "bdi", "span"),
    *("dl", "dt", "dd", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "meta"),
    *("nav", "small", "caption"),
}
ATTRIBUTES = {
    *("aria-hidden", "aria-label", "charset", "class", "content", "data-label", "dir", "height"),
    *("href", "http-equiv", "id", "lang", "name", "rel", "rx", "scope", "target", "width"),
}


class Page(HTMLParser):
    """Parses a page, and fails at an unknown or unclosed element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.links: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        assert {name for name, _ in attrs} <= ATTRIBUTES
        if tag not in VOID:
            self.open.append(tag)
        links = (value or "" for name, value in attrs if name == "href")
        self.links += (link for link in links if not link.startswith("#session-"))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data + " "

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def model(value: dict[str, Any]) -> EnrichedTrainingProgram:
    return EnrichedTrainingProgram.model_validate(value)


def one_exercise(**fields: Any) -> EnrichedTrainingProgram:
    exercise = {"name": "Squat", **fields}
    return model({"title": "T", "sessions": [{"blocks": [{"exercises": [exercise]}]}]})


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


def visible_text(page: Page) -> str:
    return " ".join(page.text.split())


def words(text: str) -> str:
    """The text without blanks, and without the underscores of codes such as ``push_focus``."""
    return "".join(one_line(text).replace("_", " ").split()).casefold()


# --- on any program ---------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(programs, st.sampled_from(["es", "en"]))
def test_html_is_valid_and_has_every_text(value: dict[str, Any], lang: Any) -> None:
    program = model(value)
    for full_page in (False, True):
        page = Page(program.to_html(full_page=full_page, lang=lang))
        page_words = words(page.text)
        assert not [
            text for text in shown_texts(program, groups=True) if words(text) not in page_words
        ]


@settings(max_examples=60, deadline=None)
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


@settings(max_examples=60, deadline=None)
@given(programs, st.sampled_from(["es", "en"]))
def test_text_fits_80_columns_without_loss(value: dict[str, Any], lang: Any) -> None:
    program = model(value)
    text = program.to_text(lang=lang)
    assert max(map(len, text.split("\n"))) <= 80
    page_words = words(text)
    assert not [text for text in shown_texts(program) if words(text) not in page_words]


@settings(max_examples=100, deadline=None)
@given(json_values, json_values)
def test_notes_of_any_shape_are_rendered(notes: Any, core: Any) -> None:
    session = {"blocks": [], "session_notes": {"a": notes}, "core_mobility_block": [core]}
    program = model({"title": "T", "sessions": [session], "general_notes": [notes, core]})
    Page(program.to_html())
    assert program.to_markdown()
    assert program.to_text()


@settings(max_examples=60, deadline=None)
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


# --- hostile programs -------------------------------------------------------------------------

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


# --- the layout -------------------------------------------------------------------------------


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


def test_languages_have_equal_keys() -> None:
    spanish, english = (words_of(lang) for lang in ("es", "en"))
    assert spanish.fields.keys() == english.fields.keys()
    assert spanish.numbers.keys() == english.numbers.keys()
    source = "".join(path.read_text("utf-8") for path in Path(html.__file__).parent.glob("*.py"))
    keys = re.findall(r'\.field\(\s*"(\w+)"', source)
    assert len(keys) > 20
    assert set(keys) <= spanish.fields.keys()


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
    small = min(seconds(40, "x" * 20_000) for _ in range(3))
    assert seconds(400, "x" * 200_000) < 30 * small + 0.05


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
