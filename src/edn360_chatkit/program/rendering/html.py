"""A training program as HTML: a fragment for notebooks, or a page of its own.

Neither has a script or makes a request. :func:`~.elements.element` escapes every text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from importlib.resources import files
from itertools import groupby

from ..data import ProgramData
from ..texts import Language, Words, words
from .content import COLUMNS, LIST_MARK, Day, Group, Note, Page, Row, read_page, rpe_text
from .elements import Html, element, together

_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: light-dark(#f5f6f4, #121514); }
body > .edn360 { min-height: 100vh; border-radius: 0; }
@page { margin: 14mm; }
@media print { body { background: none; } }
"""


LOGS = ("S1", "S2", "S3", "S4")
"""Columns to fill in by hand: the first sets of an exercise."""


def program_html(program: ProgramData, lang: Language, logs: Sequence[str] = ()) -> Html:
    """A program as a fragment for a foreign page, such as a notebook.

    Args:
        program: The program.
        lang: The language of the labels.
        logs: Names of blank columns for the athlete, which are printed only.
    """
    own = words(lang)
    return fragment(_article(read_page(program, own), own, logs, together()), lang=lang)


def program_page(program: ProgramData, lang: Language, logs: Sequence[str] = ()) -> Html:
    """A program as a whole page, which forbids the browser every script and every request."""
    own = words(lang)
    content = read_page(program, own)
    article = _article(content, own, logs, _links(content.days, own))
    style = _PAGE_STYLE + _css()
    # The browser takes this style and no other, so that not even a style could ask for anything.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = together(
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", content.title),
        element("style", Html(style)),
    )
    body = element("body", element("main", article, class_="edn360"))
    return together(
        Html("<!DOCTYPE html>\n"), element("html", element("head", head), body, lang=lang), "\n"
    )


def fragment(*content: str, lang: Language | None = None) -> Html:
    """Content with its style, which holds for this fragment and nothing around it."""
    return element("div", element("style", Html(_css())), *content, class_="edn360", lang=lang)


@cache
def _css() -> str:
    return files("edn360_chatkit.program.rendering").joinpath("style.css").read_text("utf-8")


# --- the program ------------------------------------------------------------------------------


def _article(page: Page, words: Words, logs: Sequence[str], links: Html) -> Html:
    facts = [
        element("div", element("dt", name), element("dd", text, dir="auto"))
        for name, text in page.facts
    ]
    return element(
        "article",
        element(
            "header",
            element("p", words.field("program"), class_="kind"),
            element("h1", page.title, dir="auto"),
            _paragraph(page.summary, class_="summary"),
            _filled("dl", facts, class_="facts"),
        ),
        links,
        *(_remark("h2", remark, class_="remarks general") for remark in page.remarks),
        _chart(page.sets, words),
        *(_day(day, _anchor(i) if links else None, logs, words) for i, day in enumerate(page.days)),
        "" if page.days else element("p", words.field("no_sessions"), class_="empty"),
        _paragraph(page.footnote, class_="footnote"),
    )


def _anchor(index: int) -> str:
    return f"session-{index + 1}"


def _links(days: Sequence[Day], words: Words) -> Html:
    """Links to the sessions. Only a page has them: a notebook may show two programs."""
    links = [
        element("a", element("bdi", day.id or day.name), href=f"#{_anchor(index)}")
        for index, day in enumerate(days)
    ]
    return _filled("nav", links, aria_label=words.field("sessions"))


def _chart(sets: Sequence[tuple[str, float]], words: Words) -> Html:
    """The weekly sets as bars: SVG without a script."""
    if not sets:
        return together()
    most = max(number for _, number in sets) or 1
    bars = (_bar(name, number, 100 * number / most, words) for name, number in sets)
    title, method = element("b", words.field("weekly_sets")), words.field("how_counted")
    caption = element("figcaption", title, " ", element("span", method))
    return element("figure", caption, element("dl", *bars, class_="bars"), class_="chart")


def _bar(name: str, sets: float, share: float, words: Words) -> Html:
    bar = element("rect", width=f"{share:.2f}%", height="12", rx="3")
    picture = element("svg", bar, width="100%", height="12", aria_hidden="true")
    number = element("dd", words.number(sets))
    return element("div", element("dt", name, dir="auto"), element("dd", picture), number)


