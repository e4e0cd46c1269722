"""``validate``, ``diff`` and ``show --csv`` on stored programs."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from edn360_chatkit import EDN360Input
from edn360_chatkit.cli import main
from edn360_chatkit.program.texts import Language
from edn360_chatkit.testing._workflow import simulated_program

EXAMPLES = Path(__file__).parents[2] / "examples"
ATHLETE: dict[str, Any] = json.loads((EXAMPLES / "athlete_evolution.json").read_text("utf-8"))
OLD: dict[str, Any] = ATHLETE["context"]["previous_training_plan"]["plan_data"]
NEW = simulated_program(EDN360Input.model_validate(ATHLETE), "en")


@pytest.fixture(autouse=True)
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A directory with the athlete and the programs of the example."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("athlete.json", ATHLETE), ("old.json", OLD), ("new.json", NEW)):
        Path(name).write_text(json.dumps(value), "utf-8")


@pytest.fixture
def give_stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8"))

    return give


def write(name: str, value: object) -> str:
    Path(name).write_text(json.dumps(value), "utf-8")
    return name


# --- validate -----------------------------------------------------------------------------------


def test_validate_prints_findings_of_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "old.json", "--lang", "en"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "old.json: training program, 1 session, 2 exercises",
        "  error: days_per_week: It says 2 days a week but has 1 session.",
        "  warning: sessions.0: By its sets, the session takes about 22 minutes; the program says "
        "60 minutes.",
    ]
    assert err == ""


def test_validate_is_in_spanish_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "old.json"]) == 0
    _, error, warning = capsys.readouterr().out.splitlines()
    assert error == "  error: days_per_week: Dice 2 días por semana, pero tiene 1 sesión."
    assert warning.startswith("  aviso: sessions.0: ")
    sessions = [{"blocks": [{"exercises": [{"name": "x", "series": 3, "reps": 8, "rpe": 7}]}]}]
    assert main(["validate", write("short.json", {"title": "t", "sessions": sessions})]) == 0
    assert "  nota: sessions.0: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lang", "line"), [("es", "  nada que señalar\n"), ("en", "  nothing found\n")]
)
def test_validate_reports_no_findings(
    lang: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "new.json", "--against", "athlete.json", "--lang", lang]) == 0
    first = "new.json: training program, 3 sessions, 13 exercises\n"
    assert capsys.readouterr().out == first + line
    assert main(["validate", "athlete.json", "--lang", lang]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("lang", get_args(Language))
def test_validate_has_words_of_each_language(lang: str) -> None:
    for program in ("old.json", "new.json"):
        assert main(["validate", program, "--against", "athlete.json", "--lang", lang]) == 0


def test_validate_compares_a_program_with_the_athlete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "old.json", "--against", "athlete.json", "--lang", "en"]) == 0
    out = capsys.readouterr().out
    assert "days_per_week: The program has 2 days a week; the questionnaire says 3." in out
    assert 'exercises.0.name: "Dumbbell goblet squat" loads the knee' in out


def test_validate_against_needs_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "athlete.json", "--against", "athlete.json"]) == 2
    assert main(["validate", "new.json", "--against", "old.json"]) == 2
    assert capsys.readouterr().out == ""


def test_control_characters_in_findings_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    exercise = {"name": "x", "rpe": "\x1b[31m\u202e\n\rhigh", "video_url": "\x9b2J"}
    hostile = {"title": "t", "sessions": [{"blocks": [{"exercises": [exercise]}]}]}
    assert main(["validate", write("hostile.json", hostile)]) == 0
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\u202e\r\x9b")
    assert all(line.startswith("  ") for line in out.splitlines()[1:])


# --- diff ---------------------------------------------------------------------------------------


def test_diff_prints_changes_of_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "old.json", "new.json", "--lang", "en"]) == 0
    out, err = capsys.readouterr()
    assert "- Days per week: 2 → 3\n" in out
    press = "- Dumbbell floor press: A · 2, sets 3-4 → 4, reps 4-6 → 5-6, RPE 7.5"
    assert press in out
    assert "- Quadriceps: 3 → 0 (-3)\n" in out
    assert err == ""


def test_diff_reads_answers_and_standard_input(
    capsys: pytest.CaptureFixture[str], give_stdin: Callable[[str], None]
) -> None:
    answer = json.dumps({"client_training_program_enriched": OLD})
    Path("answer.txt").write_text(f"Here it is:\n```json\n{answer}\n```\n", "utf-8")
    give_stdin(json.dumps(OLD))
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


# --- show --csv -----------------------------------------------------------------------------------


def test_show_writes_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "new.json", "--csv", "out.csv"]) == 0
    assert capsys.readouterr() == ("", "")
    with open("out.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Path("out.csv").read_bytes().startswith(b"\xef\xbb\xbfsession_number,")
    assert [row["name"] for row in rows][:2] == [
        "Dumbbell Romanian deadlift",
        "Dumbbell floor press",
    ]
    assert (rows[0]["sets"], rows[0]["reps"], rows[0]["rpe_low"]) == ("4.0", "5-6", "7.0")


def test_show_writes_a_table_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "new.json", "--csv", "-"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("session_number,session,")
    assert len(list(csv.reader(io.StringIO(out)))) == 14


def test_table_never_overwrites_its_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "new.json", "--csv", "new.json"]) == 2
    assert json.loads(Path("new.json").read_text("utf-8")) == NEW


def test_failed_table_leaves_the_old_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.csv").write_text("mine", "utf-8")
    before = set(Path().iterdir())
    assert main(["show", write("bad.json", {"title": 1}), "--csv", "out.csv"]) == 2
    assert Path("out.csv").read_text("utf-8") == "mine"
    assert set(Path().iterdir()) - before == {Path("bad.json")}


@pytest.mark.parametrize(
    "names",
    [
        {"--html": "-", "--csv": "-"},
        {"--html": "out", "--csv": "out"},
        {"--markdown": "out", "--csv": "./out"},
        {"--html": "a", "--markdown": "link", "--csv": "out"},
    ],
)
def test_outputs_with_equal_name_are_refused(
    names: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("link").symlink_to("out")
    before = set(Path().iterdir())
    assert main(["show", "new.json", *(word for pair in names.items() for word in pair)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Two of the files have the same name" in err
    assert set(Path().iterdir()) == before


def test_file_and_standard_output_can_be_combined(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "new.json", "--html", "out", "--csv", "-"]) == 0
    assert capsys.readouterr().out.startswith("session_number,")
    assert Path("out").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_help_names_standard_output_for_each_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["show", "--help"]) == 0
    assert " ".join(capsys.readouterr().out.split()).count("- is standard output") == 3
