"""Weekly sets by muscle as a bar chart: inline SVG, without a script."""

from __future__ import annotations

from collections.abc import Mapping

from .columns import wrap
from .elements import Html, element, together
from .labels import Labels
from .printable import one_line

MOST_BARS = 24
"""A week has some dozen muscle groups. What names more is not read but summed up in a line."""

_NAME_COLUMNS, _NAME_LINES = 14, 2
_LINE, _BAR, _GAP = 17, 12, 9  # pixels; an SVG without a viewBox keeps its text at one size
_NAMES, _PLOT_START, _PLOT_WIDTH = "37%", "40%", "47%"  # what is left is for the last number


def bar_chart(sets: Mapping[str, float], labels: Labels) -> Html:
    """The chart.

    Args:
        sets: Sets of one week by muscle, as ``weekly_sets_by_muscle`` gives them: at least one, and
            each above 0.
        labels: The words of the chart's language.
    """
    shown = list(sets.items())[:MOST_BARS]
    most = max(number for _, number in shown)
    names: list[Html] = []
    bars: list[Html] = []
    top = 0
    for muscle, number in shown:
        lines = _name(muscle)
        for index, line in enumerate(lines):
            names.append(_text(line, "100%", top + _LINE * (index + 0.5), text_anchor="end"))
        height = _LINE * max(1, len(lines))
        bars.append(_bar(labels.number(number), 100 * number / most, top + height / 2))
        top += height + _GAP
    told = ", ".join(f"{' '.join(_name(muscle))} {labels.number(n)}" for muscle, n in shown)
    return element(
        "svg",
        element("title", labels.weekly_sets),
        element("svg", *names, width=_NAMES),
        element("svg", *bars, x=_PLOT_START, width=_PLOT_WIDTH, overflow="visible"),
        class_="bars",
        role="img",
        width="100%",
        height=str(max(top - _GAP, 0)),
        aria_label=f"{labels.weekly_sets}: {told}",
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
