"""The texts that people read. Each language has a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias, get_args

Language: TypeAlias = Literal["es", "en"]
"""Spanish, the athletes' language, or English."""


@dataclass(frozen=True)
class Words:
    """The words of a language, by the sections of its file."""

    fields: Mapping[str, str]
    codes: Mapping[str, str]
    findings: Mapping[str, str]
    numbers: Mapping[str, str]
    names: Mapping[str, str]

    def number(self, value: float) -> str:
        """A number with at most two decimals and the decimal sign of the language."""
        return f"{value:.2f}".rstrip("0").rstrip(".").replace(".", self.numbers["decimal"])

    def field(self, key: str) -> str:
        """The label of a key."""
        return self.fields.get(key) or key.replace("_", " ")

    def code(self, value: object) -> str | None:
        """The words for a code of the workflow, for example ``upper_lower`` or ``push_focus``."""
        return self.codes.get(value.removesuffix("_focus")) if isinstance(value, str) else None

    def finding(self, code: str, values: Mapping[str, str | int]) -> str:
        """The text of a finding; some have a special text if ``missing`` is ``all``."""
        is_all = "all" in values and values["all"] == values.get("missing")
        text = (is_all and self.findings.get(f"{code}_all")) or self.findings[code]
        return text.format(**{k: self._value(k, v) for k, v in values.items()})

    def _value(self, name: str, value: str | int) -> str:
        if name in self.numbers:
            one, many = self.numbers[name].split(" | ")
            return one if value in (1, "1") else many.format(value)
        names = self.fields if name == "field" else self.names
        return names.get(str(value), str(value))


@cache
def words(lang: Language) -> Words:
    """The words of a language.

    Raises:
        ValueError: ``lang`` is neither ``"es"`` nor ``"en"``.
    """
    from ..vocabulary import read_file

    if lang not in get_args(Language):
        names = " or ".join(f'"{name}"' for name in get_args(Language))
        raise ValueError(f"lang must be {names}, not {lang!r}.")
    sections = read_file(f"texts/{lang}.ini")
    codes = {code: word for word, row in sections["codes"].items() for code in row.split(", ")}
    return Words(**{**sections, "codes": codes})
