"""The page of a program in a real browser, on a phone and on a desktop."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import ChatSession, EDN360Input, EnrichedTrainingProgram
from edn360_chatkit.testing._workflow import simulated_program
from tests.support import chromium
from tests.support.chromium import Chromium, Tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium.FOUND is None, reason="Chromium is missing (Debian: apt-get install chromium)"
    ),
]

WIDTHS = (360, 800, 1280)
EXAMPLES = Path(__file__).parents[2] / "examples"


def small() -> dict[str, Any]:
    athlete = json.loads((EXAMPLES / "athlete_initial.json").read_text("utf-8"))
    return simulated_program(EDN360Input.model_validate(athlete))


def large() -> dict[str, Any]:
    """Six days with long names and notes."""
    name = "Press inclinado con mancuernas alternas y pausa de dos segundos abajo"
    note = "Baja despacio, con los codos a 45 grados, y no rebotes. " * 4
    muscles = ["Pectoral mayor, porción clavicular", "Deltoides anterior", "Tríceps"]
    exercises = [
        {
            "order": order,
            "name": name,
            "primary_group": muscles[order % 3],
            "series": "3-4",
            "reps": "8-10 por lado",
            "rpe": "7,5-8,5",
            "secondary_group": muscles[0],
            "notes": note,
            "video_url": "https://example.com/videos/press",
        }
        for order in range(1, 6)
    ]
    block = {"primary_muscles": muscles, "secondary_muscles": muscles, "exercises": exercises}
    notes = {"calentamiento": [note, {"movilidad": ["cadera", "hombro"]}], "descanso": note}
    return {
        "title": "Doce semanas de fuerza e hipertrofia para volver a competir en primavera",
        "summary": note * 2,
        "goal": "Ganar fuerza en los básicos sin perder la movilidad que cuesta tanto recuperar",
        "training_type": "Fuerza",
        "weeks": 12,
        "days_per_week": 6,
        "session_duration_min": 75,
        "sessions": [
            {
                "id": f"D{day}",
                "name": f"{name} {day}",
                "focus": [*muscles, "Agarre"] * 2,
                "blocks": [{"id": "AB"[part], **block} for part in range(2)],
                "session_notes": note * 3,
                "core_mobility_block": {"duration_min": 10, "exercises": exercises[:2]},
            }
            for day in range(1, 7)
        ],
        "general_notes": notes,
    }


def hostile(port: int) -> dict[str, Any]:
    """A program with attacks in every text field."""
    server = f"http://127.0.0.1:{port}"
    attack = (
        "<script>owned=1</script><script src='SERVER/s.js'></script>"
        "<img src='SERVER/i.png' onerror='owned=1'><svg onload='owned=1'><iframe src='SERVER/f'>"
        "</style></title></table><style>@import 'SERVER/c.css'; *{background:url(SERVER/b.png)}"
        "</style><link rel=stylesheet href='SERVER/l.css'><meta http-equiv=refresh "
        "content='0;url=SERVER/m'>\"' onmouseover=\"owned=1\" <base href='SERVER/'>"
        "<details open ontoggle=owned=1><video src='SERVER/v'><object data='SERVER/o'>"
    ).replace("SERVER", server)
    texts = [
        attack,
        "W" * 10_000,
        "שלום עולם " * 30,
        "\u202eevil\u2066",
        "a\u200b\u200d" * 3000,
        "名" * 9000,
    ]

    def session(text: str) -> dict[str, Any]:
        urls = ("javascript:owned=1", "java\nscript:owned=1", f"{server}/{text[:9]}", text)
        names = ("name", "primary_group", "secondary_group", "reps", "rpe", "notes")
        exercises = [{**dict.fromkeys(names, text), "series": 3, "video_url": url} for url in urls]
        muscles = {"primary_muscles": [text, text], "secondary_muscles": [text]}
        return {
            "id": text,
            "name": text,
            "focus": [text],
            "session_notes": {text: [text, {text: 1}]},
            "blocks": [{"id": text, **muscles, "exercises": exercises}],
            "core_mobility_block": {text: text, "exercises": exercises[:1]},
        }

    heads = ("title", "summary", "goal", "training_type", "general_notes")
    return {**dict.fromkeys(heads, attack + texts[1]), "sessions": list(map(session, texts))}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that a request of a hostile page would reach."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def model(value: dict[str, Any]) -> EnrichedTrainingProgram:
    return EnrichedTrainingProgram.model_validate(value)


def saved(page: str, folder: Path) -> str:
    file = folder / "page.html"
    file.write_text(page, "utf-8")
    return file.as_uri()


# Elements that are wider than the window or their parent.
OVERFLOWS = """
(() => {
  const room = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > room) found.push("the page");
  for (const element of document.querySelectorAll("body *")) {
    // A phone shows no header.
    if (element.closest("thead, svg[aria-hidden]")) continue;
    const box = element.getBoundingClientRect();
    const parent = element.parentElement.getBoundingClientRect();
    const outside = box.left < parent.left - 9 || box.right > parent.right + 9;
    const wide = !element.closest("svg") && element.scrollWidth > element.clientWidth + 1;
    const inline = getComputedStyle(element).display == "inline";
    if (box.width && (box.left < 0 || box.right > room || (outside && !element.closest("svg"))
        || (wide && !inline))) found.push(element.outerHTML.slice(0, 80));
  }
  return found;
})()
"""

# Text whose contrast with its background is below 4.5, the AA level of WCAG for small text.
PALE = """
(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((c) => c / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      const alpha = channels(color)[3] ?? 1;
      if (alpha == 1) return color;
      if (alpha > 0) throw Error("a colour that lets others through");
    }
    return "rgb(255, 255, 255)";
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  let count = 0;
  while (texts.nextNode()) {
    const text = texts.currentNode, element = text.parentElement, style = getComputedStyle(element);
    if (!text.data.trim() || style.visibility != "visible") continue;
    if (!element.getClientRects().length || element.closest("title, style")) continue;
    const [one, other] = [light(style.color), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    count += 1;
    if (contrast < 4.5)
      found.push(`${contrast.toFixed(2)} ${style.color} ${text.data.slice(0, 40)}`);
  }
  return {count, found};
})()
"""


def page(kind: str, port: int) -> str:
    """The page to test. Changes, findings and sessions are fragments without a security policy."""
    if kind == "session":
        attack = hostile(port)["title"]
        return ChatSession(id=attack, user=attack, status="active")._repr_html_()
    if kind == "changes":
        return model(hostile(port)).diff(model(small())).to_html()
    if kind == "findings":
        return model(hostile(port)).check().to_html()
    values = {"small": small(), "large": large(), "hostile": hostile(port)}
    return model(values[kind]).to_html(full_page=True, log_columns=True)


@pytest.mark.parametrize("kind", ["small", "large", "hostile", "changes", "findings", "session"])
def test_page_runs_no_script_and_fits_window(
    kind: str, browser: Chromium, server: socket.socket, tmp_path: Path
) -> None:
    url = saved(page(kind, server.getsockname()[1]), tmp_path)
    for width, dark in product(WIDTHS, (False, True)):
        with Tab(browser, url, width=width, dark=dark) as tab:
            assert tab.run("typeof owned") == "undefined"
            assert tab.run("window.innerWidth") == width
            # The table of a session has no style, so a long id makes it wide.
            assert kind == "session" or tab.run(OVERFLOWS) == []
            pale = tab.run(PALE)
            assert pale["found"] == []
            assert pale["count"] >= 7
            assert tab.requests() == [url]
    with pytest.raises(BlockingIOError):
        server.accept()


def test_checks_detect_a_bad_page(browser: Chromium, server: socket.socket, tmp_path: Path) -> None:
    image_url = f"http://127.0.0.1:{server.getsockname()[1]}/i.png"
    page = (
        f"<body><script>owned = 1; fetch('{image_url}')</script>"
        "<p style='width: 900px; color: #999; background: #fff'>text</p>"
    )
    with Tab(browser, saved(page, tmp_path), width=800) as tab:
        assert tab.run("owned") == 1
        assert image_url in tab.requests()
        assert tab.run(OVERFLOWS)[0] == "the page"
        assert tab.run(PALE) == {"count": 1, "found": ["2.85 rgb(153, 153, 153) text"]}
    connection, _ = server.accept()
    connection.close()


# A page with JupyterLab's styles for tables and headings, exaggerated.
NOTEBOOK = """
<!DOCTYPE html><html><style>
  .jp-RenderedHTMLCommon table { border-collapse: collapse; font-size: 30px; margin: 3em auto; }
  .jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th { text-align: right; padding: 40px; }
  .jp-RenderedHTMLCommon tbody tr:nth-child(odd) { background: #ff0; }
  .jp-RenderedHTMLCommon :is(h1, h2, h3, p) { color: #f00; font: 50px serif; white-space: nowrap; }
  .jp-RenderedHTMLCommon a { color: #0f0; } .kind, .notes, .session { display: none; }
</style>
<body data-jp-theme-light="LIGHT" style="margin: 0">
<div class="jp-RenderedHTMLCommon"><table id="own"><tr><td>1</td></tr></table><h2>own</h2></div>
<div class="jp-RenderedHTMLCommon" id="output"></div>
"""
LOOKS = """
[...document.querySelectorAll("SELECTOR")].map((element) => {
  const style = getComputedStyle(element);
  return ["display", "color", "backgroundColor", "font", "padding", "textAlign", "whiteSpace"]
    .map((property) => style[property]).join("; ");
})
"""


@pytest.mark.parametrize("light", [True, False])
def test_program_and_notebook_keep_their_styles(
    light: bool, browser: Chromium, server: socket.socket, tmp_path: Path
) -> None:
    program = model(small())
    ours = LOOKS.replace("SELECTOR", ".edn360, .edn360 :not(style, svg *, nav, nav *)")
    theirs = LOOKS.replace("SELECTOR", "#own *, h2:not(.edn360 *)")
    with Tab(
        browser, saved(program.to_html(full_page=True), tmp_path), width=800, dark=not light
    ) as tab:
        alone = tab.run(ours)
    notebook = NOTEBOOK.replace("LIGHT", str(light).lower())
    url = saved(notebook, tmp_path)
    # The theme of the notebook counts, and not the opposite theme of the system.
    with Tab(browser, url, width=800, dark=light) as tab:
        before = tab.run(theirs)
        fragment = json.dumps(program.to_html())
        tab.run(f"document.querySelector('#output').innerHTML = {fragment}")
        assert tab.run(theirs) == before
        assert tab.run(ours) == alone
        assert (
            tab.run(PALE.replace("document.body", "document.querySelector('.edn360')"))["found"]
            == []
        )
        # A fragment has no security policy, so its content must be harmless.
        fragment = json.dumps(model(hostile(server.getsockname()[1])).to_html())
        tab.run(f"document.querySelector('#output').innerHTML = {fragment}")
        tab.run("new Promise((done) => setTimeout(done, 100))")
        assert tab.run("typeof owned") == "undefined"
        assert tab.requests() == [url]
    with pytest.raises(BlockingIOError):
        server.accept()


@pytest.mark.parametrize("width", [360, 1280])
def test_tables_have_accessible_headers(width: int, browser: Chromium, tmp_path: Path) -> None:
    program = model(small())
    blocks = program.to_html().count("<table")
    names = [exercise.name for _, _, exercise in program.exercises()]
    with Tab(browser, saved(program.to_html(full_page=True), tmp_path), width=width) as tab:
        assert len(tab.accessible("table")) == blocks > len(program.sessions)
        headers = tab.accessible("columnheader")
        assert headers[:6] == ["#", "Ejercicio", "Series × reps", "RPE", "Notas", "Vídeo"]
        assert len(headers) == 6 * blocks
        rows = tab.accessible("rowheader")
        assert [name for name in names if not any(row.startswith(name or "") for row in rows)] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_links_are_large_targets(width: int, browser: Chromium, tmp_path: Path) -> None:
    page = model(small()).to_html(full_page=True)
    sizes = """[...document.querySelectorAll("a")].map((link) => {
      const box = link.getBoundingClientRect(); return [box.width, box.height]; })"""
    with Tab(browser, saved(page, tmp_path), width=width) as tab:
        link_sizes = tab.run(sizes)
    assert len(link_sizes) == page.count("<a ")
    assert min(min(size) for size in link_sizes) >= 24


def test_link_scrolls_to_its_session(browser: Chromium, tmp_path: Path) -> None:
    with Tab(browser, saved(model(large()).to_html(full_page=True), tmp_path), width=800) as tab:
        tab.run("document.querySelectorAll('nav a')[2].click()")
        top = "document.querySelectorAll('.session')[2].getBoundingClientRect().top"
        assert abs(tab.run(top)) < 2


@pytest.mark.parametrize("paper", [False, True])
def test_log_columns_are_printed_only(paper: bool, browser: Chromium, tmp_path: Path) -> None:
    page = saved(model(large()).to_html(full_page=True, log_columns=True), tmp_path)
    # The width of A4 paper without its margins.
    with Tab(browser, page, width=688, paper=paper) as tab:
        text = tab.run("document.body.innerText")
        assert tab.run(OVERFLOWS) == []
        heights = tab.run("[...document.querySelectorAll('td.log')].map((e) => e.offsetHeight)")
    assert ("S4" in text and "kg × reps" in text) is paper
    assert (min(heights) >= 24) is paper


def test_general_notes_are_printed_before_sessions(browser: Chromium, tmp_path: Path) -> None:
    page = saved(model(small()).to_html(full_page=True), tmp_path)
    with Tab(browser, page, width=688, paper=True) as tab:
        text = tab.run("document.body.innerText")
    assert text.index("Notas generales") < text.index("Series semanales") < text.index("Torso A")


def test_each_session_starts_a_printed_page(browser: Chromium, tmp_path: Path) -> None:
    session = {"blocks": [{"exercises": [{"name": "Sentadilla", "series": 3}]}]}
    program = model({"title": "Fuerza", "sessions": [session] * 6})
    with Tab(browser, saved(program.to_html(full_page=True), tmp_path), width=800) as tab:
        assert len(re.findall(rb"/Type /Page\b", tab.pdf())) == 1 + 6


@pytest.mark.parametrize("paper", [False, True])
def test_links_to_videos_are_not_printed(paper: bool, browser: Chromium, tmp_path: Path) -> None:
    page = saved(model(small()).to_html(full_page=True), tmp_path)
    with Tab(browser, page, width=800, paper=paper) as tab:
        text = tab.run("document.body.innerText")
    assert ("Vídeo" in text) is not paper
    assert "Notas" in text
