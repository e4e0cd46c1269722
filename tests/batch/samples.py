"""Inputs of invented athletes, and the settings of a client."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import trio

from edn360_chatkit import AsyncChatKitClient, BatchResult, ChatKitClient, RunReference
from edn360_chatkit.batch.journal import Journal
from edn360_chatkit.inputs import EDN360Input
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE


def athlete(number: int) -> dict[str, Any]:
    profile = {**ATHLETE["user_profile"], "user_id": f"athlete-{number}"}
    return {**ATHLETE, "user_profile": profile}


def athletes(count: int) -> Iterator[dict[str, Any]]:
    return (athlete(number) for number in range(count))


def settings(sim: ChatKitSimulator, **more: Any) -> dict[str, Any]:
    return {"api_key": sim.api_key, "workflow_id": "wf_1", "base_url": sim.base_url, **more}


RunAll: TypeAlias = Callable[..., list[BatchResult]]


def run_sync(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    with ChatKitClient(**settings(sim)) as client:
        return list(client.run_many(inputs, **{"poll_interval": 0.02, **options}))


async def _run_async(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    async with AsyncChatKitClient(**settings(sim)) as client:
        results = client.run_many(inputs, **{"poll_interval": 0.02, **options})
        return [result async for result in results]


def run_in_asyncio(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    return asyncio.run(_run_async(sim, inputs, **options))


def run_in_trio(sim: ChatKitSimulator, inputs: Any, **options: Any) -> list[BatchResult]:
    return trio.run(partial(_run_async, sim, inputs, **options))


def keys(results: list[BatchResult]) -> list[str]:
    return [result.key for result in results]


def entries(path: Path) -> dict[str, tuple[str, str]]:
    """The state and the reference of each run of a journal."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT key, state, run FROM runs")
        return {key: (state, run) for key, state, run in rows}


def write_durations(path: Path, seconds: float, *, runs: int = 30) -> None:
    """The journal of a batch whose runs took so long."""
    with closing(Journal(path)) as journal:
        for number in range(runs):
            journal.sending(f"other-{number}", "{}", "{}")
            journal.ended(f"other-{number}", "done", "{}", seconds=seconds)


def write_intent(path: Path, run: RunReference, key: str = "athlete-0") -> None:
    """The journal of a batch that was killed while it sent a message."""
    number = int(key.partition("-")[2])
    text = EDN360Input.model_validate(athlete(number)).to_json_text()
    with closing(Journal(path)) as journal:
        bare = RunReference(session_id=run.session_id, user=run.user, previous_id="")
        journal.sending(key, text, str(bare))
