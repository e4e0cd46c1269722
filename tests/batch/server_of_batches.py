"""Forks a process for each line of standard input, since a fork starts within milliseconds.

It prints the id of the process, and ``ended`` after its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from edn360_chatkit import AsyncChatKitClient, ChatKitClient
from edn360_chatkit.batch import BatchResult
from tests.batch.samples import athletes


def run_batch(settings: dict[str, Any], count: int, **options: Any) -> list[BatchResult]:
    with ChatKitClient(**settings) as client:
        return list(client.run_many(athletes(count), **options))


async def run_batch_async(
    settings: dict[str, Any], count: int, **options: Any
) -> list[BatchResult]:
    async with AsyncChatKitClient(**settings) as client:
        return [result async for result in client.run_many(athletes(count), **options)]


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        is_async, output = order.pop("is_async"), Path(order.pop("output"))
        process = os.fork()
        if process == 0:
            results = asyncio.run(run_batch_async(**order)) if is_async else run_batch(**order)
            programs = {result.key: result.response is not None for result in results}
            output.write_text(json.dumps(programs))
            os._exit(0)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        os.waitpid(process, 0)
        sys.stdout.write("ended\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
