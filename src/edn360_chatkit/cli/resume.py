"""``edn360-chatkit resume``: wait for a run that was started before."""

import argparse

from .. import RunReference
from .connection import add_server_arguments, add_waiting_arguments
from .deliver import deliver_run
from .files import STANDARD, Destination, read_file
from .record import RunRecord, read_reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Wait for a run that was started before, and write its program as run does. Nothing is "
        "sent to the workflow. The file of the run is removed when the program is delivered."
    )
    add_run_argument(parser)
    output = "default: standard output"
    parser.add_argument("-o", "--output", metavar="OUT.json", default=STANDARD, help=output)
    add_server_arguments(parser)
    add_waiting_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Do it, and return the exit status."""
    run, file = read_run(args.run)
    destination = Destination(args.output)
    destination.check(args.run)
    return deliver_run(args, destination, RunRecord(args, file, run))


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a run."""
    text = "the file of a run, such as OUT.json.run, or its JSON text; - is standard input"
    parser.add_argument("run", metavar="RUN", help=text)


def read_run(name: str) -> tuple[RunReference, Destination | None]:
    """The run of the argument, and its file."""
    if name.lstrip().startswith("{"):
        return read_reference(name), None
    return read_file(name, read_reference), None if name == STANDARD else Destination(name)
