"""Batches on engines that kill and restart tasks: Dask, and Celery with Redis.

They need ``pip install distributed "celery[redis]"`` and Debian's ``redis-server``.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit.testing import ChatKitSimulator

from .samples import athlete

EXAMPLES = Path(__file__).parents[2] / "examples"
COUNT = 24


def need(*modules: str, program: str | None = None) -> pytest.MarkDecorator:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if program is not None and shutil.which(program) is None:
        missing.append(program)
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def environment(
    sim: ChatKitSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ChatKitSimulator:
    """Variables that name the simulator; workers inherit them."""
    package = Path(sys.modules["edn360_chatkit"].__file__ or "").parents[1]
    monkeypatch.setenv("EDN360_CHATKIT_BASE_URL", sim.base_url)
    monkeypatch.setenv("EDN360_OPENAI_API_KEY", sim.api_key)
    monkeypatch.setenv("EDN360_TRAINING_WORKFLOW_ID", "wf_1")
    monkeypatch.setenv("JOURNALS", str(tmp_path))
    path = os.pathsep.join([str(EXAMPLES), str(package), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sim.delay = 1.0
    return sim


def wait_until(is_done: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.02)


@pytest.mark.slow
@need("distributed")
@pytest.mark.filterwarnings("ignore")
def test_killed_dask_workers_keep_single_runs(
    environment: ChatKitSimulator, tmp_path: Path
) -> None:
    from distributed import Client
    from one_athlete import run_athlete

    sim = environment
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 6, "dashboard_address": None}
    with Client(**options) as dask:
        keys = [f"athlete-{number}" for number in range(COUNT)]
        inputs = [athlete(number) for number in range(COUNT)]
        common: dict[str, Any] = {"journals": str(tmp_path), "settings": {}}
        futures = dask.map(run_athlete, keys, inputs, **common, pure=False, retries=10)
        for runs in (4, 14):
            wait_until(lambda runs=runs: sim.runs >= runs)  # type: ignore[misc]
            workers = dask.run(os.getpid)
            with suppress(ProcessLookupError):
                os.kill(next(iter(workers.values())), signal.SIGKILL)
            time.sleep(1.0)
        programs = dask.gather(futures)
    assert len(programs) == COUNT
    assert all(program["sessions"] for program in programs)
    assert sim.runs == COUNT


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:

        def is_open() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        wait_until(is_open)
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()


@pytest.mark.slow
@need("celery", "redis", program="redis-server")
@pytest.mark.filterwarnings("ignore")
def test_killed_celery_workers_keep_single_runs(
    environment: ChatKitSimulator, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = environment
    monkeypatch.setenv("CELERY_BROKER_URL", redis_url)
    monkeypatch.setenv("CELERY_RESULT_BACKEND", redis_url)
    # The limit is shorter than a run. It ends the task, but not the run.
    monkeypatch.setenv("SOFT_TIME_LIMIT", "2")
    sim.delay = 3.0
    command = [sys.executable, "-m", "celery", "--app", "batch_celery", "worker"]
    with ExitStack() as stack:
        worker = stack.enter_context(subprocess.Popen([*command, "--concurrency", "8"]))
        stack.callback(worker.terminate)
        from batch_celery import run

        results = [run.delay(f"athlete-{number}", athlete(number)) for number in range(COUNT)]
        for runs in (4, 14):
            wait_until(lambda runs=runs: sim.runs >= runs)  # type: ignore[misc]
            os.kill(random.Random(runs).choice(children(worker.pid)), signal.SIGKILL)
        # Celery reports a killed task as failed before it starts it again.
        wait_until(lambda: all(result.state == "SUCCESS" for result in results), 120.0)
        assert all(result.get()["sessions"] for result in results)
    assert sim.runs == COUNT


def children(process: int) -> list[int]:
    return [
        int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]
