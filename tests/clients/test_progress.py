"""A notebook shows the progress of a run. Fakes replace its kernel and ipywidgets.

``tests/contract/test_notebook.py`` runs a real kernel.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
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
    assert lines[-1].rstrip(" ") == "0:00 · program received after 0 s · profile\n"

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
    assert capsys.readouterr().out.endswith(" · profile\n")


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
