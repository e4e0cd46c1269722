"""``edn360-chatkit serve`` behind a real nginx: a run, a restart during a run, a silent run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edn360_chatkit import ChatKitClient, WorkflowEvent, WorkflowFailedError, WorkflowTimeoutError
from tests.contract.foreign import nginx
from tests.contract.foreign.processes import ROOT
from tests.support.samples import ATHLETE

# Each start of the server takes seconds for its imports.
pytestmark = pytest.mark.slow


class Example:
    """The server, on the same port after each restart."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = nginx.free_port()
        self._lock = threading.Lock()  # a failed test must not leave a restart behind
        self._closed = False
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        workflow = "tests.contract.foreign.slow_example:run"
        command = [sys.executable, "-m", "edn360_chatkit", "serve", workflow]
        process = subprocess.Popen(
            [*command, "--port", str(self.port), "--database", "threads.db"],
            cwd=self.directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            stderr=subprocess.DEVNULL,
            text=True,
        )
        nginx.wait_until_open(self.port, process)
        return process

    def restart(self, signal_number: int) -> None:
        with self._lock:
            self.process.send_signal(signal_number)
            self.process.wait(60)
            if not self._closed:
                self.process = self._start()

    @property
    def starts(self) -> list[str]:
        """The user of each run that has begun."""
        file = self.directory / "starts.txt"
        return file.read_text("utf-8").split() if file.exists() else []

    def close(self) -> None:
        self._closed = True
        with self._lock:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """A server for all tests, since its imports take seconds. It runs after a restart, too."""
    example = Example(tmp_path_factory.mktemp("example"))
    yield example
    example.close()


LOCATIONS = {"default": nginx.DEFAULT, "documented": nginx.documented_location()}


@contextmanager
def behind_nginx(directory: Path, example: Example, name: str) -> Iterator[ChatKitClient]:
    """A client of the example behind nginx, with Debian's settings or with those of our docs."""
    directory.mkdir(exist_ok=True)
    with (
        nginx.serve(directory, example.port, LOCATIONS[name]) as port,
        ChatKitClient(
            server_url=f"http://127.0.0.1:{port}/chatkit", poll_interval=0.2, max_attempts=600
        ) as client,
    ):
        yield client


@pytest.fixture(params=list(LOCATIONS))
def client(
    request: pytest.FixtureRequest, tmp_path: Path, example: Example
) -> Iterator[ChatKitClient]:
    with behind_nginx(tmp_path, example, request.param) as client:
        yield client


@pytest.fixture
def user() -> str:
    """A new user, who has no threads."""
    return f"athlete-{uuid.uuid4().hex}"


def athlete(user: str, seconds: float) -> dict[str, Any]:
    return {**ATHLETE, "user_profile": {"user_id": user}, "context": {"seconds": seconds}}


def at_progress(action: Callable[[], object]) -> Callable[[WorkflowEvent], None]:
    """An ``on_event`` that calls the function once, when the run reports progress."""
    actions = [action]

    def on_event(event: WorkflowEvent) -> None:
        if actions and event.type == "progress":
            actions.pop()()

    return on_event


def test_run_behind_nginx_returns_program(
    client: ChatKitClient, example: Example, user: str
) -> None:
    started = time.monotonic()
    with client.stream_workflow(athlete(user, 3.0)) as run:
        next(event for event in run if event.type == "progress")
        assert time.monotonic() - started < 3.0, "nginx held the event back"
        assert run.get_response().program.title == "From the example"
    assert example.starts.count(user) == 1


def test_sigterm_in_a_run_keeps_its_program(
    client: ChatKitClient, example: Example, user: str
) -> None:
    """The server finishes the run within its grace period, and starts again."""
    restart = threading.Thread(target=example.restart, args=(signal.SIGTERM,))
    response = client.run_workflow(athlete(user, 2.0), on_event=at_progress(restart.start))
    assert response.program.title == "From the example"
    restart.join()
    assert example.starts.count(user) == 1


def test_sigkill_in_a_run_is_reported(client: ChatKitClient, example: Example, user: str) -> None:
    """The run dies with its server, and the next start stores an error in the thread."""
    restart = threading.Thread(target=example.restart, args=(signal.SIGKILL,))
    with pytest.raises(WorkflowFailedError, match="server stopped") as caught:
        client.run_workflow(athlete(user, 60.0), on_event=at_progress(restart.start))
    restart.join()
    assert caught.value.message is not None
    assert example.starts.count(user) == 1


def test_stopped_server_does_not_end_run(
    client: ChatKitClient, example: Example, user: str
) -> None:
    """Behind nginx the cut stream can end without an error, and the list returns 502."""
    with pytest.raises(WorkflowTimeoutError) as caught:
        client.run_workflow(
            athlete(user, 60.0), on_event=at_progress(example.process.kill), max_attempts=5
        )
    example.restart(signal.SIGKILL)
    assert caught.value.message is not None
    with pytest.raises(WorkflowFailedError, match="server stopped"):
        client.poll_response(caught.value.session, after=caught.value.message)
    assert example.starts.count(user) == 1


def test_long_silence_is_survived(tmp_path: Path, example: Example, user: str) -> None:
    """Keep-alives hold the stream longer than nginx's default ``proxy_read_timeout`` of 60 s."""

    def run(name: str) -> list[str]:
        with (
            behind_nginx(tmp_path / name, example, name) as client,
            client.stream_workflow(athlete(f"{user}-{name}", 75.0), deadline=150) as run,
        ):
            events: list[str] = [event.type for event in run]
            assert run.get_response().program.title == "From the example"
        return events

    with ThreadPoolExecutor(2) as pool:
        for name, events in zip(LOCATIONS, pool.map(run, LOCATIONS), strict=True):
            assert "waiting" not in events  # no poll: the stream never broke
            assert example.starts.count(f"{user}-{name}") == 1
