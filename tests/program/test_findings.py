"""The texts of findings, in each language."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import get_args

import pytest

from edn360_chatkit import EnrichedTrainingProgram, Finding
from edn360_chatkit.program import checks
from edn360_chatkit.program.texts import Language, words

from .good import EXERCISE, GOOD, athlete, program_with


def test_messages_know_singular_and_plural() -> None:
    data = copy.deepcopy(GOOD)
    data["days_per_week"] = 3
    for block in data["sessions"][0]["blocks"]:
        for exercise in block["exercises"]:
            exercise["video_url"] = None
    texts = [f.es for f in EnrichedTrainingProgram.model_validate(data).check()]
    assert texts == [
        "Dice 3 días por semana, pero tiene 1 sesión.",
        "Ningún ejercicio tiene vídeo.",
    ]


def test_message_uses_singular_for_one_day() -> None:
    program = EnrichedTrainingProgram.model_validate(GOOD)
    (finding,) = program.check(athlete({"dias_por_semana": 3}))
    assert finding.es == "El programa es de 1 día por semana; el cuestionario dice 3."
    assert finding.en == "The program has 1 day a week; the questionnaire says 3."


def test_finding_has_text_in_both_languages() -> None:
    (finding,) = program_with(f"{EXERCISE}.rpe", "11\n" + "x" * 100).check()
    assert finding.message() == finding.message("es") == finding.es
    assert "RPE" in finding.es
    assert finding.es != finding.message("en")
    assert "\n" not in finding.es
    assert len(finding.en) < 120
    assert str(finding) == f"error: {EXERCISE}.rpe: {finding.en}"
    with pytest.raises(ValueError, match="lang"):
        finding.message("fr")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        finding.path = "x"  # type: ignore[misc]
    assert isinstance(finding, Finding)


def test_every_finding_has_text_in_each_language() -> None:
    source = Path(checks.__file__).read_text("utf-8")
    codes = {*re.findall(r'[(]\s*"(?:error|warning|info)", "(\w+)"', source), "video_missing_all"}
    assert len(codes) > 25
    english = words("en")
    for lang in get_args(Language):
        texts = words(lang)
        assert texts.findings.keys() == codes
        assert texts.numbers.keys() == english.numbers.keys()
        for code, text in texts.findings.items():
            values = set(re.findall(r"{(\w+)}", english.findings[code]))
            assert set(re.findall(r"{(\w+)}", text)) == values, (lang, code)
