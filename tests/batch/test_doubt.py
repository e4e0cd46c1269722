"""A batch that was killed while it sent a message: the next one looks the message up."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import ChatKitClient, RunReference
from edn360_chatkit.batch.journal import Journal
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import on_request
from tests.support.raw_server import Exchange, raw_server, reply
from tests.support.samples import ANSWER

from .samples import athlete, athletes, entries, run_sync, settings, write_durations, write_intent


def test_message_in_doubt_is_recognised(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """The process was killed after the server had stored the message."""
    path = tmp_path / "runs.db"
    with ChatKitClient(**settings(sim)) as client:
        run = client.start_workflow(athlete(0))
    write_intent(path, run)
    (result,) = run_sync(sim, athletes(1), journal=path)
    assert result.response is not None
    assert result.response.session_id == run.session_id
    assert sim.runs == 1


def test_resumed_run_is_polled_by_age(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """Earlier runs took ten minutes, and this run is as old, so its answer is near."""
    path, polls = tmp_path / "runs.db", list[float]()
    sim.empty_polls = 1
    with ChatKitClient(**settings(sim)) as client:
        run = client.start_workflow(athlete(0))
    write_intent(path, run)
    with closing(Journal(path)) as journal:
        journal.started("athlete-0", str(run))
    write_durations(path, 600.0, runs=100)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE runs SET started = started - 600 WHERE state = 'started'")
        connection.commit()
    on_request(sim, lambda request: polls.append(time.monotonic()))
    with ChatKitClient(**settings(sim)) as client:
        (result,) = client.run_many(athletes(1), journal=path)
    assert result.response is not None
    assert polls[1] - polls[0] < 15.0  # the second poll of a new run comes after 20 s


def test_missing_message_is_sent(sim: ChatKitSimulator, tmp_path: Path) -> None:
    """The process was killed before it had sent the message."""
    path = tmp_path / "runs.db"
    with ChatKitClient(**settings(sim)) as client:
        session = client.create_session("athlete-0")
    write_intent(path, RunReference(session_id=session.id, user="athlete-0"))
    (result,) = run_sync(sim, athletes(1), journal=path)
    assert result.response is not None
    assert result.response.session_id == session.id
    assert sim.runs == 1


@pytest.mark.parametrize("world", ["unreadable session", "thread protocol"])
def test_message_still_in_doubt_stays_unsent(
    sim: ChatKitSimulator, tmp_path: Path, world: str
) -> None:
    path = tmp_path / "runs.db"
    where: dict[str, Any] = {**settings(sim), "max_retries": 0}
    if world == "thread protocol":
        where = {"server_url": sim.server_url, "max_retries": 2}
    write_intent(path, RunReference(session_id="cksess_gone", user="athlete-0"))
    with ChatKitClient(**where) as client:
        (result,) = client.run_many(athletes(1), journal=path)
    assert getattr(result.error, "may_have_been_taken", False)
    assert "may have been stored" in str(result.error)
    assert entries(path)["athlete-0"][0] == "sending"
    assert sim.runs == 0


@pytest.mark.parametrize("poll_interval", [0.02, "adaptive"])
def test_list_without_users_allows_no_resend(tmp_path: Path, poll_interval: Any) -> None:
    """A list without the message proves nothing there: another run has shown it."""
    path = tmp_path / "runs.db"
    write_durations(path, 60.0)
    write_intent(path, RunReference(session_id="s1", user="athlete-1"), "athlete-1")
    program = {"role": "assistant", "content": [{"type": "output_text", "text": ANSWER}]}
    lists: list[list[dict[str, Any]]] = [[program]]

    def answer(exchange: Exchange) -> list[bytes]:
        if exchange.line == "POST /v1/chatkit/sessions":
            return [reply({"id": "s0", "client_secret": "ek_1"})]
        if exchange.line.startswith("POST"):
            return [reply({"id": "msg_1", "role": "user"})]
        is_first = exchange.line.split("?")[0].endswith("/s0/messages")
        return [reply({"data": lists.pop(0) if is_first else []})]

    with raw_server(answer) as server:
        where: dict[str, Any] = {"base_url": server.base_url, "api_key": "sk-1"}
        with ChatKitClient(**where, workflow_id="wf_1", max_retries=2) as client:
            batch = client.run_many(
                athletes(2), journal=path, poll_interval=poll_interval, ordered=True
            )
            first, second = batch
    assert first.response is not None
    assert getattr(second.error, "may_have_been_taken", False)
    assert "POST /v1/chatkit/sessions/s1/messages" not in server.requests
