"""A workflow that shows how a server works. It gives no training advice."""

from __future__ import annotations

import asyncio
from typing import Any

from ._state import report_progress


async def run_workflow(edn360_input: dict[str, Any]) -> dict[str, Any]:
    """Return a program with a single exercise after 1.5 seconds."""
    for step in ("Reading the questionnaires", "Planning the week", "Choosing exercises"):
        report_progress(step)
        await asyncio.sleep(0.5)
    exercise = {"order": 1, "name": "Squat", "series": 3, "reps": "8-10", "rpe": "7"}
    block = {"id": "A", "primary_muscles": ["quadriceps"], "exercises": [exercise]}
    return {
        "title": f"Demo for {edn360_input['user_profile']['user_id']}, not training advice",
        "weeks": 4,
        "sessions": [{"id": "D1", "name": "Full body", "blocks": [block]}],
    }
