"""The numbers that an exercise's series, reps and RPE state, in Spanish or English.

A text is read from its beginning: ``"3-4"``, ``"8 a 10"``, ``"3 x 10"``, ``"45-60 s"``, ``"7½"``.
One without a countable number (``"AMRAP"``, ``"20 m"``, ``"70%"``) is ``None``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, cast

MOST = 86_400
"""The largest number that is taken for one: the seconds of a day. A larger one is a mistake."""

LONGEST = 200
"""Characters. A longer text is prose and says nothing countable."""


class Range(NamedTuple):
    """What a field allows, from ``low`` to ``high``; the two are equal where it names one number.

    Attributes:
        low: The smallest number.
        high: The largest number.
    """

    low: float
    high: float

    @property
    def middle(self) -> float:
        """Half-way between the two: 3.5 of ``"3-4"``."""
        return (self.low + self.high) / 2


def is_empty(value: object, depth: int = 6) -> bool:
    """Whether a value is ``None``, ``False``, blank, or a list or object of such values only."""
    if isinstance(value, (list, dict)) and depth:
        items = cast("Iterable[object]", value.values() if isinstance(value, dict) else value)
        return all(is_empty(item, depth - 1) for item in items)
    return value is None or value is False or (isinstance(value, str) and not value.strip())


def says_nothing(value: object) -> bool:
    """Whether a value is empty or a text such as ``"-"``, ``"N/A"`` or ``"unknown"``."""
    if not isinstance(value, str):
        return is_empty(value)
    text = fold(value.translate(_SIGNS)).rstrip(".") if len(value) <= LONGEST else value
    return _NOTHING.fullmatch(text) is not None


def read_series(value: object) -> Range | None:
    """The sets that ``series`` asks for; of ``"3 x 10"`` the 3, of ``"2+2"`` 4."""
    text = _plain(value)
    if plain_sum := _SUM.fullmatch(text):
        return _range([sum(map(float, plain_sum[1].split("+")))])
    chain = _CHAIN.match(text, _lead_of(text))
    rest = text[chain.end() :] if chain else ""
    if _BY_TIME.match(text) or (_MORE_SETS.match(rest) and not _TIMES.match(rest)):
        return None
    factors = _factors(value)[:1]
    # "5/3/1" is a scheme and no range.
    return None if factors and len(factors[0]) > 2 else _counted(factors)


def read_reps(value: object) -> Range | None:
    """The repetitions that ``reps`` asks for, of each side if it says so."""
    return None if _plain(value).startswith("emom") else _counted(_factors(value)[-1:])


def read_seconds(value: object) -> Range | None:
    """The seconds that ``reps`` asks for, if it is a duration; a bare number is none."""
    factor = (_factors(value) or [[]])[-1]
    units = [unit for _, unit in factor if unit]
    seconds: list[float] = []
    for number, own in reversed(factor) if units else ():
        # "30-45 s": a number without a unit has that of the next one, or of the last one.
        units.append(own or units[-1])
        seconds.append(number * _SECONDS[units[-1][0]])
    return _range(seconds) if seconds else None


def read_rpe(value: object) -> Range | None:
    """The rating of perceived exertion; ``"8/10"`` is 8 of 10, ``"RIR 2"`` is 8."""
    if text := _OF_TEN.sub(r"\1", _plain(value)):
        value = _RESERVE.sub(" ", text)
        if value != text:
            reserve = _counted(_factors(value)[:1])
            return reserve and _range([10 - reserve.high, 10 - reserve.low])
    return None if _PULSE.search(text) else _counted(_factors(value)[:1])


def fold(text: str) -> str:
    """A name as names are compared: without case, accents and double blanks."""
    parts = unicodedata.normalize("NFKD", text).casefold()
    return " ".join("".join(c for c in parts if not unicodedata.combining(c)).split())


# --- the grammar ----------------------------------------------------------------------------

Factor: TypeAlias = list[tuple[float, str | None]]
"""Numbers with their unit of time, if any: ``"30-45 s"``. ``"3 x 10"`` has two factors."""

_SECONDS = {"s": 1, "m": 60, "h": 3600}
"""By the first letter of a unit of time."""

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_S = r"(?:s|sgs?|segs?|segundos?|secs?|seconds?)(?![a-z])"
_MIN = r"(?:mins?|minutos?|minutes?)(?![a-z])"
_UNIT = rf"(?:{_S}|{_MIN}|(?:h|hs|hrs?|horas?|hours?)(?![a-z]))"
_TO = r" ?(?:[-=]>|-|/|~|\.\.\.?|[,;]|(?:a|al|to|o|u|or|y|and|hasta)(?![a-z])) ?"
_ROUNDS = r"(?:series?|sets?|rondas?|rounds?|vueltas?)"

_CHAIN = re.compile(rf"{_NUMBER}(?: ?{_UNIT})?(?:{_TO}{_NUMBER}(?: ?{_UNIT})?)*")
_QUANTITY = re.compile(rf"({_NUMBER})(?: ?({_UNIT}))?")
_TIMES = re.compile(rf" ?(?:{_ROUNDS} ?)?x[ (]*| ?{_ROUNDS} (?:de|of) ")
# Words before the numbers that do not change them.
_LEAD = re.compile(
    r"(?:[ ~≈<>≤≥=@+:(\[]|(?:aprox|approx|about|unos|unas|hasta|up to|max|maximo|maximum|min"
    r"|minimo|minimum|al menos|at least|entre|between|de|from|x|al fallo|to failure|fallo|failure"
    r"|menos|mas|less|more|than|piramide|piramidal|pyramid|ascendentes?|descendentes?|ascending"
    rf"|descending|mantener|manten|hold|isometrico|isometric|el|amrap|emom|rpe|reps?|repeticiones|{_ROUNDS})(?![a-z])\.?)*"
)
# Units of distance, weight or energy: the number is no number of repetitions.
_OTHER = re.compile(
    r"[.:][0-9]|e[-+]?[0-9]"
    r"| ?(?:%|(?:m|mts?|metros?|meters?|metres?|km|kms|cm|yd|yards?|yardas?|k|kg|kgs|kilos?|lbs?"
    r"|cals?|calorias?|calories|kcal|w|watts?|rm|rir(?! ?[0-9]))(?![a-z]))"
)
# "1,000" and "1.000": neither a thousand nor three decimals can be meant.
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}[.,][0-9]{3}(?![0-9])")
_SUM = re.compile(rf"({_NUMBER}(?: ?\+ ?{_NUMBER})+)(?: {_ROUNDS})?")
# Another number of sets after the first: "3 + 1 backoff", "2 de calentamiento y 3".
_MORE_SETS = re.compile(
    r"[^(]*?(?:[+,/]|(?<![a-z])(?:y|and|mas|plus)) ?[0-9]+"
    rf"(?![0-9]|[.:][0-9]| ?{_UNIT}| ?%)"
)
# The number after it is one of minutes.
_BY_TIME = re.compile("(?:amrap|emom|tabata)(?![a-z])")

# As they are compared, with "-" for every dash.
_NOTHING = re.compile(
    r"-{0,3}|n[/.]?a|n[/.]?d|s/d|none|null|nil|nan|nothing|not (?:applicable|specified)|nada"
    r"|no (?:aplica|procede|especificado)|sin (?:especificar|datos)|ningun[oa]|unknown|desconocido"
)

# Repetitions in reserve, which are counted down from an RPE of 10.
_RESERVE = re.compile(
    r"(?<![a-z])(?:rir|(?:(?:reps?|repeticiones) )?(?:in|en|de) (?:reserve|reserva|recamara))"
    r"(?![a-z])"
)
_PULSE = re.compile(r"(?<![a-z])(?:ppm|bpm|lpm|pulsaciones|latidos)(?![a-z])")
_OF_TEN = re.compile(rf"({_NUMBER}) ?(?:/|de|sobre|out of) ?10(?![0-9.])")

_FRACTION = re.compile(r"(?:([0-9])\s?)?([¼-¾⅐-⅞])")
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u2018\u2019\u00b4`\u2032", "'"),
        **dict.fromkeys('"\u201c\u201d\u2033', "''"),
        **dict.fromkeys("\u00d7\u2715*", "x"),
        **dict.fromkeys("\u2044\u2215", "/"),
        **dict.fromkeys("\u2192\u21d2\u2794\u279c", "->"),
    }
)
# One digit, or a quarter: "7,5" is a number, "12,10,8" and "12,10" are several.
_DECIMAL_COMMA = re.compile(r"(?<![0-9,])([0-9]+),([0-9]|25|75)(?![0-9,])")
_MINUTES_AND_SECONDS = re.compile(
    rf"([0-9]+)(?::([0-5][0-9])(?![:0-9])(?: ?{_MIN})?"
    rf"|' ?([0-5]?[0-9])(?![0-9])(?: ?(?:''|{_S}))?"
    rf"|(?:'|m| ?{_MIN}) ?(?:(?:y|and) )?([0-5]?[0-9]) ?(?:''|{_S}))"
)


def _factors(value: object) -> list[Factor]:
    """A number, or the numbers that a text begins with."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [[(value, None)]]
    text = _plain(value)
    place = _lead_of(text)
    factors: list[Factor] = []
    while chain := _CHAIN.match(text, place):
        place = chain.end()
        quantities = [(float(number), unit or None) for number, unit in _QUANTITY.findall(chain[0])]
        unread = _OTHER.match(text, place) or _THOUSANDS.search(chain[0])
        factors.append([] if unread else quantities)
        if not (times := _TIMES.match(text, place)):
            break
        place = times.end()
    return factors


