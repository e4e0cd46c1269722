"""The exit status of each subcommand, and errors that speak of options."""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import edn360_chatkit
from edn360_chatkit import ChatKitClient, ChatKitError, ConfigurationError
from edn360_chatkit.cli import _COMMANDS, main
from edn360_chatkit.cli.errors import error_text
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE

from .signals import signal_when

# Each subcommand with its first file; "serve" has no file, and "simulate" neither.
FILES = {
    "run": ["athlete.json", "-o", "out.json", "--poll-interval", "0"],
    "resume": ["a.run", "--poll-interval", "0"],
    "status": ["a.run"],
    "batch": ["athlete.json", "-o", "out.jsonl", "--poll-interval", "0"],
    "show": ["program.json"],
    "validate": ["program.json"],
    "diff": ["program.json", "program.json"],
}


@pytest.fixture(autouse=True)
def files(sim: ChatKitSimulator, environment: None) -> None:
    """A program and a run that is over, beside the athlete."""
    Path("program.json").write_text('{"title": "Base", "sessions": []}', "utf-8")
    with ChatKitClient() as client:
        Path("a.run").write_text(str(client.start_workflow(ATHLETE)), "utf-8")


def test_statuses_cover_every_subcommand() -> None:
    assert {*FILES, "simulate", "serve"} == {*_COMMANDS}


@pytest.mark.parametrize("name", FILES)
def test_success_is_0_and_bad_input_is_2(name: str) -> None:
    file, *options = FILES[name]
    assert main([name, file, *options]) == 0
    assert main([name, "no-such-file", *options]) == 2
    assert main([name, file, *options, "--no-such-option"]) == 2
    assert main([name]) == 2


@pytest.mark.parametrize("name", FILES)
def test_failure_is_1(name: str, sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in ("show", "validate", "diff"):
        monkeypatch.setattr(sys, "stdout", None)
    sim.fail_next("list_messages", status=403)
    assert main([name, *FILES[name]]) == 1


def test_servers_have_statuses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["simulate", "--port", "70000"]) == 2
    assert main(["serve", "no-function"]) == 2
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["simulate", "--port", "0"]) == 1


SIGNALS = {
    signal.SIGINT: "Interrupted.",
    signal.SIGTERM: "Ended by SIGTERM.",
    signal.SIGHUP: "Ended by SIGHUP.",
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the open file
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", FILES)
def test_signal_while_reading_sets_the_status(
    name: str, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")
    writers: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):  # nobody reads yet
            writers.append(os.open("pipe", os.O_WRONLY | os.O_NONBLOCK))
        return bool(writers)

    with signal_when(is_read, number):
        assert main([name, "pipe", *FILES[name][1:]]) == 128 + number
    os.close(writers[0])
    assert capsys.readouterr() == ("", f"edn360-chatkit: {SIGNALS[number]}\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_only_ctrl_c_ends_simulate_with_0(number: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def is_up() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    with signal_when(is_up, number):
        status = main(["simulate", "--port", str(port)])
    assert status == (0 if number == signal.SIGINT else 128 + number)


# --- errors ---------------------------------------------------------------------------------

# Texts that no command can meet: it passes no HTTP client, headers or state variables, does not
# start or leave a run by hand, and does not print notes of exceptions.
NOT_MET = ("http_client", "state_variables", "pickled", "after=", "with block", "same run_many")
PYTHON = re.compile(r"\w=(?!\w*\d)|\w\((?!s\))|\bclient\.|\s\.[a-z]|\b(?!wf_)[a-z]+_[a-z_]+\b")
# Names of fields and of root keys are those of the athlete's own files.
FIELDS = ("user_profile", "thread_id", "client_training_program_enriched", "user_id")


def texts_of_errors() -> Iterator[str]:
    """The texts in the source that people could read, with ``X`` for their values."""
    package = Path(edn360_chatkit.__file__).parent
    rooms = ("cli", "server", "testing", "program", "models")
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] in rooms:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        texts = (n for n in ast.walk(tree) if isinstance(n, (ast.Constant, ast.JoinedStr)))
        skipped = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}  # docstrings
        for node in texts:
            if isinstance(node, ast.JoinedStr):
                skipped |= set(map(id, node.values))
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(str(p.value) if isinstance(p, ast.Constant) else "X" for p in parts)
            # A sentence: no path, no statement of SQL, no markup, no part of another text.
            if id(node) not in skipped and re.search(r"[a-z]{2,} .*[a-z]{2,}.* ", text):
                yield text


def test_no_error_of_a_command_speaks_python() -> None:
    texts = [t for t in texts_of_errors() if not any(word in t for word in NOT_MET)]
    assert len(texts) > 100
    for text in texts:
        shown = error_text(ChatKitError(text))
        for field in FIELDS:
            shown = shown.replace(field, "")
        assert not PYTHON.search(shown), (text, PYTHON.search(shown))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No key. Pass api_key=..., or set $A.", "No key. Set $A."),
        ("Check it: api_key=..., $A or $B.", "Check it: $A or $B."),
        ("Pass them in headers=... or in $A.", "Pass them in $A."),
        ("pass it as api_key=... or headers=...", "pass it in the environment"),
        (
            "use protocol='auto' or leave protocol= out",
            "use --protocol auto or leave --protocol out",
        ),
        ("check base_url (or $A); rate must be 1", "check --base-url (or $A); --rate must be 1"),
        ("max_concurrency must be 1 or more", "--concurrency must be 1 or more"),
        ("No run: send one with send_message(...).", "No run."),
        ("Look at the threads with client.threads.list(user='x').", "Look at the threads."),
        ("It is in .text; wait .retry_after seconds.", "Wait some seconds."),
        ("Not accepted; see .param and .body.", "Not accepted."),
        ('The server said "user=x, must be 1".', 'The server said "user=x, must be 1".'),
    ],
)
def test_error_text_names_options(text: str, expected: str) -> None:
    assert error_text(ConfigurationError(text)) == expected