def _day(day: Day, anchor: str | None, logs: Sequence[str], words: Words) -> Html:
    focus = [element("li", element("bdi", text)) for text in day.focus]
    return element(
        "section",
        element(
            "header",
            element("h2", _id(day.id), element("bdi", day.name)),
            _paragraph(day.minutes, class_="minutes"),
            _filled("ul", focus, class_="focus", aria_label=words.field("focus")),
        ),
        *map(partial(_remark, "h3"), day.opening),
        *(_group(group, logs, words) for group in day.groups),
        "" if day.groups else element("p", words.field("no_blocks"), class_="empty"),
        *map(partial(_remark, "h3"), day.closing),
        class_="session",
        id=anchor,
    )


def _id(text: str) -> Html:
    """A session's or a block's id, with the blank that separates it without a style."""
    return together(element("bdi", text, class_="id"), " ") if text else together()


def _group(group: Group, logs: Sequence[str], words: Words) -> Html:
    also = [f" {words.field('also')} ", element("bdi", group.also)] if group.also else []
    title = element("bdi", group.title) if group.title else ""
    name = together(_id(group.id), title, _filled("span", also, class_="also"))
    heads = (
        element("th", words.field(COLUMNS[column]), scope="col", class_=column)
        for column in group.columns
    )
    blanks = (
        element("th", log, " ", element("small", words.field("log")), scope="col", class_="log")
        for log in logs
    )
    table = element(
        "table",
        element("thead", element("tr", *heads, *blanks)),
        element("tbody", *(_row(row, group.columns, logs, words) for row in group.rows)),
        class_="logs" if logs else None,
    )
    return element(
        "section",
        element("h3", name or words.field("block")),
        table if group.rows else element("p", words.field("no_exercises"), class_="empty"),
        *_notes(group.notes),
        class_="block",
    )


def _row(row: Row, columns: Sequence[str], logs: Sequence[str], words: Words) -> Html:
    link = row.video and element(
        "a",
        words.field("video"),
        href=row.video,
        rel="noopener noreferrer",
        target="_blank",
        aria_label=f"{words.field('video')}: {row.name}",
    )
    # A phone has no header; "RIR 2" and "RPE 8" say it themselves.
    label = None if rpe_text(row.rpe) == row.rpe else "RPE"
    groups = element("bdi", row.groups, class_="groups") if row.groups else ""
    cells = {
        "order": element("td", row.order, class_="order"),
        "name": element("th", element("bdi", row.name), groups, scope="row"),
        "load": element("td", row.load, class_="load"),
        "rpe": element("td", row.rpe, class_="rpe", data_label=label),
        "notes": element("td", *_notes(row.notes), class_="notes", dir="auto"),
        "video": element("td", link or "", class_="video"),
    }
    blanks = (element("td", class_="log") for _ in logs)
    return element("tr", *(cells[column] for column in columns), *blanks)


# --- notes ------------------------------------------------------------------------------------


def _filled(name: str, content: Sequence[str], **attributes: str) -> Html:
    """An element, or nothing without content."""
    return element(name, *content, **attributes) if content else together()


def _paragraph(text: str, **attributes: str) -> Html:
    return element("p", text, dir="auto", **attributes) if text else together()


def _remark(heading: str, remark: Note, class_: str = "remarks") -> Html:
    return element("section", element(heading, remark.mark), *_notes(remark.notes), class_=class_)


def _notes(notes: Sequence[Note]) -> Iterator[Html]:
    """Lines of text as paragraphs, entries of lists and objects as lists."""
    for mark, group in groupby(notes, lambda note: note.mark and note.mark == LIST_MARK):
        if mark == "":
            yield from (_paragraph(note.text) for note in group)
        else:
            class_ = None if mark else "fields"
            yield element("ul", *map(_note_entry, group), class_=class_, dir="auto")


def _note_entry(note: Note) -> Html:
    if note.mark == LIST_MARK:
        return element("li", note.text, *_notes(note.notes))
    text = element("bdi", note.text) if note.text else ""
    return element("li", element("b", note.mark), " ", text, *_notes(note.notes))


# --- findings -------------------------------------------------------------------------------------


def findings_html(findings: Iterable[tuple[str, str, str]], lang: Language) -> Html:
    """A table of findings: severity, place and message of each."""
    own = words(lang)
    heads = (element("th", own.field(c), scope="col") for c in ("severity", "place", "finding"))
    rows = [
        element(
            "tr",
            element("th", own.field(severity), scope="row", class_=severity),
            element("td", place),
            element("td", element("bdi", message)),
        )
        for severity, place, message in findings
    ]
    table = element(
        "table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="findings"
    )
    nothing = element("p", own.field("no_findings"), class_="empty")
    return fragment(element("article", table if rows else nothing), lang=lang)
