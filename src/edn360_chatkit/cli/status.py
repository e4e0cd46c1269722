"""Print whether a run is running, done or failed, without waiting.

The exit status is 1 for a run that failed, and if the server can't be asked.
"""

import argparse

from ..program.rendering.printable import one_line
from .arguments import RUN, SERVER
from .connection import open_client, resume_command
from .console import print_text
from .errors import FAILED, SUCCESS, error_text
from .resume import read_run

ARGUMENTS = (RUN, *SERVER)


def execute(args: argparse.Namespace) -> int:
    """Look at it, and return the exit status."""
    run = read_run(args.run)
    with open_client(args) as client:
        status = client.retrieve_run(run)
    is_listed = bool(status.run.message_id or status.run.thread_id)
    steps = f", steps so far: {len(status.steps)}"
    error = error_text(status.error, resume_command(args, run)) if status.error else ""
    details = {
        "running": steps if is_listed else ", but the server lists no message of it",
        "failed": f": {one_line(error)}",
    }
    print_text(f"{status.state}{details.get(status.state, '')}\n")
    return FAILED if status.state == "failed" else SUCCESS
