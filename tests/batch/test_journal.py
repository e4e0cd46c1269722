"""The journal of a batch: a run that it has is not sent again, and only one batch uses it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import (
    ChatKitClient,
    ConfigurationError,
    InvalidInputError,
    MissingProgramError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.batch.journal import Journal
from edn360_chatkit.testing import ChatKitSimulator

from .samples import RunAll, athlete, athletes, entries, keys, run_sync, settings


def test_finished_runs_are_not_repeated(
    sim: ChatKitSimulator, run_all: RunAll, tmp_path: Path
) -> None:
    journal = tmp_path / "runs.db"
    first = run_all(sim, athletes(3), journal=journal)
    again = run_all(sim, athletes(4), journal=str(journal), ordered=True)
    assert sim.runs == 4
    assert keys(again) == [f"athlete-{number}" for number in range(4)]
    responses = {result.key: result.response for result in first}
    for result in again[:3]:
        assert result.response == responses[result.key]
        assert result.run is not None


def test_retry_failed_repeats_failed_runs(sim: ChatKitSimulator, tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    sim.answer = "error"
    (first,) = run_sync(sim, athletes(1), journal=journal)
    sim.answer = "program"
    (again,) = run_sync(sim, athletes(1), journal=journal)
    assert sim.runs == 1
    assert isinstance(first.error, WorkflowFailedError)
    assert isinstance(again.error, WorkflowFailedError)
    assert str(again.error) == str(first.error)
    assert again.error.session.id == first.error.session.id
    assert again.error.text == first.error.text
    assert again.run == again.error.run == first.run
    (last,) = run_sync(sim, athletes(1), journal=journal, retry_failed=True)
    assert last.response is not None
    assert sim.runs == 2


def test_timed_out_run_is_resumed(sim: ChatKitSimulator, tmp_path: Path) -> None:
    sim.empty_polls = 1
    options = {"journal": tmp_path / "runs.db"}
    (first,) = run_sync(sim, athletes(1), **options, max_attempts=1)
    assert isinstance(first.error, WorkflowTimeoutError)
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_unsent_run_is_sent_next_time(sim: ChatKitSimulator, tmp_path: Path) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "runs.db"}
    sim.fail_next("send_message", status=400)
    (first,) = run_sync(sim, athletes(1), **options)
    assert first.error is not None
    assert entries(tmp_path / "runs.db") == {}
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_run_with_lost_response_is_not_resent(sim: ChatKitSimulator, tmp_path: Path) -> None:
    options: dict[str, Any] = {"journal": tmp_path / "runs.db"}
    sim.fail_next("send_message", status=None, taken=True)
    with ChatKitClient(**settings(sim), max_retries=0) as client:
        (first,) = client.run_many(athletes(1), **options)
    assert getattr(first.error, "may_have_been_taken", False)
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_run_with_answer_first_is_resumed(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """The program follows the first message."""
    options: dict[str, Any] = {"journal": tmp_path / "runs.db"}
    sim.steps, sim.delay = ('{"profile": {}}',), 0.1
    (first,) = run_sync(sim, athletes(1), **options, answer="first")
    assert isinstance(first.error, MissingProgramError)
    (again,) = run_sync(sim, athletes(1), **options)
    assert again.response is not None
    assert sim.runs == 1


def test_note_of_message_survives_power_failure(tmp_path: Path) -> None:
    """SQLite waits for the disk (2 is FULL) only for the note before the message."""
    with closing(Journal(tmp_path / "runs.db")) as journal:
        journal.sending("a", "{}", "run-a")
        levels = [*journal._connection.execute("PRAGMA synchronous").fetchone()]
        journal.started("a", "run-a")
        levels += journal._connection.execute("PRAGMA synchronous").fetchone()
    assert levels == [2, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_forked_child_leaves_the_journal_alone(tmp_path: Path) -> None:
    code = """
