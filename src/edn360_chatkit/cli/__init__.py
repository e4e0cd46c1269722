"""The command ``edn360-chatkit``: a file for each subcommand, and the table of them here.

Results go to standard output, everything else to standard error. The exit status is 0, 1 (the run
failed), 2 (bad usage or bad input), or 130 (Ctrl-C).
"""

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn

from .._version import __version__
from ..errors import ConfigurationError, InvalidInputError
from .command import BAD_USAGE, INTERRUPTED, error_text
from .console import NAME, complain, log_to_stderr, print_text
from .diff import DIFF
from .run import RUN
from .show import SHOW
from .simulate import SIMULATE
from .validate import VALIDATE

_COMMANDS = {command.name: command for command in (RUN, SHOW, VALIDATE, DIFF, SIMULATE)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the process; return the exit status."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed its text
        return BAD_USAGE if stop.code else print_text("")
    try:
        with log_to_stderr() if "verbose" in args else nullcontext():
            return _COMMANDS[args.command].execute(args)
    except (ConfigurationError, InvalidInputError) as error:
        complain(error_text(error))
        return BAD_USAGE
    except KeyboardInterrupt:
        complain("Interrupted.")
        return INTERRUPTED


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
        "2 bad usage or bad input; 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in _COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            parents=[verbose],
            allow_abbrev=False,
            help=command.help.partition(". ")[0],
            description=command.help,
        )
        command.add_arguments(subparser)
    return parser
