"""``run`` refuses options, inputs and outputs before it sends anything."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE

from .shell import write


@pytest.mark.parametrize(
    ("options", "variables", "expected"),
    [
        ([], {"EDN360_OPENAI_API_KEY": ""}, "No API key. Set the environment variable EDN360"),
        ([], {"EDN360_TRAINING_WORKFLOW_ID": ""}, "No workflow id. Pass --workflow-id, or set"),
        (["--poll-interval", "nan"], {}, "--poll-interval must be from 0 to"),
        (["--poll-interval", "-1"], {}, "--poll-interval must be from 0 to"),
        (["--max-attempts", "0"], {}, "--max-attempts must be a whole number of 1 or more"),
        (["--user", ""], {}, "--user must be a string that is not empty"),
        (["--base-url", "http://example.com"], {}, "--base-url (or $EDN360_CHATKIT_BASE_URL) must"),
        (["--server-url", "http://127.0.0.1", "--protocol", "messages"], {}, "use --protocol auto"),
        (["--server-url", "nonsense"], {}, "--server-url (or $EDN360_CHATKIT_SERVER_URL) "),
        (["--simulate", "--base-url", "b"], {}, "--simulate without --base-url and --server-url"),
        (["--server-url", "s", "--base-url", "b"], {}, "Use --base-url for a ChatKit API"),
    ],
)
def test_run_names_the_option_at_fault(
    options: list[str],
    variables: dict[str, str],
    expected: str,
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "athlete.json", *options]) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert "=..." not in err
    assert sim.requests == []


def _as_a_directory() -> None:
    Path("out.json").mkdir()


def _as_a_link_to_the_input() -> None:
    Path("out.json").symlink_to("athlete.json")


@pytest.mark.parametrize(
    ("output", "prepare", "reason"),
    [
        ("no/such/out.json", None, "there is no directory"),
        ("out.json", _as_a_directory, "it is a directory"),
        ("athlete.json", None, "it is the input"),
        ("out.json", _as_a_link_to_the_input, "it is the input"),
        ("x" * 300, None, "File name too long"),
        ("athlete.json/out.json", None, "there is no directory"),
    ],
)
def test_run_refuses_unwritable_output_before_sending(
    output: str,
    prepare: Callable[[], None] | None,
    reason: str,
    sim: ChatKitSimulator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if prepare is not None:
        prepare()
    assert main(["run", "athlete.json", "-o", output]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"edn360-chatkit: {output} can't be written: {reason}")
    assert sim.requests == []
    assert json.loads(Path("athlete.json").read_text("utf-8")) == ATHLETE


@pytest.mark.parametrize("read_only", ["out.json", "."])
def test_run_refuses_a_read_only_output(
    read_only: str,
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In containers the tests run as root, who may write everywhere.
    def access(path: Path, mode: int) -> bool:
        return path != Path(read_only).resolve()

    Path("out.json").touch()
    monkeypatch.setattr(os, "access", access)
    assert main(["run", "athlete.json", "-o", "out.json"]) == 2
    assert "out.json can't be written: it is read-only" in capsys.readouterr().err
    assert sim.requests == []


def test_run_refuses_closed_standard_output(
    sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["run", "athlete.json"]) == 2
    assert (
        "Standard output can't be written: it is closed. Name another file"
        in capsys.readouterr().err
    )
    assert sim.requests == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "It can't be read: No such file or directory"),
        (b"", "This is not JSON: Expecting value at line 1, column 1"),
        (b'{\n "a" 1}', "This is not JSON: Expecting ':' delimiter at line 2, column 6"),
        (b"[" * 100_000, "JSON beyond the limits of the parser"),
        (b"[]", "must be one JSON object"),
        ("{}".encode("utf-16"), "is not UTF-8 text"),
        (b"{}", "user_profile: Field required"),
        (b'{"user_profile": {"user_id": "SECRET", "x": NaN}, "questionnaires": [{}]}', "profile.x"),
        (b'{"user_profile": {"user_id": "\\ud800"}, "questionnaires": [{}]}', "profile.user_id"),
    ],
)
def test_run_refuses_bad_input_before_sending(
    content: bytes | None, expected: str, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("bad.json").write_bytes(content)
    assert main(["run", "bad.json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("edn360-chatkit: bad.json: ")
    assert expected in err
    assert "SECRET" not in err
    assert sim.requests == []


def test_run_names_each_field_at_fault(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    write("bad.json", {"user_profile": {"name": 7}, "questionnaires": []})
    assert main(["run", "bad.json"]) == 2
    err = capsys.readouterr().err
    assert "user_profile.user_id: Field required" in err
    assert "user_profile.name: Input should be a valid string" in err
    assert "questionnaires: List should have at least 1 item" in err


def test_run_refuses_closed_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["run", "-"]) == 2
    assert "Standard input: It is closed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("EDN360_CHATKIT_BASE_URL", "http://example.com", "must begin with https://"),
        ("HTTPS_PROXY", "gopher://proxy.example.com", "certificates"),
        ("SSL_CERT_FILE", "no/such/file", "certificates"),
    ],
)
def test_run_refuses_a_bad_environment(
    variable: str,
    value: str,
    expected: str,
    sim: ChatKitSimulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if variable in ("HTTPS_PROXY", "SSL_CERT_FILE"):  # loopback needs neither
        monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", "https://chat.example.com")
    monkeypatch.setenv(variable, value)
    assert main(["run", "athlete.json"]) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert sim.requests == []
