"""The form that each language's file fills in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """The words of one language.

    Attributes:
        fields: Labels of our own and of the workflow's keys. A key without one loses its
            underscores.
        codes: Words for the workflow's codes, such as ``upper_lower``, without ``_focus``.
        findings: The text of each check, by its code.
        plurals: One and many of a number in such a text, by the number's name.
        names: Names of joints, and of equipment that an exercise needs.
        muscles: The names of each muscle or region, with commas between them, by its key. One
            muscle has the same key in all languages. Case, accents and plurals do not matter.
    """

    decimal: str
    fields: Mapping[str, str]
    codes: Mapping[str, str]
    findings: Mapping[str, str]
    plurals: Mapping[str, tuple[str, str]]
    names: Mapping[str, str]
    muscles: Mapping[str, str]

    def number(self, value: float) -> str:
        """A number as the language writes it, with two decimals at most."""
        return f"{value:.2f}".rstrip("0").rstrip(".").replace(".", self.decimal)

    def field(self, key: str) -> str:
        """The label of a key."""
        return self.fields.get(key) or key.replace("_", " ")

    def finding(self, code: str, values: Mapping[str, str | int]) -> str:
        """The text of a finding; some have another one if ``missing`` is ``all``."""
        is_all = "all" in values and values["all"] == values.get("missing")
        text = (is_all and self.findings.get(f"{code}_all")) or self.findings[code]
        return text.format(**{k: self._value(k, v) for k, v in values.items()})

    def _value(self, name: str, value: str | int) -> str:
        if name in self.plurals:
            one, many = self.plurals[name]
            return one if value in (1, "1") else many.format(value)
        names = self.fields if name == "field" else self.names
        return names.get(str(value), str(value))
