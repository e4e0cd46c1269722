"""``diff`` prints the changes between two programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edn360_chatkit.cli import main

from .shell import OLD

pytestmark = pytest.mark.usefixtures("evolution")


def test_diff_prints_changes_of_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "old.json", "new.json", "--lang", "en"]) == 0
    out, err = capsys.readouterr()
    assert "- Days per week: 2 → 3\n" in out
    press = "- Dumbbell floor press: A · 2, sets 3-4 → 4, reps 4-6 → 5-6, RPE 7.5"
    assert press in out
    assert "- Quadriceps: 3 → 0 (-3)\n" in out
    assert err == ""


def test_diff_reads_answers_and_standard_input(
    capsys: pytest.CaptureFixture[str], give_stdin: Callable[[bytes], None]
) -> None:
    answer = json.dumps({"client_training_program_enriched": OLD})
    Path("answer.txt").write_text(f"Here it is:\n```json\n{answer}\n```\n", "utf-8")
    give_stdin(json.dumps(OLD).encode())
    assert main(["diff", "answer.txt", "-"]) == 0
    assert capsys.readouterr().out == "Sin cambios.\n"


@pytest.mark.parametrize(
    "args", [["-", "-"], ["old.json"], ["old.json", "missing.json"], ["athlete.json", "new.json"]]
)
def test_diff_needs_two_programs(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: ")
