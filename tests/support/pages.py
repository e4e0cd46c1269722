"""Programs to render, and a parser of pages."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from edn360_chatkit import EnrichedTrainingProgram

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


def visible_text(page: Page) -> str:
    return " ".join(page.text.split())
