"""What `import edn360_chatkit` costs, against its dependencies and against `import openai`.

Fresh processes, with byte code written as pip leaves it, taken in turn so that a busy machine
slows all of them alike; the median of their CPU time (user and system) counts.

    python -m benchmarks.imports
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys

OURS = "import edn360_chatkit"
THEIRS = """
import httpx, tenacity, pydantic
class Model(pydantic.BaseModel):
    field: int
"""
# What our import loads of it: tenacity and asyncio come with the first client.
LOADED = THEIRS.replace("tenacity, ", "")
FIRST_CLIENT = f"{OURS} as e\ne.ChatKitClient(api_key='sk-1', workflow_id='wf_1').close()"
OPENAI = "import openai"
ROUNDS = 31
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> bool:
    times: dict[str, list[float]] = {
        code: [] for code in (OURS, THEIRS, OPENAI, LOADED, FIRST_CLIENT)
    }
    for code in times:
        seconds(code)  # writes the byte code
    for _ in range(ROUNDS):
        for code, taken in times.items():
            taken.append(seconds(code))
    ours, theirs, their_client, loaded, first = map(statistics.median, times.values())
    print(f"import edn360_chatkit                    {ours * 1000:6.0f} ms")
    print(f"import httpx, tenacity, a pydantic model {theirs * 1000:6.0f} ms")
    print(f"import openai                            {their_client * 1000:6.0f} ms")
    print(f"ours / dependencies = {ours / theirs:.2f} (at most 1.20)")
    print(f"ours / what it loads of them = {ours / loaded:.2f} (no bound)")
    print(f"ours with a first client    = {first * 1000:.0f} ms (no bound)")
    print(f"ours / openai       = {ours / their_client:.2f} (at most 0.50)")
    return ours / theirs <= 1.2 and ours / their_client <= 0.5


if __name__ == "__main__":
    sys.exit(not main())
