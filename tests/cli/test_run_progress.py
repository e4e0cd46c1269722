"""The steps and the log of ``run`` on standard error."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator

from .shell import HOSTILE, watch


@pytest.mark.parametrize("arguments", [["-v", "run"], ["run", "-v"], ["run", "--verbose"]])
def test_verbose_logs_on_standard_error(
    arguments: list[str], sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger("edn360_chatkit").handlers[:]
    assert main([*arguments, "athlete.json"]) == 0
    out, err = capsys.readouterr()
    json.loads(out)
    assert "workflow wf_demo" in err
    assert "training sessions: " in err
    assert logging.getLogger("edn360_chatkit").handlers == before
    assert logging.getLogger("edn360_chatkit").level == logging.NOTSET


def test_terminal_shows_steps_of_run(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch)
    sim.steps = ['{"profile": {}}', json.dumps({HOSTILE: 1}), "Just a moment"]
    sim.empty_polls = 1
    sim.fail_next("list_messages", status=429, headers={"retry-after": "0"}, times=6)
    assert main(["run", "athlete.json", "-o", "out.json", "--poll-interval", "0"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "  step: profile\n" in err
    assert "\x1b]0;" not in err
    assert "\x1b[31m" not in err
    assert "[b]" in err
    assert "  step: text\n" in err
    assert re.search(r"program received after \d+ s", err)
    assert "Written to out.json" in err
    # The spinner erases its line.
    assert "Waiting" not in err.rpartition("\x1b[2K")[2]


def test_terminal_keeps_log_and_program_readable(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch)
    assert main(["run", "athlete.json", "-v"]) == 0
    out, err = capsys.readouterr()
    assert "title" in json.loads(out)
    assert "session created" in err
    assert "(session cksess_" in err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the spinner
def test_run_survives_a_terminal_that_closes(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(monkeypatch)

    def gone(*_: object) -> int:
        raise OSError(5, "Input/output error")

    sim.steps = ['{"profile": {}}']
    monkeypatch.setattr(sys.stderr, "write", gone)
    assert main(["run", "athlete.json", "-o", "out.json", "--poll-interval", "0"]) == 0
    assert Path("out.json").exists()


def test_run_without_rich_has_no_spinner(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 0
    assert capsys.readouterr().err.endswith("delivered.\nWritten to out.json.\n")


def test_run_survives_closed_standard_error(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["-v", "run", "athlete.json", "-o", "out.json"]) == 0
    assert main(["run", "no-such-file.json"]) == 2
    assert capsys.readouterr().out == ""
