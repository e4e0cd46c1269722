"""Hypothesis searches the targets; ``make fuzz`` searches them guided by coverage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import FRAGMENTS, SEEDS, to_bytes
from tests.fuzz.targets import OPTIONS, TARGETS, VARIABLES, configured

pieces = st.sampled_from(FRAGMENTS).map(to_bytes) | st.binary(max_size=8)
rubble = st.lists(pieces, max_size=12).map(b"".join)


@st.composite
def spoiled(draw: st.DrawFn, target: str) -> bytes:
    """A seed of the target with some bytes replaced."""
    data = to_bytes(draw(st.sampled_from(SEEDS[target])))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 30)))
        data = data[:start] + draw(pieces) + data[stop:]
    return data


@pytest.mark.parametrize("target", TARGETS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_are_read_or_refused(target: str, data: st.DataObject) -> None:
    TARGETS[target](data.draw(rubble | spoiled(target)))


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_is_read(target: str) -> None:
    for seed in (*SEEDS[target], *FRAGMENTS, ""):
        TARGETS[target](to_bytes(seed))


anything: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=5),
    st.sampled_from(["https://x.example", "http://localhost:1/a", "auto", "threads", object()]),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    st.lists(st.integers(), max_size=2),
    st.complex_numbers(),
)
texts = st.text(max_size=20) | st.sampled_from(["https://x.example/chatkit", "sk-hidden-key"])


@settings(deadline=None)
@given(
    options=st.dictionaries(st.sampled_from(OPTIONS), anything, max_size=4),
    environ=st.dictionaries(st.sampled_from(VARIABLES), texts),
)
def test_settings_of_any_type_are_usable_or_refused(
    options: dict[str, Any], environ: dict[str, str]
) -> None:
    configured(options, environ)
