"""The numbers in an exercise's series, reps and RPE, in Spanish or English.

A text outside of the grammar gives ``None``: no number is better than a wrong number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from .._json import is_list, is_object
from .grammar import DECIMAL, DECIMAL_OF_TIME, SIGNS, parse, plain, read_tokens
from .vocabulary import LONGEST, fold, read_file

MOST = 86_400
"""The largest valid number: the seconds of a day. A larger number is a mistake."""

WIDEST_SETS = 3
"""The most sets from low to high: "3, 10" does not mean 3 to 10 sets. Our assumption."""


class Range(NamedTuple):
    """The numbers that a field allows. ``low`` and ``high`` are equal for a single number.

    Attributes:
        low: The smallest number.
        high: The largest number.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The mean of ``low`` and ``high``: 3.5 for ``"3-4"``."""
        return (self.low + self.high) / 2


def is_empty(value: object, depth: int = 6) -> bool:
    """Whether a value is ``None``, ``False``, blank, or a list or object of empty values."""
    if depth and (is_list(value) or is_object(value)):
        items = value.values() if is_object(value) else value
        return all(is_empty(item, depth - 1) for item in items)
    return value is None or value is False or (isinstance(value, str) and not value.strip())


def says_nothing(value: object) -> bool:
    """Whether a value is empty, or a text like ``"-"``, ``"N/A"`` or ``"unknown"``."""
    if not isinstance(value, str):
        return is_empty(value)
    text = fold(value.translate(SIGNS)).rstrip(".") if len(value) <= LONGEST else value
    return not text or text in read_file()["words"]["nothing"].split(", ")


def says_how_much(value: object) -> bool:
    """Whether a coach can read an amount: a number above 0, or a word like ``"AMRAP"``."""
    if isinstance(value, (int, float)):
        return value > 0
    kinds, values = read_tokens(value)
    return any(values) or bool(set(kinds) & set("AF"))


def read_series(value: object) -> Range | None:
    """The sets in ``series``: 3 in ``"3 x 10"``, 4 in ``"2+2"`` or ``"2x10, 2x8"``."""
    phrase = parse(value)
    groups = [g for g in phrase.groups if g.sets or (g.amount and g.amount.unit == "")]
    counts = [count.numbers for group in groups if (count := group.sets or group.amount)]
    words = {*phrase.tail, *(kind for group in phrase.groups for kind in group.joint)}
    # Not read: a scheme ("5/3/1"), the sets of a warm-up, and the amount of "series de 10".
    lead = phrase.groups[0].joint if counts else "A"
    if "A" in lead or "Sf" in lead or max(map(len, counts)) > 2 or "W" in words:
        return None
    is_plain_sum = all(group.joint == "+" for group in groups[1:]) and "w" not in words
    if len(counts) > 1 and not all(group.sets for group in groups):
        is_plain_sum &= not any(group.sets and group.amount for group in groups)
        if not is_plain_sum or max(map(len, counts)) > 1:
            return None
    low, high = sum(map(min, counts)), sum(map(max, counts))
    return _range([low, high], step=0.5) if high - low <= WIDEST_SETS else None


def read_reps(value: object) -> Range | None:
    """The repetitions in ``reps``, or of each side if it names one."""
    phrase = parse(value, DECIMAL_OF_TIME)
    groups = [(g, g.amount) for g in phrase.groups if g.amount]
    counts = [(g, amount.numbers) for g, amount in groups if amount.unit in ("", "r")]
    if not counts or counts[0][0] is not groups[0][0] or "A" in phrase.groups[0].joint:
        return None
    if any(not g.sets and (len(counts) > 1 or "+" in g.joint) for g, _ in counts):
        return None
    numbers = [number for _, numbers in counts for number in numbers]
    return _range(numbers, step=0.5)


def read_seconds(value: object) -> Range | None:
    """The seconds in ``reps``, if it is a duration. A number without a unit is not."""
    groups = parse(value, DECIMAL_OF_TIME).groups
    works = [(g, g.amount) for g in groups if g.amount and g.amount.unit != "o"]
    is_one_work = all(g.sets or g.joint == "," for g, _ in works[1:])
    if not works or not is_one_work or any(amount.unit != "s" for _, amount in works):
        return None
    return _range([number for _, amount in works for number in amount.numbers])


def read_rpe(value: object) -> Range | None:
    """The rating of perceived exertion: 8 for ``"8"``, ``"8/10"`` and ``"RIR 2"``."""
    if isinstance(value, str) and len(value) <= LONGEST:
        value = _OF_TEN.sub(lambda scale: "" if scale[1] == "10" else "borg", value)
    phrase = parse(value, is_rpe=True)
    if phrase.groups:
        amount = phrase.groups[0].amount
        is_rpe = len(phrase.groups) == 1 and not phrase.groups[0].sets
        return _range(amount.numbers) if is_rpe and amount and amount.unit == "" else None
    reserves = {reserve.numbers for reserve in phrase.reserves if reserve.unit in ("", "r")}
    return _range([10 - number for number in reserves.pop()]) if len(reserves) == 1 else None


_OF_TEN = re.compile(r"(?<=[0-9]) ?(?:/|de|sobre|out of) ?(5|10|20)(?![0-9.,])", re.IGNORECASE)


def _range(numbers: Sequence[float], step: float = 0.01) -> Range | None:
    # Compare before any arithmetic: an int can be too large for a float. NaN fails, too.
    if not all(0 <= number <= MOST for number in numbers):
        return None
    # "3-1-1-0" is a tempo; "8.12" is a typo for "8-12".
    if (len(numbers) > 2 and 0 in numbers) or (step == 0.5 and any(n % step for n in numbers)):
        return None
    # abs() drops the sign of -0.0, which a text never has.
    low, high = (round(abs(float(number)), 2) for number in (min(numbers), max(numbers)))
    return Range(low, high)


def as_text(value: object) -> str:
    """A value as text: lists and objects as JSON, a whole number without ``.0``."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return f"{value:.12g}"
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return "…"  # only Python has these values, for example a list that contains itself


def is_same(one: object, other: object) -> bool:
    """Whether two values of a field are equal: 3 and ``"3"``, ``"7-8"`` and ``"7 - 8"``."""
    texts = as_text(one), as_text(other)
    first, second = (plain(text, DECIMAL).replace(" ", "") for text in texts)
    return first == second if max(map(len, texts)) <= LONGEST else texts[0] == texts[1]
