"""For all tests of the command: a shell of somebody in an empty directory."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import cli
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE

from .shell import EVOLUTION, NEW, OLD, write


@pytest.fixture(autouse=True)
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """An empty directory, and the simulator's address for the tests that use it."""
    for name in list(os.environ):
        if name.startswith(("EDN360_", "OPENAI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("PYTHONPATH", str(Path(cli.__file__).parents[2]))
    if "sim" in request.fixturenames:
        sim: ChatKitSimulator = request.getfixturevalue("sim")
        monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", sim.base_url)
        monkeypatch.setenv("EDN360_OPENAI_API_KEY", sim.api_key)
        monkeypatch.setenv("EDN360_TRAINING_WORKFLOW_ID", "wf_demo")
    Path("athlete.json").write_text(json.dumps(ATHLETE), "utf-8")


@pytest.fixture
def evolution(environment: None) -> None:
    """The example of an athlete with a previous program: both, and the program after it."""
    for name, value in (("athlete", EVOLUTION), ("old", OLD), ("new", NEW)):
        write(f"{name}.json", value)


@pytest.fixture
def give_stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """A function that makes standard input these bytes."""

    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))

    return give


@pytest.fixture(autouse=True)
def default_signals() -> Iterator[None]:
    """nohup, and shells for processes in the background, hand down that signals are ignored."""
    defaults: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, default) for number, default in defaults.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
