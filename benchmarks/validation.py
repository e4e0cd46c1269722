"""What reading a program of 1 MB out of an answer costs, against a bare `model_validate_json`.

python -m benchmarks.validation
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edn360_chatkit import EDN360Input, EnrichedTrainingProgram
from edn360_chatkit._protocol.answers import Program, read_answer
from edn360_chatkit.program.model import ROOT_KEY
from edn360_chatkit.testing._workflow import simulated_program

EXAMPLE = Path(__file__).parents[1] / "examples" / "athlete_initial.json"
ROUNDS = 41


def seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> bool:
    program = simulated_program(EDN360Input.model_validate_json(EXAMPLE.read_text("utf-8")))
    while len(text := json.dumps(program, ensure_ascii=False)) < 1_000_000:
        program["sessions"] *= 2
    answer = json.dumps({ROOT_KEY: program}, ensure_ascii=False)

    def bare() -> EnrichedTrainingProgram:
        return EnrichedTrainingProgram.model_validate_json(text)

    def ours() -> EnrichedTrainingProgram:
        found = read_answer(answer)
        assert isinstance(found, Program)
        return found.program

    assert bare() == ours()
    pairs = [(seconds(bare), seconds(ours)) for _ in range(ROUNDS)]
    bare_time, our_time = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"a program of {len(text) / 1e6:.1f} MB")
    print(f"model_validate_json            {bare_time * 1000:6.1f} ms")
    print(f"reading it out of an answer    {our_time * 1000:6.1f} ms")
    print(f"ours / bare = {our_time / bare_time:.2f} (at most 1.10)")
    return bool(our_time / bare_time <= 1.1)


if __name__ == "__main__":
    sys.exit(not main())
