"""For tests of the command: a program, files, and the command in another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import EDN360Input
from edn360_chatkit.testing import ChatKitSimulator
from edn360_chatkit.testing._workflow import simulated_program

ROOT_KEY = "client_training_program_enriched"
PROGRAM: dict[str, Any] = {
    "title": "Fuerza — niño",
    "weeks": 4,
    "sessions": [
        {"id": "D1", "blocks": [{"id": "A", "exercises": [{"name": "Squat", "tempo": [3, 0, 1]}]}]}
    ],
    "unknown": {"z": 1, "a": None},
}
EVOLUTION: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "examples/athlete_evolution.json").read_text("utf-8")
)
OLD: dict[str, Any] = EVOLUTION["context"]["previous_training_plan"]["plan_data"]
NEW = simulated_program(EDN360Input.model_validate(EVOLUTION), "en")
HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202e [b] \x9b2J\x00"


def watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make standard error a terminal."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")


def write(name: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    Path(name).write_text(text, "utf-8")
    return name


# A shell that runs the tests in the background makes processes ignore Ctrl-C.
START = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("edn360_chatkit", run_name="__main__", alter_sys=True)
"""


def command(*args: str, **options: Any) -> subprocess.Popen[str]:
    """The command, in another process."""
    return subprocess.Popen(
        [sys.executable, "-c", START, *args],
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
    )


def answers(sim: ChatKitSimulator, text: str) -> str:
    """Set the answer of the simulated workflow, and return it."""
    sim.answer = lambda message: text
    return text


@contextmanager
def broken_pipe(monkeypatch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Make standard output a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        yield


def temporary_files() -> list[Path]:
    return list(Path("tmp").iterdir())
