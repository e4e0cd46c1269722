"""``edn360-chatkit run``: run the workflow on an athlete's data."""

import argparse

from ..reading import read_input
from .connection import add_server_arguments, add_waiting_arguments
from .deliver import deliver_run
from .files import STANDARD, Destination, read_file
from .record import RunRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Run the workflow on an athlete's data, and write the training program as JSON. Input and "
        "output are checked before anything is sent. The API key is read from the environment "
        "only, $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY: other users of a machine can read the "
        "arguments of its commands. Until the program is delivered, OUT.json.run refers to the "
        "run: the same command takes the run up again and starts no second one. An answer without "
        "a program is saved as OUT.json.answer.txt, or in the temporary directory if the output "
        "is standard output."
    )
    add = parser.add_argument
    add("input", metavar="INPUT.json", help="an EDN360Input; - is standard input")
    add("-o", "--output", metavar="OUT.json", default=STANDARD, help="default: standard output")
    reference = "where the reference of the run is kept; default OUT.json.run"
    add("--reference", metavar="FILE", help=reference)
    add_server_arguments(parser, simulate=True)
    add("--user", help="the session's user; else user_profile.user_id")
    add("--workflow-id", metavar="WF", help="the workflow; else $EDN360_TRAINING_WORKFLOW_ID")
    add_waiting_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Do it, and return the exit status."""
    edn360_input = read_file(args.input, read_input)
    destination = Destination(args.output)
    destination.check(args.input)
    record = RunRecord.for_input(args, edn360_input)
    return deliver_run(args, destination, record, edn360_input)
