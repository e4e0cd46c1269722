"""Wait for a run that was started before, and write its program as run does.

Nothing is sent to the workflow. The file of the run is removed when the program is delivered.
"""

import argparse

from .. import RunReference
from .arguments import OUTPUT, RUN, SERVER, WAITING
from .delivery import DIGEST, Delivery, read_reference
from .files import STANDARD, Destination, read_file

ARGUMENTS = (RUN, OUTPUT, *SERVER, *WAITING)


def execute(args: argparse.Namespace) -> int:
    """Deliver its program, and return the exit status."""
    run = read_run(args.run)
    Destination(args.output).check(args.run)
    is_file = args.run != STANDARD and not args.run.lstrip().startswith("{")
    return Delivery(args, args.run if is_file else None, run, getattr(run, DIGEST, None)).complete()


def read_run(name: str) -> RunReference:
    """The run of the argument."""
    if name.lstrip().startswith("{"):
        return read_reference(name)
    return read_file(name, read_reference)
