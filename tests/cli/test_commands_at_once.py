"""Several commands at once, with one output."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edn360_chatkit.cli import main
from edn360_chatkit.cli.files import Destination
from edn360_chatkit.testing import ChatKitSimulator, RecordedRequest
from tests.support.patience import on_request

from .references import RUN

OTHER_RUN = '{"session_id": "of_another_command"}'
pytestmark = pytest.mark.usefixtures("sim")


@pytest.mark.parametrize("file", ["out.json", "out.json.run"])
def test_other_commands_file_prevents_sending(
    file: str, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another command delivers, or starts its run, while this one makes its session."""
    sim.fail_next("create_session", status=503)
    on_request(sim, lambda request: Path(file).write_text("{}", "utf-8"))
    assert main([*RUN, "--skip-existing"]) == 2
    assert f"Another command has written {file}; nothing was sent." in capsys.readouterr().err
    assert Path(file).read_text("utf-8") == "{}"
    assert (sim.runs, len(list(Path().glob("out.json*")))) == (0, 1)


@pytest.mark.parametrize("has_started", [False, True])
def test_command_keeps_file_of_another_run(has_started: bool, sim: ChatKitSimulator) -> None:
    """Another command writes the file, before this one has a run and while it waits for it."""
    if not has_started:
        sim.fail_next("create_session", status=503)
        sim.fail_next("create_session", status=403)

    def write(request: RecordedRequest) -> None:
        if request.method == "GET" or not has_started:
            Path("out.json.run").write_text(OTHER_RUN, "utf-8")

    on_request(sim, write)
    assert main(RUN) == (0 if has_started else 1)
    assert Path("out.json.run").read_text("utf-8") == OTHER_RUN


@pytest.mark.parametrize("has_links", [True, False])
def test_one_of_many_commands_writes_file(has_links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*names: object) -> None:
        raise PermissionError

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    commands = 8
    start = threading.Barrier(commands)

    def write(name: str, number: int) -> bool:
        start.wait()
        try:
            Destination(name).write(str(number), is_new=True)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(commands) as pool:
        for name in map(str, range(20)):
            winners = list(pool.map(write, [name] * commands, range(commands)))
            assert sum(winners) == 1
            with pytest.raises(FileExistsError):
                Destination(name).write("late", is_new=True)
            assert Path(name).read_text("utf-8") == str(winners.index(True))
