"""Fixtures for pytest: ``pytest_plugins = ["edn360_chatkit.testing.fixtures"]`` in ``conftest.py``.

``chatkit_simulator`` starts once per test session, and is reset for each test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .simulator import ChatKitSimulator


@pytest.fixture(scope="session")
def running_chatkit_simulator() -> Iterator[ChatKitSimulator]:
    """The simulator of the test session."""
    with ChatKitSimulator() as simulator:
        yield simulator


@pytest.fixture
def chatkit_simulator(running_chatkit_simulator: ChatKitSimulator) -> ChatKitSimulator:
    """The simulator of the test session, reset for each test."""
    running_chatkit_simulator.reset()
    return running_chatkit_simulator
