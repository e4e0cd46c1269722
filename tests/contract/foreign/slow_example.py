"""A workflow for ``edn360-chatkit serve`` that takes as long as its input says.

``context.seconds`` is how long it is silent before the program.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

STARTS = Path("starts.txt")  # one line for each run, in the server's directory


async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
    with STARTS.open("a", encoding="utf-8") as starts:
        starts.write(edn360_input["user_profile"]["user_id"] + "\n")
    await asyncio.sleep(edn360_input["context"]["seconds"])
    exercise = {"order": 1, "name": "Squat", "series": 3, "reps": "8-10"}
    session = {"id": "D1", "blocks": [{"id": "A", "exercises": [exercise]}]}
    return {"title": "From the example", "weeks": 4, "sessions": [session]}
