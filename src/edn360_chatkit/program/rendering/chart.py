"""Weekly sets by muscle as a bar chart: inline SVG, without a script."""

from __future__ import annotations

from collections.abc import Mapping

from ..texts.words import Words
from .columns import wrap
from .elements import Html, element, together
from .printable import one_line

MOST_BARS = 24
"""A week has some dozen muscle groups. What names more is not read but summed up in a line."""

_NAME_COLUMNS, _NAME_LINES = 14, 2
# Pixels. An SVG without a viewBox keeps its text at one size, and only the bars grow with the page.
_NAMES, _LINE, _BAR, _GAP = 112, 17, 12, 9


def bar_chart(sets: Mapping[str, float], words: Words) -> Html:
    """The chart: the muscles' names, and beside them their bars.

    Args:
        sets: Sets of one week by muscle, as ``weekly_sets_by_muscle`` gives them: at least one, and
            each above 0.
        words: The words of the chart's language.
    """
    shown = [(_name(muscle), number) for muscle, number in list(sets.items())[:MOST_BARS]]
    most = max(number for _, number in shown)
    names: list[Html] = []
    bars: list[Html] = []
    top = 0
    for lines, number in shown:
        for index, line in enumerate(lines):
            middle = top + _LINE * (index + 0.5)
            names.append(_text(line, str(_NAMES), middle, text_anchor="end"))
        height = _LINE * max(1, len(lines))
        bars.append(_bar(words.number(number), 100 * number / most, top + height / 2))
        top += height + _GAP
    description = ", ".join(f"{' '.join(lines)} {words.number(number)}" for lines, number in shown)
    size = str(top - _GAP)
    return element(
        "div",
        element("svg", *names, width=str(_NAMES), height=size, aria_hidden="true"),
        element(
            "svg",
            element("title", words.weekly_sets),
            *bars,
            role="img",
            width="50%",
            height=size,
            aria_label=f"{words.weekly_sets}: {description}",
        ),
        class_="bars",
    )


def _bar(number: str, share: float, middle: float) -> Html:
    width, top = f"{share:.2f}%", f"{middle - _BAR / 2:g}"
    bar = element("rect", y=top, width=width, height=str(_BAR), rx="3")
    return together(bar, _text(number, width, middle, class_="number", dx="8"))


def _text(text: str, x: str, middle: float, **attributes: str) -> Html:
    return element("text", text, x=x, y=f"{middle:g}", dominant_baseline="central", **attributes)


def _name(muscle: str) -> list[str]:
    """A name in as many lines as there is room for; SVG breaks none by itself."""
    # No more is read than can be shown: a name may be as long as a book.
    lines = wrap(one_line(muscle[:200]), _NAME_COLUMNS)
    if len(lines) > _NAME_LINES:
        last = lines[_NAME_LINES - 1]
        lines[_NAME_LINES - 1 :] = [wrap(last, _NAME_COLUMNS - 1)[0] + "…"]
    return lines
