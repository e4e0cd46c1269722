"""What holds for all tests: an environment without settings of ours, and how hard hypothesis looks.

``pytest --hypothesis-profile=long ...`` looks a hundred times as hard as ``make test`` does.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("long", max_examples=10_000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long ``tests/faults/test_soak.py`` goes on, and by which seed its faults are drawn."""
    parser.addoption("--soak-runs", type=int, default=2000, dest="soak_runs")
    parser.addoption("--soak-seed", default="2026-11-24", dest="soak_seed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the soak's seeds and figures."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    lines = [
        value for report in reports for name, value in report.user_properties if name == "soak"
    ]
    if lines:
        terminalreporter.section("soak")
    for line in lines:
        terminalreporter.line(str(line))


@pytest.fixture(autouse=True)
def _environment_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Keys, addresses and proxies of whoever runs the tests must not decide how they end."""
    for name in list(os.environ):
        ours = name.startswith("EDN360_") or name == "OPENAI_API_KEY"
        if ours or name.upper() == "NO_PROXY" or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
