"""Batches over a network that breaks, and on a server that ends a run when its client hangs up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from edn360_chatkit import AsyncChatKitClient, BatchResult, ChatKitClient, WorkflowTimeoutError
from edn360_chatkit.batch import AsyncBatchRun
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.patience import finish_runs
from tests.support.proxy import Fault, FaultProxy, Kind
from tests.support.samples import ANSWER

from .samples import athletes, settings

COUNT = 8


@pytest.mark.parametrize(
    "kind",
    [
        "reset",
        pytest.param("truncate", marks=pytest.mark.slow),
        pytest.param("refuse", marks=pytest.mark.slow),
    ],
)
def test_breaking_proxy_loses_and_doubles_no_run(
    sim: ChatKitSimulator, tmp_path: Path, kind: Kind
) -> None:
    journal = tmp_path / "runs.db"
    sim.delay = 0.1
    port = urlsplit(sim.base_url).port
    assert port is not None
    results: dict[str, BatchResult] = {}
    with FaultProxy() as proxy:
        line = proxy.line(port)
        # Requests and answers are cut, each at another byte.
        faults = [
            Fault(kind, "answer" if number % 3 else "request", 300 + 137 * number, seconds=0.05)
            for number in range(6)
        ]
        proxy.begin(line, faults)
        url = sim.base_url.replace(str(port), str(line.port))
        with ChatKitClient(**settings(sim, base_url=url)) as client:
            # The second batch looks for the messages that the first batch leaves in doubt.
            for _ in range(2):
                batch = client.run_many(athletes(COUNT), journal=journal, poll_interval=0.05)
                results.update((result.key, result) for result in batch)
        assert len(line.struck) > 3
    assert [result.error for result in results.values()] == [None] * COUNT
    assert sim.runs == COUNT


@pytest.mark.parametrize("survives", [True, False])
def test_runs_of_left_streams_stay_single(
    sim: ChatKitSimulator, tmp_path: Path, survives: bool
) -> None:
    sim.delay, sim.survives_hang_up = 600, survives
    options: dict[str, Any] = {"journal": tmp_path / "runs.db", "poll_interval": 0.05}

    async def leave_early() -> None:
        where: dict[str, Any] = {"server_url": sim.server_url}
        async with (
            AsyncChatKitClient(**where) as client,
            client.run_many(athletes(3), **options) as batch,
        ):
            while sim.runs < 3:
                await look(batch)
            await look(batch)  # the first events of each stream arrive

    async def look(batch: AsyncBatchRun) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(batch), 0.2)

    asyncio.run(leave_early())
    assert sim.runs == 3
    if survives:
        finish_runs(sim, ANSWER)
    with ChatKitClient(server_url=sim.server_url) as client:
        results = list(client.run_many(athletes(3), **options, max_attempts=30))
    errors = [type(result.error) for result in results if result.error is not None]
    assert errors == ([] if survives else [WorkflowTimeoutError] * 3)
    assert sim.runs == 3
