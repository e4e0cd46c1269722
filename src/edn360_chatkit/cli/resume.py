"""``edn360-chatkit resume``: wait for a run that was started before."""

import argparse

from .. import RunReference
from .delivery import DIGEST, Delivery, read_reference
from .files import STANDARD, Destination, read_file
from .options import add_output_argument, add_server_arguments, add_waiting_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Wait for a run that was started before, and write its program as run does. Nothing is "
        "sent to the workflow. The file of the run is removed when the program is delivered."
    )
    add_run_argument(parser)
    add_output_argument(parser)
    add_server_arguments(parser)
    add_waiting_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Do it, and return the exit status."""
    run = read_run(args.run)
    Destination(args.output).check(args.run)
    is_file = args.run != STANDARD and not args.run.lstrip().startswith("{")
    return Delivery(args, args.run if is_file else None, run, getattr(run, DIGEST, None)).complete()


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a run."""
    text = "the file of a run, such as OUT.json.run, or its JSON text; - is standard input"
    parser.add_argument("run", metavar="RUN", help=text)


def read_run(name: str) -> RunReference:
    """The run of the argument."""
    if name.lstrip().startswith("{"):
        return read_reference(name)
    return read_file(name, read_reference)
