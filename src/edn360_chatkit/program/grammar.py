"""The grammar of an exercise's series, reps and RPE, in Spanish or English.

A text becomes tokens, with a letter for each kind: ``"3 x 8-10 reps"`` is ``"nxn-nr"``. The kinds
are in ``words.ini``; a number is ``n``, and an unknown word ``w``. The patterns of the grammar are
regular expressions over these letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .vocabulary import LONGEST, fold, read_file

_NUMBERS = {word: float(n) for n, row in read_file()["numbers"].items() for word in row.split()}
_KINDS = {word: kind for kind, row in read_file()["kinds"].items() for word in row.split()}
_TOKEN = re.compile(r"[0-9]+(?:\.[0-9]+)?|(?<![a-z])x(?=[a-wyz])|[a-z]+|[^\s.]")


class Tokens(NamedTuple):
    """The kinds of a text's tokens, a letter for each token, and the values of the numbers."""

    kinds: str
    values: tuple[float, ...]

    def cut(self, start: int, end: int) -> Tokens:
        """The tokens without those from ``start`` to ``end``."""
        values = self.values[:start] + self.values[end:]
        return Tokens(self.kinds[:start] + self.kinds[end:], values)

    def without(self, pattern: re.Pattern[str], start: int = 0) -> Tokens:
        """The tokens without those of a pattern."""
        tokens = self
        for match in reversed([*pattern.finditer(self.kinds, start)]):
            tokens = tokens.cut(*match.span())
        return tokens


def read_tokens(value: object, decimal: re.Pattern[str] | None = None) -> Tokens:
    """The tokens of a text. A value that is not a text has no tokens.

    Args:
        value: The text.
        decimal: The pattern of a decimal comma: ``DECIMAL`` or ``DECIMAL_OF_TIME``.
    """
    words = _TOKEN.findall(plain(value, decimal or DECIMAL))
    kinds = "".join(map(_kind, words))
    return Tokens(kinds, tuple(_NUMBERS.get(w) or float(w if w[0].isdigit() else 0) for w in words))


def _kind(word: str) -> str:
    return _KINDS.get(word, "n" if word[0].isdigit() or word in _NUMBERS else "w")


SIGNS = {
    ord(variant): sign for sign, row in read_file()["signs"].items() for variant in row.split()
}
# "7,5" is a number and "10,8" are two numbers. With a unit of time, "1,4 min" is a number, too.
DECIMAL = re.compile(r"(?<![0-9,])([0-9]+),(0|5|25|75)(?![0-9,])")
DECIMAL_OF_TIME = re.compile(r"(?<![0-9,])([0-9]+),([0-9])(?= ?(?:s|m|h|hora)[a-z]{0,6}\b)")
_HALF = re.compile(r"(?<![0-9/.,-])((?:[0-9] )?)1/2(?= ?(?:min|h))")
_FRACTION = re.compile(r"(?:([0-9])\s?)?([¼-¾⅐-⅞])")
_SPELLINGS = [
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        # Not clear: "1,000", "1.000", "3.5.2", "2:1:2", "1:15 h", "1e3", "1ª", "2,30 min". And
        # "1,5" repetitions may mean 1.5, or 1 to 5.
        (r"[0-9]+(?:[.,][0-9]{3}(?![0-9])|(?:\.[0-9]+){2,}|(?::[0-9]+){2,})", "?"),
        (r"[0-9]+(?::[0-9]+ ?h|e[-+]?[0-9]+|\u00b0|[.,](?!25|50|75)[0-9]{2} ?(?:min|h))", "?"),
        (r"(?<![0-9,])[1-4],5(?![0-9,])", "?"),
        # "1:30", "10:00", "12:30 min"
        (
            r"(?<![0-9])(0?[0-9]|[0-9]{2}(?=:(?:00|[0-9]{2} ?min))):([0-5][0-9])(?![0-9])"
            r"(?: ?min[a-z]*)?",
            r"\1min\2s",
        ),
        (r"c/u", "/lado"),
        (r"''", "s "),
        (r"'", "min "),
        (r"[-=]>|\.{2,3}", "-"),
        (r"x ?2 (?=(?:lados|piernas|brazos|manos|sides|legs|arms)\b)", ""),
        (r"(?<=[0-9])\+ ?(?=[a-z])", " "),  # "30+ s"
        (r"\b(?:una?|an?|one) (?=hora|hour|minut)", "1 "),
        (r"(?:antes )?del fallo|(?:from|before|short of|shy of) failure", "rir"),
    )
]


