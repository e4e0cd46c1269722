"""Run the same athletes through the hosted workflow and a server of one's own, and compare.

    python compare_worlds.py athlete_initial.json athlete_evolution.json

The hosted workflow needs $EDN360_OPENAI_API_KEY and $EDN360_TRAINING_WORKFLOW_ID. Each run is paid
for once: the two journals hold the programs, so that the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edn360_chatkit import ChatKitClient, EnrichedTrainingProgram

Programs = dict[str, EnrichedTrainingProgram]


def run_all(client: ChatKitClient, athletes: dict[str, Any], journal: Path) -> Programs:
    """The programs of the athletes, by the names of their files."""
    programs: Programs = {}
    with client, client.run_many(athletes.items(), journal=journal) as results:
        for result in results:
            if result.response is None:
                print(f"{result.key}, {journal.stem}: {result.error}")
            else:
                programs[result.key] = result.response.program
    return programs


def describe(program: EnrichedTrainingProgram) -> str:
    """What should be alike in both worlds, although two runs differ."""
    blocks = [block for session in program.sessions for block in session.blocks]
    exercises = sum(len(block.exercises) for block in blocks)
    counts = f"{len(program.sessions)} sessions, {len(blocks)} blocks, {exercises} exercises"
    return f"{counts}; findings of check(): {len(program.check())}"


def compare(hosted: Programs, own: Programs) -> Iterator[str]:
    """The lines of the comparison."""
    for key in sorted(hosted.keys() & own.keys()):
        yield f"== {key}"
        yield f"hosted: {describe(hosted[key])}"
        yield f"own:    {describe(own[key])}"
        yield own[key].diff(hosted[key]).to_text(lang="en")


def main() -> None:
    """Read the arguments, run both worlds, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("athletes", metavar="ATHLETE.json", nargs="+", type=Path)
    parser.add_argument("--hosted", metavar="URL", default="https://api.openai.com/v1/chatkit")
    parser.add_argument("--own", metavar="URL", default="http://127.0.0.1:8000/chatkit")
    parser.add_argument("--journals", metavar="FOLDER", type=Path, default=Path())
    args = parser.parse_args()
    athletes = {path.stem: json.loads(path.read_text("utf-8")) for path in args.athletes}
    hosted = ChatKitClient(base_url=args.hosted)
    own = ChatKitClient(server_url=args.own)
    programs = run_all(hosted, athletes, args.journals / "hosted.db")
    for line in compare(programs, run_all(own, athletes, args.journals / "own.db")):
        print(line)


if __name__ == "__main__":
    main()
