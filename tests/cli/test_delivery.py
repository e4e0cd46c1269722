"""Where ``run`` puts a program or an answer, also if a file or a pipe fails."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.testing import AnswerKind, ChatKitSimulator
from tests.support.patience import PATIENCE

from .shell import PROGRAM, ROOT_KEY, answers, broken_pipe, temporary_files


@pytest.mark.parametrize("kind", ["invalid", "error", "truncated", "step", "text"])
def test_answer_without_program_is_saved_beside_output(
    kind: AnswerKind, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.answer = kind
    for _ in range(2):
        assert main(["run", "athlete.json", "-o", "out.json", "--max-attempts", "1"]) == 1
        may_go_on = Path("out.json.run").exists()
    first, second = Path("out.json.answer.txt"), Path("out.json.2.answer.txt")
    assert first.read_text("utf-8") == second.read_text("utf-8") != ""
    assert not Path("out.json").exists()
    out, err = capsys.readouterr()
    assert out == ""
    assert f"The answer is in {Path.cwd() / first}\n" in err
    # Only the wait has ended after steps and cut answers: the same command does not pay again.
    assert may_go_on == (kind in ("truncated", "step", "text"))
    assert ("edn360-chatkit resume out.json.run" in err) == may_go_on
    assert sim.runs == (1 if may_go_on else 2)


def test_cut_answer_at_end_of_stream_ends_run(sim: ChatKitSimulator) -> None:
    sim.answer = "truncated"
    assert main(["run", "athlete.json", "-o", "out.json", "--server-url", sim.server_url]) == 1
    assert Path("out.json.answer.txt").exists()
    assert not Path("out.json.run").exists()


@pytest.mark.parametrize("output", [[], ["-o", "-"], ["-o", "pipe"]])
def test_answer_is_saved_in_temporary_directory(
    output: list[str], sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    if "pipe" in output:
        os.mkfifo("pipe")
    answer = answers(sim, "Not today: \u00e9 \x1b[31m")
    assert main(["run", "athlete.json", "--answer", "first", *output]) == 1
    (file,) = temporary_files()
    assert file.read_text("utf-8") == answer
    assert str(file.absolute()) in capsys.readouterr().err
    assert os.name != "posix" or file.stat().st_mode & 0o077 == 0


def test_answer_that_cannot_be_saved_is_printed(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, "Not today \x1b[31m")
    monkeypatch.setattr(tempfile, "tempdir", "no/such/directory")
    assert main(["run", "athlete.json", "--answer", "first"]) == 1
    err = capsys.readouterr().err
    assert "Not today" in err
    assert "\x1b" not in err


def test_run_keeps_links_and_permissions(sim: ChatKitSimulator) -> None:
    Path("real.json").write_text("old", "utf-8")
    Path("real.json").chmod(0o640)
    Path("link.json").symlink_to("real.json")
    assert main(["run", "athlete.json", "-o", "link.json"]) == 0
    assert Path("link.json").is_symlink()
    assert "title" in json.loads(Path("real.json").read_text("utf-8"))
    assert Path("real.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_run_writes_into_pipe(sim: ChatKitSimulator) -> None:
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text("utf-8")))
    reader.start()
    assert main(["run", "athlete.json", "-o", "pipe"]) == 0
    reader.join(PATIENCE)
    assert "title" in json.loads(read[0])
    assert Path("pipe").is_fifo()


def _fail_to_replace(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_program_that_cannot_be_written_is_printed(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    Path("out.json").write_text("old", "utf-8")
    monkeypatch.setattr(Path, "replace", _fail_to_replace)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == PROGRAM
    assert "out.json can't be written: No space left on device" in err
    assert Path("out.json").read_text("utf-8") == "old"
    assert not list(Path().glob(".edn360*"))


def test_program_that_cannot_be_printed_is_saved(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    monkeypatch.setattr(Path, "replace", _fail_to_replace)
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 1
    file = Path("out.json.program.json")
    assert json.loads(file.read_text("utf-8")) == PROGRAM
    assert str(file.absolute()) in capsys.readouterr().err


def test_program_is_saved_after_broken_pipe(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(sim, json.dumps({ROOT_KEY: PROGRAM}))
    with broken_pipe(monkeypatch):
        assert main(["run", "athlete.json"]) == 1
    (file,) = temporary_files()
    assert file.suffix == ".json"
    assert json.loads(file.read_text("utf-8")) == PROGRAM
    err = capsys.readouterr().err
    assert err.startswith("edn360-chatkit: Standard output can't be written: Broken pipe.\n")
    assert str(file.absolute()) in err
