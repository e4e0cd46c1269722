"""Run the workflow on an example athlete and watch it, against the simulator: no key needed.

python examples/watch_a_run.py
"""

from __future__ import annotations

from pathlib import Path

from edn360_chatkit import ChatKitClient, EDN360Input, StepEvent, WaitingEvent
from edn360_chatkit.testing import ChatKitSimulator

ATHLETE = Path(__file__).parent / "athlete_evolution.json"


def main() -> None:
    """Start the simulator, run the workflow, and print what happens."""
    edn360_input = EDN360Input.model_validate_json(ATHLETE.read_text("utf-8"))
    with (
        ChatKitSimulator(steps=True, delay=2.0) as sim,
        ChatKitClient(
            api_key=sim.api_key, base_url=sim.base_url, workflow_id="wf_demo", poll_interval=0.25
        ) as client,
        client.stream_workflow(edn360_input) as run,
    ):
        for event in run:
            if isinstance(event, StepEvent):
                print("step:", ", ".join(event.keys))
            elif isinstance(event, WaitingEvent):
                print(f"waiting, {event.elapsed:.1f} s")
        response = run.get_response()
    print(response.program.title)
    for session in response.program.sessions:
        exercises = sum(len(block.exercises) for block in session.blocks)
        print(f"  {session.id} {session.name}: {exercises} exercises")


if __name__ == "__main__":
    main()
