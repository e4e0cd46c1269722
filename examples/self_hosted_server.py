"""A ChatKit server around a workflow of your own: docs/self-hosting.md.

    pip install "edn360-chatkit[server]"
    python self_hosted_server.py

The same in one command: edn360-chatkit serve self_hosted_server:run --database threads.db
"""

from __future__ import annotations

import asyncio
from typing import Any

from edn360_chatkit.server import ServerSettings, build_app, report_progress, serve


async def run(edn360_input: dict[str, Any]) -> dict[str, Any]:
    """Your workflow: an athlete's data in, the program out."""
    report_progress("Planning the sessions")
    await asyncio.sleep(1)
    user_id = edn360_input["user_profile"]["user_id"]
    exercise = {"order": 1, "name": "Squat", "series": 3, "reps": "8-10"}
    session = {"id": "D1", "name": "Full body", "blocks": [{"id": "A", "exercises": [exercise]}]}
    return {"title": f"Demo for {user_id}, not training advice", "weeks": 4, "sessions": [session]}


if __name__ == "__main__":
    serve(build_app(run, "threads.db", ServerSettings(max_runs=50)), port=8000)
