"""The command: results go to standard output, everything else to standard error."""

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn, Protocol

from .._version import __version__
from ..errors import ConfigurationError, InvalidInputError
from . import batch, diff, resume, run, serve, show, simulate, status, validate
from .console import NAME, complain, log_to_stderr, print_text
from .errors import BAD_USAGE, error_text
from .signals import STOP_SIGNALS, report_stop


class _Command(Protocol):  # the module of a subcommand
    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def execute(self, args: argparse.Namespace) -> int: ...


_COMMANDS: tuple[tuple[str, str, _Command], ...] = (
    ("run", "run the workflow on an athlete's data", run),
    ("resume", "wait for a run that was started before", resume),
    ("status", "look at a run without waiting", status),
    ("batch", "run the workflow for many athletes", batch),
    ("show", "show a training program, or write it as files", show),
    ("validate", "check an EDN360Input or a training program", validate),
    ("diff", "compare two training programs", diff),
    ("simulate", "run a ChatKit server that simulates the workflow", simulate),
    ("serve", "run a ChatKit server around a workflow of your own", serve),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the process; return the exit status."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed its text
        return BAD_USAGE if stop.code else print_text("")
    try:
        with STOP_SIGNALS, log_to_stderr() if "verbose" in args else nullcontext():
            command: _Command = args.command
            return command.execute(args)
    except (ConfigurationError, InvalidInputError) as error:
        complain(error_text(error))
        return BAD_USAGE
    except KeyboardInterrupt as stop:
        return report_stop(stop)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USAGE, f"{NAME}: {message}. See: {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    verbose = _Parser(add_help=False)
    # No default: the default of the second -v would overwrite the value of the first.
    log, default = "log the run on standard error", argparse.SUPPRESS
    verbose.add_argument("-v", "--verbose", action="store_true", default=default, help=log)
    parser = _Parser(
        prog=NAME,
        parents=[verbose],
        allow_abbrev=False,
        description="Run the EDN360 training workflow through ChatKit.",
        epilog="A file can be - for standard input or output. Exit status: 0; 1 the run failed; "
        "2 bad usage or bad input; 130, 143, 129 after Ctrl-C, SIGTERM, SIGHUP.",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary, command in _COMMANDS:
        subparser = subparsers.add_parser(name, parents=[verbose], allow_abbrev=False, help=summary)
        subparser.set_defaults(command=command)
        command.add_arguments(subparser)
    return parser
