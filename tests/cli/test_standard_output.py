"""Standard output that is closed, full, replaced, or a pipe without a reader."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from edn360_chatkit.cli import main
from tests.support.patience import PATIENCE

from .shell import PROGRAM, broken_pipe, command, write


def test_closed_pipe_prints_no_traceback() -> None:
    process = command("show", write("program.json", PROGRAM))
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 1),
        (["validate", "program.json"], 1),
        (["show", "program.json"], 1),
        (["simulate", "--port", "0"], 1),
        (["validate", "no-such-file"], 2),
    ],
)
def test_broken_pipe_ends_silently_with_status_1(
    arguments: list[str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("program.json", PROGRAM)
    with broken_pipe(monkeypatch):
        assert main(arguments) == status
    assert bool(capsys.readouterr().err) == (status == 2)


def test_closed_standard_output_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["validate", "athlete.json"]) == 1
    assert "Standard output can't be written: it is closed" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        process = command("validate", write("program.json", PROGRAM), stdout=full)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert err == "edn360-chatkit: Standard output can't be written: No space left on device.\n"


def test_result_goes_to_a_replaced_stdout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert main(["validate", "athlete.json"]) == 0
    assert out.getvalue() == "athlete.json: EDN360Input, 1 questionnaire\n"
