"""Inputs of invented athletes, and the settings of a client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edn360_chatkit.testing import ChatKitSimulator
from tests.support.samples import ATHLETE


def athlete(number: int) -> dict[str, Any]:
    profile = {**ATHLETE["user_profile"], "user_id": f"athlete-{number}"}
    return {**ATHLETE, "user_profile": profile}


def athletes(count: int) -> Iterator[dict[str, Any]]:
    return (athlete(number) for number in range(count))


def settings(sim: ChatKitSimulator, **more: Any) -> dict[str, Any]:
    return {"api_key": sim.api_key, "workflow_id": "wf_1", "base_url": sim.base_url, **more}
