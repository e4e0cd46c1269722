"""A batch of each client."""

from __future__ import annotations

import pytest

from .samples import RunAll, run_in_asyncio, run_in_trio, run_sync


@pytest.fixture(params=[run_sync, run_in_asyncio, run_in_trio])
def run_all(request: pytest.FixtureRequest) -> RunAll:
    run: RunAll = request.param
    return run
