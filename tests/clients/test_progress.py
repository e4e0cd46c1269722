"""A notebook shows the progress of a run. But for the last test, fakes replace its kernel."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edn360_chatkit import AsyncChatKitClient, ChatKitClient, WorkflowFailedError
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE


class Label:
    """The attributes of ``ipywidgets.Label`` that the package uses."""

    value = ""


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    app = SimpleNamespace(initialized=lambda: True)
    module = SimpleNamespace(IPKernelApp=app)
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", module)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # also where it is installed


@pytest.fixture
def client(sim: ChatKitSimulator) -> Iterator[ChatKitClient]:
    sim.steps = ['{"profile": 1}']
    with ChatKitClient(server_url=sim.server_url) as client:
        yield client


@pytest.mark.usefixtures("kernel")
def test_notebook_shows_time_and_steps(
    client: ChatKitClient, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    client.run_workflow(ATHLETE)
    lines = capsys.readouterr().out.split("\r")
    assert re.fullmatch(r"0:0\d · program received after \d s · profile *\n", lines[-1])

    async def run() -> None:
        async with AsyncChatKitClient(server_url=sim.server_url) as asynchronous:
            await asyncio.gather(*(asynchronous.run_workflow(ATHLETE) for _ in range(2)))

    asyncio.run(run())
    assert capsys.readouterr().out.count("program received") == 1


@pytest.mark.usefixtures("kernel")
def test_failed_run_keeps_last_progress(
    client: ChatKitClient, sim: ChatKitSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    sim.answer = "error"
    with pytest.raises(WorkflowFailedError):
        client.run_workflow(ATHLETE)
    assert capsys.readouterr().out.rstrip(" \n").endswith(" · profile")


@pytest.mark.usefixtures("kernel")
def test_progress_can_be_switched_off(
    client: ChatKitClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.run_workflow(ATHLETE, progress=False)
    client.run_workflow(ATHLETE, on_event=lambda event: None)
    assert capsys.readouterr().out == ""


def test_progress_is_hidden_outside_notebook(
    client: ChatKitClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.run_workflow(ATHLETE)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("kernel")
def test_widget_shows_the_progress(
    client: ChatKitClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels: list[Label] = []
    widgets: Any = SimpleNamespace(Label=Label, __spec__=True)
    display = SimpleNamespace(display=SimpleNamespace(display=labels.append))
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setitem(sys.modules, "IPython", display)
    client.run_workflow(ATHLETE)
    (label,) = labels
    assert label.value.endswith("profile")
    assert capsys.readouterr().out == ""


# The first cell makes the clients, the second awaits a run, the third one is interrupted.
CELLS = """
from edn360_chatkit import AsyncChatKitClient, ChatKitClient
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE
simulator = ChatKitSimulator(steps=['{"profile": 1}']).start()
client = AsyncChatKitClient(server_url=simulator.server_url)
# ---
await client.run_workflow(ATHLETE)
# ---
simulator.delay = 40
await client.run_workflow(ATHLETE)
# ---
simulator.runs
"""


def test_real_notebook_shows_the_progress_and_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ipywidgets", reason="the widget needs ipywidgets")
    nbformat, client = (pytest.importorskip(name) for name in ("nbformat", "nbclient.client"))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS.split("# ---\n")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    shown: list[str] = []
    interrupts: list[Any] = []  # an event loop holds only weak references

    def process_message(self: Any, message: Any, cell: Any, index: int) -> Any:
        state = message["content"].get("data", {}).get("state", {})
        if message["msg_type"] == "comm_msg" and "value" in state:
            shown.append(state["value"])
            if index == 2 and state["value"].startswith("0:01"):
                interrupts.append(asyncio.ensure_future(self.km.interrupt_kernel()))
        return process(self, message, cell, index)

    process = client.NotebookClient.process_message
    monkeypatch.setattr(client.NotebookClient, "process_message", process_message)
    client.NotebookClient(notebook, timeout=300, allow_errors=True).execute()
    assert shown[0] == "0:00 · Connecting to the server"
    assert any(re.fullmatch(r"0:0\d · program received after \d s · profile", t) for t in shown)
    assert shown[-1].startswith("0:0")
    (error,) = (output for output in cells[2].outputs if output.output_type == "error")
    lines = "\n".join(error.traceback).splitlines()
    assert "take it up with await client.poll_response('{" in lines[-1]
    assert cells[3].outputs[0].data["text/plain"] == "2"