def _lead_of(text: str) -> int:
    lead = _LEAD.match(text)
    return lead.end() if lead else 0


def _plain(value: object) -> str:
    """A text as the grammar has it: small letters, no accents, one form of every sign."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return ""
    text = _FRACTION.sub(lambda m: f"{int(m[1] or 0) + unicodedata.numeric(m[2]):.2f}", value)
    text = _DECIMAL_COMMA.sub(r"\1.\2", fold(text.translate(_SIGNS)))
    text = _MINUTES_AND_SECONDS.sub(_as_seconds, text)
    return text.replace("''", "s").replace("'", "min")


def _as_seconds(match: re.Match[str]) -> str:
    minutes, *seconds = match.groups()
    return f"{int(minutes) * 60 + int(next(filter(None, seconds)))}s"


def _counted(factors: list[Factor]) -> Range | None:
    """The numbers of a factor that is no duration."""
    for factor in factors:
        if factor and not any(unit for _, unit in factor):
            return _range([number for number, _ in factor])
    return None


def _range(numbers: list[float]) -> Range | None:
    # The comparison comes first: an int can be too large for a float; NaN fails it.
    if not all(0 <= number <= MOST for number in numbers):
        return None
    # Without the sign of -0.0, which no text of a number has.
    low, high = (round(abs(float(number)), 2) for number in (min(numbers), max(numbers)))
    return Range(low, high)


def as_text(value: object) -> str:
    """Any value as text: lists and objects as JSON, a whole number without ``.0``."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return f"{value:.12g}"
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return "…"  # from Python and not from JSON, such as a list within itself


def is_same(one: object, other: object) -> bool:
    """Whether two values of a field say the same: 3 and ``"3"``, ``"7-8"`` and ``"7 - 8"``."""
    texts = as_text(one), as_text(other)
    first, second = (_plain(text).replace(" ", "") for text in texts)
    return first == second if max(map(len, texts)) <= LONGEST else texts[0] == texts[1]
