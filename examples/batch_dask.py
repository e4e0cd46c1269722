"""Athletes on a Dask cluster.

pip install edn360-chatkit distributed
python examples/batch_dask.py ATHLETES.jsonl JOURNALS > programs.jsonl
"""

# pyright: basic, reportMissingImports=false
import json
import sys
from pathlib import Path

from distributed import Client, as_completed
from one_athlete import run_athlete


def main(athletes: str, journals: str) -> None:
    """Run the athletes of a file, and print their programs."""
    inputs = [json.loads(line) for line in Path(athletes).read_text("utf-8").splitlines()]
    Path(journals).mkdir(mode=0o700, exist_ok=True)
    keys = [edn360_input["user_profile"]["user_id"] for edn360_input in inputs]
    # Each run waits nearly all the time, so a process can have many threads.
    with Client(n_workers=2, threads_per_worker=50) as dask:
        futures = dask.map(
            run_athlete, keys, inputs, journals=journals, settings={}, pure=False, retries=3
        )
        for future, program in as_completed(futures, with_results=True):
            print(json.dumps({"key": future.key, "program": program}))


if __name__ == "__main__":
    main(*sys.argv[1:])
