"""A training program as HTML: a fragment for notebooks, or a whole page.

It has no scripts and makes no requests. :func:`~.elements.element` escapes every text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby

from ..data import ProgramData
from ..texts import Language, Words, words
from .content import COLUMNS, LIST_MARK, Note, Row, rpe_text
from .elements import Html, element, together
from .text import PlainText, program_title

LOG_COLUMNS = ("S1", "S2", "S3", "S4")
"""Blank columns for the athlete, on paper only: the first sets of an exercise."""


def program_html(program: ProgramData, lang: Language, *, log_columns: bool) -> Html:
    """A program as a fragment for another page, for example a notebook."""
    markup = _Markup(words(lang), log_columns=log_columns, is_page=False)
    return fragment(markup.program(program), lang=lang)


def program_page(program: ProgramData, lang: Language, *, log_columns: bool) -> Html:
    """A program as a whole page. Its policy forbids the browser every script and every request."""
    labels = words(lang)
    article = _Markup(labels, log_columns=log_columns, is_page=True).program(program)
    style = _css("page.css") + _css()
    # The browser accepts only this style: another style could make requests.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = together(
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", program_title(program, labels)),
        element("style", Html(style)),
    )
    body = element("body", element("main", article, class_="edn360"))
    return together(
        Html("<!DOCTYPE html>\n"), element("html", element("head", head), body, lang=lang), "\n"
    )


def fragment(*content: str, lang: Language | None = None) -> Html:
    """Content with its style, which does not apply outside of the fragment."""
    return element("div", element("style", Html(_css())), *content, class_="edn360", lang=lang)


@cache
def _css(file: str = "style.css") -> str:
    return files("edn360_chatkit.program.rendering").joinpath(file).read_text("utf-8")


class _Markup(PlainText):
    """The parts of a program as HTML. :func:`element` escapes each ``str`` that is not ``Html``."""

    def __init__(self, words: Words, *, log_columns: bool, is_page: bool) -> None:
        super().__init__(words)
        self._log_columns = LOG_COLUMNS if log_columns else ()
        self._is_page = is_page

    def section(self, kind: str, *parts: str, anchor: str = "") -> Html:
        if kind in ("article", "header"):
            return element(kind, *parts)
        # Only a page has anchors: they must be unique, and a notebook may show two programs.
        return element("section", *parts, class_=kind, id=(self._is_page and anchor) or None)

    def heading(self, level: int, title: str, identity: str = "", also: str = "") -> Html:
        if level == 1:
            return element("h1", title, dir="auto")
        about = [f" {self.words.field('also')} ", element("bdi", also)] if also else []
        return element(
            f"h{level}",
            # The blank separates the id from the title if there is no style.
            together(element("bdi", identity, class_="id"), " ") if identity else "",
            element("bdi", title) if title else "",
            _filled("span", about, class_="also"),
        )

    def paragraph(self, text: str, kind: str = "") -> Html:
        return _filled("p", [text] if text else (), class_=kind or None, dir="auto")

    def facts(self, facts: Mapping[str, str]) -> Html:
        pairs = [
            element("div", element("dt", name), element("dd", text, dir="auto"))
            for name, text in facts.items()
        ]
        return _filled("dl", pairs, class_="facts")

    def focus(self, focus: Sequence[str]) -> Html:
        items = [element("li", element("bdi", text)) for text in focus]
        return _filled("ul", items, class_="focus", aria_label=self.words.field("focus"))

    def links(self, sessions: Sequence[tuple[str, str]]) -> Html:
        links = [
            element("a", element("bdi", identity or name), href=f"#session-{number}")
            for number, (identity, name) in enumerate(sessions if self._is_page else (), 1)
        ]
        return _filled("nav", links, aria_label=self.words.field("sessions"))

    def sets(self, sets: Sequence[tuple[str, float]]) -> Html:
        """A bar chart as SVG."""
        most = max(number for _, number in sets)
        bars = (self._bar(name, number, 100 * number / most) for name, number in sets)
        title, method = self.words.field("weekly_sets"), self.words.field("how_counted")
        caption = element("figcaption", element("b", title), " ", element("span", method))
        return element("figure", caption, element("dl", *bars, class_="bars"), class_="chart")

    def _bar(self, name: str, sets: float, share: float) -> Html:
        bar = element("rect", width=f"{share:.2f}%", height="12", rx="3")
        picture = element("svg", bar, width="100%", height="12", aria_hidden="true")
        number = element("dd", self.words.number(sets))
        return element("div", element("dt", name, dir="auto"), element("dd", picture), number)

    def exercises(self, rows: Sequence[Row], columns: Collection[str]) -> Html:
        logs = self._log_columns
        heads = [
            element("th", self.words.field(COLUMNS[c]), scope="col", class_=c) for c in columns
        ]
        unit = element("small", self.words.field("log"))
        heads += [element("th", log, " ", unit, scope="col", class_="log") for log in logs]
        cells = (self._cells(row, columns) for row in rows)
        return _table(heads, cells, class_="logs" if logs else None)

    def _cells(self, row: Row, columns: Collection[str]) -> Html:
        link = row.video and element(
            "a",
            self.words.field("video"),
            href=row.video,
            rel="noopener noreferrer",
            target="_blank",
            aria_label=f"{self.words.field('video')}: {row.name}",
        )
        # A phone does not show the header. "RIR 2" and "RPE 8" contain their label.
        label = None if rpe_text(row.rpe) == row.rpe else "RPE"
        groups = element("bdi", row.groups, class_="groups") if row.groups else ""
        cells = {
            "order": element("td", row.order, class_="order"),
            "name": element("th", element("bdi", row.name), groups, scope="row"),
            "load": element("td", row.load, class_="load"),
            "rpe": element("td", row.rpe, class_="rpe", data_label=label),
            "notes": element("td", self.notes(row.notes), class_="notes", dir="auto"),
            "video": element("td", link or "", class_="video"),
        }
        blanks = (element("td", class_="log") for _ in self._log_columns)
        return element("tr", *(cells[column] for column in columns), *blanks)

    def notes(self, notes: Sequence[Note], indent: str = "") -> Html:
        """Lines of text as paragraphs. The entries of lists and objects are lists."""
        parts: list[Html] = []
        for mark, group in groupby(notes, lambda note: note.mark and note.mark == LIST_MARK):
            if mark == "":
                parts += (self.paragraph(note.text) for note in group)
            else:
                class_ = None if mark else "fields"
                parts.append(element("ul", *map(self._entry, group), class_=class_, dir="auto"))
        return together(*parts)

    def _entry(self, note: Note) -> Html:
        below = self.notes(note.notes)
        if note.mark == LIST_MARK:
            return element("li", note.text, below)
        text = element("bdi", note.text) if note.text else ""
        return element("li", element("b", note.mark), " ", text, below)


def _filled(name: str, content: Sequence[str], **attributes: str | None) -> Html:
    """An element, or an empty text if it has no content."""
    return element(name, *content, **attributes) if content else together()


def findings_html(findings: Iterable[tuple[str, str, str]], lang: Language) -> Html:
    """A table of findings: severity, place and message of each."""
    labels = words(lang)
    heads = (element("th", labels.field(c), scope="col") for c in ("severity", "place", "finding"))
    rows = [
        element(
            "tr",
            element("th", labels.field(severity), scope="row", class_=severity),
            element("td", place),
            element("td", element("bdi", message)),
        )
        for severity, place, message in findings
    ]
    empty = element("p", labels.field("no_findings"), class_="empty")
    table = _table(heads, rows, class_="findings") if rows else empty
    return fragment(element("article", table), lang=lang)


def _table(heads: Iterable[Html], rows: Iterable[Html], class_: str | None) -> Html:
    head, body = element("thead", element("tr", *heads)), element("tbody", *rows)
    return element("table", head, body, class_=class_)
