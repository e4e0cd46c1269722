"""``validate`` names the kind of a file, its faults, and the findings of a program."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.program.texts import Language
from tests.support.samples import ATHLETE

from .shell import PROGRAM, ROOT_KEY, write

pytestmark = pytest.mark.usefixtures("evolution")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ATHLETE, f"EDN360Input, {len(ATHLETE['questionnaires'])} questionnaire"),
        ({"user_profile": {"user_id": "u"}, "questionnaires": [{}, {}], "title": 1}, "put, 2 q"),
        (PROGRAM, "training program, 1 session, 1 exercise"),
        ({ROOT_KEY: PROGRAM}, "training program, 1 session, 1 exercise"),
        ({"title": "t", "sessions": []}, "training program, 0 sessions, 0 exercises"),
    ],
)
def test_validate_names_the_kind_of_file(
    value: object, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", write("some.json", value)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("some.json: ")
    assert expected in out.splitlines()[0]
    assert err == ""


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        (
            {"user_profile": {"name": 123456}, "questionnaires": []},
            ["user_profile.user_id: ", "user_profile.name: ", "questionnaires: "],
        ),
        ({"questionnaires": [{"payload": 123456}]}, ["user_profile: ", "questionnaires.0.payload"]),
        (
            {"title": "t", "sessions": [{"blocks": [{"exercises": [123456]}]}, 123456]},
            ["sessions.0.blocks.0.exercises.0: ", "sessions.1: "],
        ),
        ({ROOT_KEY: {"sessions": 123456}}, ["  sessions: "]),
        ({ROOT_KEY: 123456}, ["EnrichedTrainingProgram or a mapping is needed"]),
        ({"profile": 123456}, ["neither an EDN360Input"]),
    ],
)
def test_validate_names_faults_without_values(
    value: object, faults: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", write("bad.json", value)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: bad.json: ")
    for fault in faults:
        assert fault in err
    assert "123456" not in err


def test_validate_reads_standard_input(
    give_stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(json.dumps(PROGRAM).encode())
    assert main(["validate", "-"]) == 0
    assert capsys.readouterr().out.startswith("standard input: training program")
    give_stdin(b"nothing")
    assert main(["validate", "-"]) == 2
    assert "Standard input: This is not JSON" in capsys.readouterr().err


def test_control_characters_in_names_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {"user_profile": {"user_id": "u"}, "questionnaires": [{"\x1b[31m\r": float("nan")}]}
    name = write("a\x1b[31m.json", json.dumps(hostile))
    assert main(["validate", name]) == 2
    assert main(["validate", write(name, PROGRAM)]) == 0
    out, err = capsys.readouterr()
    assert "\ufffd[31m" in out
    assert "questionnaires.0.\ufffd[31m" in err
    assert not set(out + err) & set("\x1b\r")


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