def plain(value: object, decimal: re.Pattern[str]) -> str:
    """A text as the grammar needs it: lower case, no accents, a single form of each sign."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return ""
    text = _HALF.sub(r"\1½", value)
    text = _FRACTION.sub(lambda m: f"{int(m[1] or 0) + unicodedata.numeric(m[2]):.2f}", text)
    text = decimal.sub(r"\1.\2", fold(text.translate(SIGNS)))
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return text


class Amount(NamedTuple):
    """Numbers with their unit.

    The unit is a kind of token, ``"s"`` for any time, empty, or ``"?"`` if it is unclear.
    """

    numbers: tuple[float, ...]
    unit: str


class Group(NamedTuple):
    """Sets, or an amount, or both (``"3 x 8-10"``); and the tokens before the group."""

    sets: Amount | None
    amount: Amount | None
    joint: str


class Phrase(NamedTuple):
    """The groups of a text, its repetitions in reserve, and the tokens after the last group."""

    groups: tuple[Group, ...] = ()
    reserves: tuple[Amount, ...] = ()
    tail: str = ""


_SECONDS = {"s": 1, "m": 60, "h": 3600}

_UNIT = "[smhMoKSr%]"
# "30 s", "2 min y medio", "1 h 15 min", "1m30s", "1 min 30", "7 y medio".
_QUANTITY = rf"(?:H[smh]|n(?:h&?(?:H|nm|n(?!{_UNIT}))|[mM]&?(?:H|ns)|m&?n(?!{_UNIT})|&H|{_UNIT})?)"
# "8-10", "30 o 45 s", but not the 2 of "3x10 y 2x8".
_RANGE = rf"{_QUANTITY}(?:(?<!S)[-~L|&/]{_QUANTITY}(?!{_UNIT}*x))*"
# "15 12 10", "12, 10, 8"
_LIST = rf"(?:n{{2,}}(?!{_UNIT}|[-~|/x])|{_RANGE}(?:(?<![rSo%M]),{_RANGE}(?!{_UNIT}*x|S))*)"
# "3 x 10", "3 series de 10", "3 por 10"
_TIMES = r"(?:x\(?|(?<=S)[f:~L]*(?=n)|P(?=n))"
_GROUP = re.compile(
    rf"(?P<first>{_QUANTITY}[-~]{_QUANTITY}(?=x)|{_LIST})"
    rf"(?P<x>{_TIMES}(?P<second>{_LIST})?)?(?:x{_LIST})*"
)
_QUANTITIES = re.compile(_QUANTITY)
# The tokens that may precede the first number. After any other token, the text is not read.
_LEAD = re.compile(r"[fFSrpxmAL~:(,/|&]*")
# "por lado", "/pierna"
_SIDE = re.compile(r"[P/xCf]*d(?:[/|&]?d)*")
# Brackets, except in "3 x (8-10)".
_ASIDE = re.compile(r"(?<!x)\([^()]*\)?")
# "8 con pausa de 2 s", "30 s, 15 s de descanso", "5 cada 2 min": this is not the time of a set.
_REST = re.compile(r"(?:n[-~n]*[smh]f*)R(?![^,+()]*n)[^,+()]*|[RC][^,+()n]*n[^,+()]*")
# "5 al 80%", "30 min a 130 ppm"
_INTENSITY = re.compile(r"(?<=n)[~L]n(?:[-~]n)*%|(?<=[smhr])[~L]n(?:[-~]n)*[%oM]")
# "8 semana 1, 10 semana 2", "3 por semana", "3 series semanales"
_WEEKS = re.compile("K:?n|[xPLSr]K")


def _labels(kinds: str) -> re.Pattern[str]:
    """Amounts with a label before or after them: "RIR 2", "2 en reserva", "@8"."""
    return re.compile(
        rf"[{kinds}][f~:L{kinds}]*(?P<after>{_LIST})"
        rf"|(?P<before>{_RANGE})f*[{kinds}](?![f~:L{kinds}]*n)"
    )


_RESERVE, _LABELS = _labels("v"), _labels("vp")


def parse(value: object, decimal: re.Pattern[str] | None = None, *, is_rpe: bool = False) -> Phrase:
    """The groups and labelled amounts of a text, or of a number.

    Args:
        value: The text or number. Any other value has no groups.
        decimal: The pattern of a decimal comma.
        is_rpe: ``True`` if "RPE 8" is the amount; ``False`` if it is a remark about an amount.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Phrase((Group(None, Amount((value,), ""), ""),))
    tokens = read_tokens(value, decimal).without(_SIDE).without(_REST)
    if _WEEKS.search(tokens.kinds):
        return Phrase()
    tokens = _without_intensity(tokens.without(_ASIDE, max(tokens.kinds.find("n"), 0)))
    labels = _RESERVE if is_rpe else _LABELS
    reserves = tuple(
        _amount(tokens, *match.span("after" if match["after"] else "before"))
        for match in labels.finditer(tokens.kinds)
    )
    groups, tail = _groups(tokens.without(labels))
    return Phrase(groups, reserves, tail)


