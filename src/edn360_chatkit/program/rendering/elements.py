"""HTML that is safe by construction: text is escaped, unless this module built it."""

from __future__ import annotations

from html import escape

from .printable import printable


class Html(str):
    """Markup, which is not escaped. Every other ``str`` is text.

    A notebook shows it as a page and not as source.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        return self


def element(name: str, *content: str, **attributes: str | None) -> Html:
    """An element.

    Args:
        name: The tag.
        content: The content. A ``str`` that is not :class:`Html` is escaped.
        attributes: ``class_`` is class and ``aria_label`` is aria-label. An attribute of ``None``
            is left out.
    """
    opening = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{opening}>{together(*content)}</{name}>")


def together(*content: str) -> Html:
    """Pieces of content in a row."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in content))


def _escaped(text: str) -> str:
    return escape(printable(text))
