"""``edn360-chatkit batch`` where it is ended, and where a disk or a terminal is in its way."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from edn360_chatkit import ChatKitClient
from edn360_chatkit.cli import main
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import PATIENCE, eventually, finish_runs, wait_for
from tests.support.samples import ANSWER, ATHLETE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and terminals")
BATCH = ["batch", "in.jsonl", "-o", "out.jsonl"]


@pytest.fixture(autouse=True)
def inputs(sim: ChatKitSimulator, environment: None) -> None:
    athletes = [{**ATHLETE, "user_profile": {"user_id": f"athlete-{n}"}} for n in range(4)]
    Path("in.jsonl").write_text("\n".join(map(json.dumps, athletes)), "utf-8")


def results() -> dict[str, list[str]]:
    """The keys of each result."""
    lines = map(json.loads, Path("out.jsonl").read_text("utf-8").splitlines())
    return {line.pop("key"): list(line) for line in lines}


@pytest.mark.parametrize(
    ("number", "text"),
    [(signal.SIGINT, "Interrupted."), (signal.SIGTERM, "SIGTERM."), (signal.SIGHUP, "SIGHUP.")],
)
def test_ended_batch_names_how_to_go_on(
    number: int, text: str, sim: ChatKitSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over streams: closing waits for them, unless there is a second signal."""
    sim.delay, sim.survives_hang_up = 600, True
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(sys, "argv", ["edn360-chatkit", *BATCH])
    moments: list[float] = []

    def shows(part: str) -> bool:
        return sim.runs == 4 and part in shown.getvalue()

    def end() -> None:
        for part in ("", "Continue with the same command:\n  edn360-chatkit batch in.jsonl"):
            if not eventually(partial(shows, part)):
                return
            moments.append(time.monotonic())
            os.kill(os.getpid(), number)

    ending = threading.Thread(target=end)
    ending.start()
    assert main([*BATCH, "--server-url", sim.server_url]) == 128 + number
    ending.join()
    assert len(moments) == 2
    assert time.monotonic() - moments[1] < PATIENCE  # the streams last longer
    assert shown.getvalue().startswith("Ending after the requests in flight. Press Ctrl-C again")
    assert text in shown.getvalue()
    assert "0 of 4 programs, 0 failed, 4 not finished" in shown.getvalue()


def test_only_a_terminal_shows_a_bar(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.delay = 600
    main_end, terminal = os.openpty()
    command = [sys.executable, "-m", "edn360_chatkit", *BATCH]
    options = ["--concurrency", "2", "--poll-interval", "0.1", "--max-attempts", "10000"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    # Before the first result, too. The runs end when their state is shown.
    states = [
        r"0 done, 0 failed, 2 in flight, 0 a minute",
        r"2 done, 0 failed, 2 in flight, \d+ a minute, \d+:\d\d left",
    ]
    shown, text = b"", ""
    while True:
        try:
            shown += os.read(main_end, 4096)
        except OSError:  # the end, on Linux
            break
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))
        if states and re.search(states[0], text):
            del states[0]
            # A run counts as in flight before its message arrives.
            wait_for(lambda: sim.runs == 4 - 2 * len(states))
            finish_runs(sim, ANSWER)
    os.close(main_end)
    out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, states) == (0, b"", [])
    assert "4 of 4 programs" in text.splitlines()[-1]
    assert main(BATCH) == 0
    err = capsys.readouterr().err
    assert re.fullmatch(r"4 of 4 programs, 0 failed, 0 not finished, in \d+ s\.\n", err)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--journal", "no/such.journal"], "The journal no/such.journal can't be used: "),
        (["--journal", "."], "The journal . can't be used: "),
        (["--journal", "in.jsonl"], "The journal in.jsonl can't be used: "),
        (["-o", "no/such.jsonl"], "no/such.jsonl can't be written: there is no directory"),
        (["-o", "missing/"], "missing/ can't be written: there is no such directory"),
        (["-o", "in.jsonl"], "in.jsonl can't be written: it is the input"),
        (["-o", "/dev/null"], "Name a journal with --journal"),
    ],
)
def test_unusable_files_are_refused_before_sending(
    options: list[str], fault: str, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("in.jsonl").read_bytes()
    assert main([*BATCH, *options]) == 2
    assert f"edn360-chatkit: {fault}" in capsys.readouterr().err
    assert sim.requests == []
    assert Path("in.jsonl").read_bytes() == before


def test_full_disk_loses_and_doubles_no_run(sim: ChatKitSimulator) -> None:
    command = [sys.executable, "-m", "edn360_chatkit", *BATCH, "--poll-interval", "0"]
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (60_000, 60_000))
    ended = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "The journal out.jsonl.journal can't be written: " in ended.stderr
    assert "Continue with the same command" in ended.stderr
    assert main([*BATCH, "--poll-interval", "0"]) == 0
    assert results() == {f"athlete-{number}": ["program"] for number in range(4)}
    assert sim.runs == 4


def test_journal_of_full_disk_is_readable(sim: ChatKitSimulator) -> None:
    """SQLite could not copy all of its log into the file: the log has the rest, and is right."""
    with ChatKitClient() as client:
        inputs = map(json.loads, Path("in.jsonl").read_text("utf-8").splitlines())
        with client.run_many(inputs, journal="whole", poll_interval=0) as batch:
            assert [next(batch).error for _ in range(4)] == [None] * 4
            shutil.copy("whole-wal", "half-wal")
    Path("half").write_bytes(Path("whole").read_bytes()[:4096])
    assert main([*BATCH, "--journal", "half"]) == 0
    assert len(results()) == 4
    assert sim.runs == 4


def test_batch_error_names_the_resume_command(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.answer = "nothing"
    assert main([*BATCH, "--protocol", "messages", "--max-attempts", "1"]) == 1
    err = capsys.readouterr().err
    for line in map(json.loads, Path("out.jsonl").read_text("utf-8").splitlines()):
        message = line["error"]["message"]
        assert "Resume it with edn360-chatkit resume '{" in message
        assert "--protocol messages, from any process" in message
        assert f"{line['key']}: {message}\n" in err
    sim.answer = "text"
    assert main([*BATCH, "--journal", "new.journal", "--max-attempts", "1"]) == 1
    lines = map(json.loads, Path("out.jsonl").read_text("utf-8").splitlines())
    assert {line["error"]["text"] for line in lines} == {"I could not make a program from this."}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_unwritten_results_are_in_the_journal(
    sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*BATCH, "--journal", "journal", "--poll-interval", "0"]
    assert main([*command, "-o", "/dev/full"]) == 1
    err = capsys.readouterr().err
    assert "/dev/full can't be written: No space left on device.\n" in err
    assert "Continue with the same command" in err
    assert main(command) == 0
    assert len(results()) == 4
    assert sim.runs == 4