import os, sys
from edn360_chatkit.batch import AsyncBatchRun
from edn360_chatkit.batch.journal import Journal
journal = Journal("runs.db")
journal.sending("a", "{}", "run-a")
for use in (journal.close, lambda: journal.sending("c", "{}", "run-c")):
    if os.fork() == 0:
        use()
        sys.exit()
    os.wait()
journal.sending("b", "{}", "run-b")
os.kill(os.getpid(), 9)
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE)
    assert entries(tmp_path / "runs.db").keys() == {"a", "b"}
    assert process.stderr.count(b"OSError: The journal") == 1


def test_full_disk_ends_the_batch(sim: ChatKitSimulator, tmp_path: Path) -> None:
    journal = tmp_path / "runs.db"
    run_sync(sim, athletes(1), journal=journal)
    with ChatKitClient(**settings(sim)) as client:
        batch = client.run_many(athletes(100), journal=journal, max_concurrency=1)
        connection = batch._batch._journal._connection  # type: ignore[union-attr]
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(OSError, match="can't be written: database or disk is full"):
            list(batch)
    # Each message has a note in the journal.
    assert sim.runs <= len(entries(journal))
    assert len(run_sync(sim, athletes(3), journal=journal)) == 3


def test_journal_in_use_is_refused(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """In another process as well, after this one has tried."""
    path = tmp_path / "runs.db"
    code = f"from edn360_chatkit.batch.journal import Journal; Journal({os.fspath(path)!r})"
    with closing(Journal(path)):
        with pytest.raises(ConfigurationError, match="is in use"):
            run_sync(sim, athletes(1), journal=path)
        process = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE)
    assert b"is in use" in process.stderr
    assert sim.requests == []


def test_other_file_is_refused_as_journal(sim: ChatKitSimulator, tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "other.db"
    text.write_text("not a journal, but a text of some length" * 50)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
    for path in (text, database):
        path.chmod(0o644)
        content = path.read_bytes()
        with pytest.raises(ConfigurationError, match="can't be used"):
            run_sync(sim, athletes(1), journal=path)
        assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (content, 0o644)
    for path in (tmp_path, tmp_path / "missing" / "runs.db"):
        with pytest.raises(ConfigurationError, match="can't be used"):
            run_sync(sim, athletes(1), journal=path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_read_only_journal_is_refused(sim: ChatKitSimulator, tmp_path: Path) -> None:
    path, folder = tmp_path / "runs.db", tmp_path / "folder"
    folder.mkdir()
    for journal in (path, folder / "runs.db"):
        Journal(journal).close()
    path.chmod(0o400)
    folder.chmod(0o500)
    for journal in (path, folder / "runs.db", folder / "new.db"):
        with pytest.raises(ConfigurationError, match=r"can't be used.*Nothing was sent"):
            run_sync(sim, athletes(1), journal=journal)
    folder.chmod(0o700)
    assert sim.requests == []


def test_journal_is_private_and_has_no_key(sim: ChatKitSimulator, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run_sync(sim, athletes(2), journal=path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert sim.api_key.encode() not in content
    for session in sim.sessions.values():
        assert session.data["client_secret"].encode() not in content
    # The journal does not hold the athlete's data either.
    assert b"Ana Ejemplo" not in content


def test_changed_input_raises_error(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """New data need a new journal, so that no old program is delivered for them."""
    path = tmp_path / "runs.db"
    run_sync(sim, athletes(1), journal=path)
    changed = {**athlete(0), "context": {"request_type": "evolution"}}
    (result,) = run_sync(sim, [changed], journal=path)
    assert isinstance(result.error, InvalidInputError)
    assert result.run is not None
    # Only the timestamp of the input may differ.
    later = {
        **athlete(0),
        "context": {**athlete(0)["context"], "timestamp": "2026-02-01T10:00:00Z"},
    }
    (result,) = run_sync(sim, [later], journal=path)
    assert result.response is not None
    assert sim.runs == 1
