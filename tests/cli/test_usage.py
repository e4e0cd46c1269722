"""How the command is called: usage, version, ``python -m``, imports."""

from __future__ import annotations

import runpy
import subprocess
import sys
from importlib.util import find_spec

import pytest

from edn360_chatkit import __version__
from edn360_chatkit.cli import main


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "required: COMMAND"),
        (["walk"], "invalid choice: 'walk'"),
        (["run"], "required: INPUT.json"),
        (["run", "a", "b"], "unrecognized arguments: b"),
        (["run", "a", "--sim"], "unrecognized arguments: --sim"),
        (["run", "a", "--api-key", "k"], "unrecognized arguments: --api-key k"),
        (["run", "a", "--protocol", "http"], "invalid choice: 'http'"),
        (["run", "a", "--max-attempts", "many"], "invalid int value: 'many'"),
        (["run", "a", "--answer", "last"], "invalid choice: 'last'"),
        (["simulate", "--delay", "soon"], "invalid float value: 'soon'"),
        (["simulate", "--port", "http"], "invalid int value: 'http'"),
    ],
)
def test_wrong_usage_prints_line_with_status_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: ")
    assert expected in err
    assert "--help" in err
    assert err.count("\n") == 1


def test_version_and_help_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"edn360-chatkit {__version__}\n", "")
    assert main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    assert "$EDN360_OPENAI_API_KEY" in text
    assert "--api-key" not in text


def test_python_m_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["anything", "validate", "athlete.json"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("edn360_chatkit", run_name="__main__")
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("athlete.json: EDN360Input")
    monkeypatch.setattr(sys, "argv", ["anything", "validate", "no-such-file"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("edn360_chatkit", run_name="__main__")
    assert stop.value.code == 2


def test_command_imports_extras_lazily() -> None:
    ours = ["edn360_chatkit.testing", "starlette", "uvicorn"]
    assert all(map(find_spec, ours))
    program = (
        f"import sys, edn360_chatkit.cli as cli; ours = {ours};"
        "cli.main(['validate', 'athlete.json']);"
        "print(sorted({*ours} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
