"""What ``validate`` says of a program."""

from __future__ import annotations

from ..models.inputs import EDN360Input
from ..models.program import EnrichedTrainingProgram, Language
from ..rendering.printable import one_line


def findings_text(
    program: EnrichedTrainingProgram, against: EDN360Input | None, lang: Language
) -> str:
    """The findings of a program, a line each; nothing where there are none."""
    return "".join(
        f"  {finding.severity}: {finding.path}: {one_line(finding.message(lang))}\n"
        for finding in program.check(against)
    )