def _without_intensity(tokens: Tokens) -> Tokens:
    match = _INTENSITY.search(tokens.kinds)
    if match is None:
        return tokens
    before, _, first = tokens.values[match.start() - 1 : match.start() + 2]
    # "5 al 80%" has an intensity. "70 al 80%" is an intensity.
    has_intensity = tokens.kinds[match.start() - 1] != "n" or 2 * before < first
    return tokens.cut(*match.span()) if has_intensity else tokens


def _groups(tokens: Tokens) -> tuple[tuple[Group, ...], str]:
    """The groups, and the tokens after the last group."""
    lead = _LEAD.match(tokens.kinds)
    place = lead.end() if lead else 0
    groups: list[Group] = []
    joint = tokens.kinds[:place]
    match = _GROUP.match(tokens.kinds, place)
    while match:
        groups.append(_group(tokens, match, joint))
        place = match.end()
        match = _GROUP.search(tokens.kinds, place)
        joint = tokens.kinds[place : match.start() if match else None]
    return tuple(groups), joint


def _group(tokens: Tokens, match: re.Match[str], joint: str) -> Group:
    first = _amount(tokens, *match.span("first"))
    if not match["second"]:
        is_sets = match["x"] or first.unit == "S"
        return Group(first, None, joint) if is_sets else Group(None, first, joint)
    second = _amount(tokens, *match.span("second"))
    # "30 s x 4" has the sets after the amount.
    if second.unit == "S" or first.unit not in ("", "S"):
        first, second = second, first
    unclear = Group(None, Amount((), "?"), joint)
    return Group(first, second, joint) if first.unit in ("", "S") else unclear


def _amount(tokens: Tokens, start: int, end: int) -> Amount:
    kinds, values = tokens.kinds[start:end], tokens.values[start:end]
    spans = [match.span() for match in _QUANTITIES.finditer(kinds)]
    joints = "".join(kinds[end:begin] for (_, end), (begin, _) in pairwise(spans))
    quantities = [_read_quantity(kinds[begin:end], values[begin:end]) for begin, end in spans]
    own_units = [unit for _, unit in quantities if unit]
    units = {_UNIT_KINDS.get(unit, unit) for unit in own_units}
    is_pair = len(quantities) == 2
    # "10-12 o 20 s" may be repetitions or seconds; "8 10" may be "8-10" or "8 × 10".
    is_mixed = 0 < len(own_units) < len(quantities) and len(set(joints.translate(_DASHES))) > 1
    is_joined = joints or not is_pair or quantities[0] >= quantities[1]
    if len(units) > 1 or is_mixed or not is_joined:
        return Amount((), "?")
    numbers: list[float] = []
    unit = quantities[-1][1] or next(iter(own_units), "")
    for number, own_unit in reversed(quantities):
        # "30-45 s": a number without a unit has the unit of the next number, or of the last number.
        unit = own_unit or unit
        numbers.append(number * _SECONDS.get(unit, 1))
    if units == {"s"} and joints == "/" and is_pair:  # "40 s/20 s": work and rest
        return Amount((numbers[1],), "s") if numbers[0] <= numbers[1] else Amount((), "?")
    return Amount(tuple(numbers), *(units or {""}))


_DASHES = str.maketrans("~L", "--")
_UNIT_KINDS = {"m": "s", "h": "s", "M": "o", "K": "o", "%": "o"}


def _read_quantity(kinds: str, values: Sequence[float]) -> tuple[float, str]:
    """A number with its unit: 1.5 and ``"m"`` for "1 min 30"."""
    number, *more = (value for kind, value in zip(kinds, values, strict=True) if kind in "nH")
    unit = kinds[1:].lstrip("&H")[:1]
    for part in more:
        number += part if "H" in kinds[1:] else part / 60
    return number, "m" if unit == "M" and more else unit
