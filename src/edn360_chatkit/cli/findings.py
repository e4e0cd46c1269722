"""What ``validate`` says of a program."""

from __future__ import annotations

from ..inputs import EDN360Input
from ..program.model import EnrichedTrainingProgram, Language
from ..program.rendering.printable import one_line

_SEVERITIES = {
    "es": {"error": "error", "warning": "aviso", "info": "nota"},
    "en": {"error": "error", "warning": "warning", "info": "info"},
}
_NOTHING = {"es": "nada que señalar", "en": "nothing found"}


def findings_text(
    program: EnrichedTrainingProgram, against: EDN360Input | None, lang: Language
) -> str:
    """The findings of a program, a line each, or a line that there are none."""
    lines = [
        f"{_SEVERITIES[lang][finding.severity]}: {finding.path}: {one_line(finding.message(lang))}"
        for finding in program.check(against)
    ]
    return "".join(f"  {line}\n" for line in lines or [_NOTHING[lang]])
