"""Set-up of all tests: an environment without our settings, and the profiles of hypothesis.

``make test`` and ``make soak`` use a fixed set of examples, and ``make fuzz`` uses new examples.
"""

from __future__ import annotations

import gc
import os
import pkgutil
import signal
from contextlib import suppress
from importlib import import_module

import pytest
from hypothesis import HealthCheck, settings

import edn360_chatkit
from edn360_chatkit.testing import ChatKitSimulator

pytest_plugins = ["edn360_chatkit.testing.fixtures"]

# No deadline, since a busy machine makes examples slow. A single failure is reported, since
# hypothesis needs minutes to shrink several.
PATIENT = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    report_multiple_bugs=False,
)
settings.register_profile("test", PATIENT, max_examples=50, derandomize=True)
settings.register_profile("fuzz", PATIENT, max_examples=1_000, derandomize=False)
settings.register_profile("long", PATIENT, max_examples=10_000, derandomize=False)
settings.load_profile("test")

# A shell that starts the tests in the background ignores SIGINT, also for their subprocesses.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis takes constants from imported modules. If all modules are imported, the examples of a
# test do not depend on the tests before it.
for module in pkgutil.walk_packages(edn360_chatkit.__path__, "edn360_chatkit."):
    if not module.name.endswith(("__main__", ".fixtures")):  # pytest imports the fixtures
        with suppress(ModuleNotFoundError):  # the server, where its extra is not installed
            import_module(module.name)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for the soak: the number of runs, and the seed of the faults."""
    parser.addoption("--soak-runs", type=int, default=2000, dest="soak_runs")
    parser.addoption("--soak-seed", default="2026-11-24", dest="soak_seed")


def pytest_collection_finish() -> None:
    """Keep ``gc.collect()`` cheap: exclude the objects of imported libraries."""
    gc.collect()
    gc.freeze()


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
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the keys, addresses and proxies of the machine that runs the tests."""
    for name in list(os.environ):
        ours = name.startswith("EDN360_") or name == "OPENAI_API_KEY"
        if ours or name.upper() == "NO_PROXY" or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)


@pytest.fixture
def sim(chatkit_simulator: ChatKitSimulator) -> ChatKitSimulator:
    """The simulator, reset."""
    return chatkit_simulator
