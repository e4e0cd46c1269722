"""``show`` prints a program as text."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from edn360_chatkit import EnrichedTrainingProgram
from edn360_chatkit.cli import main
from edn360_chatkit.testing import AnswerKind, ChatKitSimulator
from edn360_chatkit.testing._workflow import answer_text
from tests.support.patience import PATIENCE
from tests.support.samples import ATHLETE, programs

from .shell import HOSTILE, PROGRAM, ROOT_KEY, command, write

SHOWN = f"""\
Strong in spring
{"=" * 80}

Twelve weeks of work.

- Goal: Strength
- Type: full body
- Weeks: 12
- Days per week: 1
- Minutes per session: 60

General notes
{"-" * 80}

- sleep: 8 hours
- drink:
  - water
    - tea: 2
- none: []

Weekly sets per muscle group:
     3  Pectoralis
   1.5  Triceps
   1.5  Deltoid

D1 · Upper body
{"-" * 80}

≈ 29 min (estimated)

Focus: Chest, Back

A · Pectoralis (also Triceps, Deltoid)

  1. Cable fly
     3 × 8-12 · RPE 7.5
     Slowly.

Block

  Row
     3-4 × -
     - × 9

C

No exercises

Core and mobility

  Plank

- minutes: 5

Session notes

Warm up first.

≈: estimated minutes, with 10 for the warm-up and the rests as written; where
none is written, 90 s between sets and 10 s within a superset.
"""


def shown(capsys: pytest.CaptureFixture[str], value: object) -> str:
    assert main(["show", write("program.json", value), "--lang", "en"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_show_prints_the_whole_program(capsys: pytest.CaptureFixture[str]) -> None:
    exercise = {"order": 1, "name": "Cable fly", "series": 3, "reps": "8-12", "rpe": 7.5}
    out = shown(
        capsys,
        {
            "title": "Strong in spring",
            "summary": "Twelve weeks of work.",
            "goal": "Strength",
            "training_type": "full body",
            "weeks": 12,
            "days_per_week": 1,
            "session_duration_min": 60,
            "sessions": [
                {
                    "id": "D1",
                    "name": "Upper body",
                    "focus": ["Chest", "Back"],
                    "blocks": [
                        {
                            "id": "A",
                            "primary_muscles": ["Pectoralis"],
                            "secondary_muscles": ["Triceps", "Deltoid"],
                            "exercises": [{**exercise, "notes": "Slowly."}],
                        },
                        {"exercises": [{"name": "Row", "series": "3-4"}, {"name": "", "reps": 9}]},
                        {"id": "C", "exercises": []},
                    ],
                    "core_mobility_block": {"minutes": 5, "exercises": [{"name": "Plank"}]},
                    "session_notes": "Warm up first.",
                }
            ],
            "general_notes": {"sleep": "8 hours", "drink": ["water", {"tea": 2}], "none": []},
        },
    )
    assert out == SHOWN


def test_show_omits_missing_fields(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, {"title": "", "sessions": []})
    assert out == f"Training program\n{'=' * 80}\n\nNo sessions\n"
    out = shown(capsys, {"title": "T", "sessions": [{"blocks": []}]})
    assert f"Session 1\n{'-' * 80}\n\nNo blocks\n" in out


@pytest.mark.parametrize(
    ("core", "lines"),
    [
        ("Plank, 3 x 30s", ["Core and mobility", "", "Plank, 3 x 30s"]),
        ("First\r\nSecond", ["Core and mobility", "", "First", "Second"]),
        (["Plank", "Bird dog"], ["Core and mobility", "", "- Plank", "- Bird dog"]),
        ({"exercises": "Plank"}, ["Core and mobility", "", "- exercises: Plank"]),
        ({"exercises": [{"no": "name"}]}, ["     - no: name"]),
        ({"exercises": [{"name": "Plank"}]}, ["Core and mobility", "", "  Plank"]),
        ({"a": [[[[[[["deep"]]]]]]]}, ['            - ["deep"]']),
    ],
)
def test_show_accepts_notes_of_any_shape(
    core: object, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    session = {"blocks": [], "core_mobility_block": core}
    out = shown(capsys, {"title": "T", "sessions": [session]})
    assert "\n".join(["", *lines, ""]) in out


@pytest.mark.parametrize("answer", ["program", "fenced", "prose", "beside"])
def test_show_reads_an_answer(
    answer: AnswerKind, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    text = answer_text(answer, json.dumps(ATHLETE))
    assert "simula" in shown(capsys, text).lower()


def test_show_reads_standard_input(
    give_stdin: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(json.dumps(PROGRAM).encode())
    assert main(["show", "-"]) == 0
    assert "Squat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"title": "t", "sessions": [{"blocks": 7}]},
            "sessions.0.blocks: Input should be a valid list",
        ),
        ({ROOT_KEY: {"title": "t"}}, "  sessions: Field required"),
        ("once upon a time", "This is not JSON"),
        (ATHLETE, "bad.json: This is an EDN360Input, the athlete's data, and not a program."),
    ],
)
def test_show_names_faults_of_program(
    value: object, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", write("bad.json", value)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err


def everywhere(text: str) -> dict[str, Any]:
    """A program with a text in every place that holds one."""
    exercise = {"order": 1, "name": text, "series": text, "reps": text, "rpe": text, "notes": text}
    session = {
        "id": text,
        "name": text,
        "focus": [text],
        "blocks": [
            {
                "id": text,
                "primary_muscles": [text],
                "secondary_muscles": [text],
                "exercises": [exercise],
            }
        ],
        "session_notes": {text: [text]},
        "core_mobility_block": {"exercises": [exercise], text: text},
    }
    names = ("title", "summary", "goal", "training_type", "general_notes")
    return {**dict.fromkeys(names, text), "sessions": [session]}


def test_show_replaces_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    out = "".join(shown(capsys, everywhere(HOSTILE)).split())
    # Each of the 25 places has the replacement characters.
    assert (out.count("[b]"), out.count("\ufffd")) == (25, 25 * 6)
    assert not set(out) & set("\x1b\x07\x9b\u202e\x00")


@settings(max_examples=50, deadline=None)
@given(programs)
def test_show_prints_any_program_without_control_characters(program: dict[str, Any]) -> None:
    text = EnrichedTrainingProgram.model_validate(program).to_text()
    assert not [c for c in text if unicodedata.category(c) == "Cc" and c != "\n"]


def test_show_is_plain_in_a_pipe() -> None:
    write("program.json", everywhere("A rather long text of a dozen words that has to be wrapped "))
    process = command("show", "program.json", stdin=subprocess.DEVNULL)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert 60 < max(map(len, lines)) <= 80
    assert lines == [line.rstrip() for line in lines]


def test_show_folds_long_words(capsys: pytest.CaptureFixture[str]) -> None:
    word = "abcdefghij" * 10
    program = {"title": "T", "sessions": [{"blocks": [{"exercises": [{"name": word}]}]}]}
    out = shown(capsys, program)
    assert word in "".join(out.split()).replace("-", "")


def test_show_supports_an_ascii_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = command("show", write("program.json", PROGRAM))
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert "Fuerza ? ni?o" in out


def test_show_needs_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["show", write("program.json", PROGRAM), "--html", "out.html"]) == 0
    assert main(["show", write("program.json", PROGRAM)]) == 0
