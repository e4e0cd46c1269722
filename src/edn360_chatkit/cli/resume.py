"""Wait for an earlier run, and write its program as run does.

No message is sent to the workflow. The file of the run is removed when the program is delivered.
"""

import argparse

from .arguments import OUTPUT, RUN, SERVER, WAITING
from .delivery import Delivery
from .files import STANDARD, Destination
from .reference import DIGEST, ReferenceFile, is_json, read_reference

ARGUMENTS = (RUN, OUTPUT, *SERVER, *WAITING)


def execute(args: argparse.Namespace) -> int:
    """Deliver the program, and return the exit status."""
    run = read_reference(args.run)
    Destination(args.output).check(args.run)
    has_file = args.run != STANDARD and not is_json(args.run)
    file = ReferenceFile(args.run, getattr(run, DIGEST, None)) if has_file else None
    return Delivery(args, file, run).complete()
