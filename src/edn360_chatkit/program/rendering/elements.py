"""HTML that is safe as it is built: whatever is not markup made here is escaped."""

from __future__ import annotations

from html import escape

from .printable import printable


class Html(str):
    """Markup that goes into the page as it is. Every other ``str`` is text.

    A notebook shows it as a page, not as its source.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        return self


def element(name: str, *content: str, **attributes: str | None) -> Html:
    """An element.

    Args:
        name: Its tag.
        content: What is in it: :class:`Html` as it is, any other ``str`` as text.
        attributes: ``class_`` is class and ``aria_label`` is aria-label; ``None`` leaves one out.
    """
    opening = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{opening}>{together(*content)}</{name}>")


def together(*content: str) -> Html:
    """Several pieces of content, one after the other."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in content))


def _escaped(text: str) -> str:
    return escape(printable(text))
