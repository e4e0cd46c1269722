"""Print whether a run is running, done or failed, without waiting.

The exit status is 1 for a failed run, and if the server can't be asked.
"""

import argparse

from ..program.rendering.printable import one_line
from .arguments import RUN, SERVER
from .connection import open_client, resume_command
from .console import print_text
from .errors import FAILED, SUCCESS, error_text
from .reference import is_sent, read_reference

ARGUMENTS = (RUN, *SERVER)


def execute(args: argparse.Namespace) -> int:
    """Print the state of the run, and return the exit status."""
    run = read_reference(args.run)
    with open_client(args) as client:
        status = client.retrieve_run(run)
    details = ""
    if status.state == "running":
        steps = f", steps so far: {len(status.steps)}"
        details = steps if is_sent(status.run) else ", but the server lists no message of it"
    elif status.error is not None:
        details = f": {one_line(error_text(status.error, resume_command(args, run)))}"
    print_text(f"{status.state}{details}\n")
    return FAILED if status.state == "failed" else SUCCESS
