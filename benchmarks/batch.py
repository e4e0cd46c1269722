"""The same batch of runs by this package and by what people write without it, side by side.

Each client is a process of its own; all of them use one server, at the same time.

    python -m benchmarks.batch                 # 200 runs of 60 s; writes docs/performance.md
    python -m benchmarks.batch 5000 60 async   # some of the clients of benchmarks/clients.py
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from .clients import CLIENTS
from .server import Seen, allow_files, run_server

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- make bench: begin -->\n", "<!-- make bench: end -->\n"
RUNS, SECONDS = 200, 60.0
MOST_DELAY = 2.0
MOST_OF_LOOP = 1 / 3
MOST_KIBIBYTES = 40.0
SLACK = 20.0
"""How many seconds more than one run the whole batch may take."""


@dataclass
class Measured:
    """What the client's process saw; CPU in seconds, memory in KiB above the idle client.

    ``moment`` is the mean of the moments at which the results came, on the monotonic clock, which
    the processes of a machine share.
    """

    answered: int
    moment: float
    wall: float
    cpu: float
    kibibytes: float


def memory() -> float:
    """The memory of this process now, in KiB."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 1024


async def each(answers: Iterator[bool] | AsyncIterator[bool]) -> AsyncIterator[bool]:
    if isinstance(answers, AsyncIterator):
        async for answered in answers:
            yield answered
    else:
        for answered in answers:
            yield answered


async def measure(name: str, url: str, runs: int) -> Measured:
    _, client = CLIENTS[name]
    async for _ in each(client(f"{url}/warm", 20)):
        pass  # imports are not counted
    idle, cpu, wall = memory(), time.process_time(), time.monotonic()
    most, answered, moments = idle, 0, list[float]()
    async for has_program in each(client(f"{url}/{name}", runs)):
        moments.append(time.monotonic())
        answered += has_program
        if len(moments) == 1:
            # All the others are under way.
            most = memory()
    used = time.process_time() - cpu
    moment, wall = statistics.mean(moments), time.monotonic() - wall
    return Measured(answered, moment, wall, used, (most - idle) / runs)


def work(pipe: Connection, name: str, url: str, runs: int) -> None:
    allow_files()
    pipe.send(asyncio.run(measure(name, url, runs)))


def compare(
    runs: int, seconds: float, names: list[str]
) -> tuple[dict[str, Measured], dict[str, Seen]]:
    """Run the batch by each of these clients, side by side."""
    context = multiprocessing.get_context("spawn")
    with run_server(seconds) as server:
        pipes: dict[str, Connection] = {}
        for name in names:
            pipes[name], other_end = multiprocessing.Pipe()
            context.Process(target=work, args=(other_end, name, server.url, runs)).start()
            other_end.close()
        measured = {name: pipe.recv() for name, pipe in pipes.items()}
    return measured, server.seen


def delay(figures: Measured, server: Seen) -> float:
    """How much later the client gives out a result than the server has it, as a mean."""
    return figures.moment - statistics.mean(server.due.values())


COLUMNS = "answered", "lost", "doubled", "wall time", "delay", "requests", "CPU", "memory"


def table(runs: int, seconds: float, measured: dict[str, Measured], seen: dict[str, Seen]) -> str:
    """A table in Markdown; the delay is the mean, and the last three columns are for one run."""
    rows = [(f"{runs} runs of {seconds:g} s", *COLUMNS), ("---",) * (len(COLUMNS) + 1)]
    for name, figures in measured.items():
        server = seen[name]
        row = (
            CLIENTS[name][0],
            f"{figures.answered}",
            f"{len(server.messages) - figures.answered}",
            f"{sum(count > 1 for count in server.messages.values())}",
            f"{figures.wall:.0f} s",
            f"{delay(figures, server):.1f} s",
            f"{server.requests / runs:.1f}",
            f"{figures.cpu / runs * 1000:.1f} ms",
            f"{figures.kibibytes:.0f} KiB",
        )
        rows.append(row)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def is_kept(
    runs: int, seconds: float, measured: dict[str, Measured], seen: dict[str, Seen]
) -> bool:
    """Whether this package keeps the bounds of docs/performance.md."""
    kept = True
    for name in measured.keys() & {"async", "fixed", "sync", "streams"}:
        kept &= measured[name].answered == runs and max(seen[name].messages.values()) == 1
    if "async" in measured:  # the client for thousands of runs
        figures, server = measured["async"], seen["async"]
        kept &= figures.wall <= seconds + SLACK and figures.kibibytes <= MOST_KIBIBYTES
        kept &= delay(figures, server) <= MOST_DELAY
        if "fixed" in measured:
            kept &= server.requests <= MOST_OF_LOOP * seen["fixed"].requests
            kept &= figures.cpu <= MOST_OF_LOOP * measured["fixed"].cpu
    return kept


def main(runs: int = RUNS, seconds: float = SECONDS, *names: str) -> bool:
    measured, seen = compare(runs, seconds, list(names or CLIENTS))
    text = table(runs, seconds, measured, seen)
    print(text)
    if not names:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}{text}{END}{after}", "utf-8")
    return is_kept(runs, seconds, measured, seen)


if __name__ == "__main__":
    arguments = [*sys.argv[1:3], *map(str, (RUNS, SECONDS)[len(sys.argv) - 1 :])]
    sys.exit(not main(int(arguments[0]), float(arguments[1]), *sys.argv[3:]))
