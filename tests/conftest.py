"""What holds for all tests: an environment without settings of ours, and how hard hypothesis looks.

``pytest --hypothesis-profile=long ...`` looks a hundred times as hard as ``make test`` does.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("long", max_examples=10_000, deadline=None)


@pytest.fixture(autouse=True)
def _environment_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Keys, addresses and proxies of whoever runs the tests must not decide how they end."""
    for name in list(os.environ):
        ours = name.startswith("EDN360_") or name == "OPENAI_API_KEY"
        if ours or name.upper() == "NO_PROXY" or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
