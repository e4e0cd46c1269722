"""What the checks find, as a list that a notebook shows as a table."""

from __future__ import annotations

from .checks import Finding
from .rendering.elements import Html, element
from .rendering.html import fragment
from .texts import Language, words

_COLUMNS = ("severity", "place", "finding")


class Findings(list[Finding]):
    """A list of findings."""

    def to_html(self, *, lang: Language = "es") -> str:
        """The findings as an HTML fragment with its style, in which all text is escaped.

        Raises ``ValueError`` if ``lang`` is not ``"es"`` or ``"en"``.
        """
        own = words(lang)
        heads = (element("th", own.field(column), scope="col") for column in _COLUMNS)
        table = element(
            "table",
            element("thead", element("tr", *heads)),
            element("tbody", *(_row(finding, lang) for finding in self)),
            class_="findings",
        )
        nothing = element("p", own.field("no_findings"), class_="empty")
        return fragment(element("article", table if self else nothing), lang=lang)

    def _repr_html_(self) -> str:
        return self.to_html()


def _row(finding: Finding, lang: Language) -> Html:
    severity = words(lang).field(finding.severity)
    return element(
        "tr",
        element("th", severity, scope="row", class_=finding.severity),
        element("td", finding.path),
        element("td", element("bdi", finding.message(lang))),
    )
