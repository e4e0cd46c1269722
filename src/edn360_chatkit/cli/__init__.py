"""The command. Results go to standard output, and other texts to standard error."""

import argparse
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from types import ModuleType
from typing import NoReturn

from .._version import __version__
from ..errors import ChatKitError, ConfigurationError, InvalidInputError
from . import batch, diff, resume, run, serve, show, simulate, status, validate
from .console import NAME, complain, log_to_stderr, print_text
from .errors import BAD_USAGE, FAILED, SUCCESS, error_text
from .signals import STOP_SIGNALS, report_stop

# The docstring of a module is its help text, and its first line is the summary.
_COMMANDS: dict[str, ModuleType] = {
    "run": run,
    "resume": resume,
    "status": status,
    "batch": batch,
    "show": show,
    "validate": validate,
    "diff": diff,
    "simulate": simulate,
    "serve": serve,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or the process's, and return the exit status."""
    try:
        return _execute(argv)
    except (ConfigurationError, InvalidInputError) as error:
        complain(error_text(error))
        return BAD_USAGE
    except BrokenPipeError:
        return FAILED  # silently: a reader such as `head` may close the pipe
    except (ChatKitError, OSError) as error:
        complain(error_text(error))
        return FAILED
    except KeyboardInterrupt as stop:
        return report_stop(stop)


def _execute(argv: Sequence[str] | None) -> int:
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has printed its text
        if stop.code:
            return BAD_USAGE
        print_text("")
        return SUCCESS
    # A server's operator has no other sign of a workflow that fails.
    level = logging.WARNING if args.command is serve else None
    level = logging.INFO if "verbose" in args else level
    with STOP_SIGNALS, nullcontext() if level is None else log_to_stderr(level):
        status: int | None = args.command.execute(args)
        return status or SUCCESS


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
    for name, command in _COMMANDS.items():
        description = command.__doc__ or ""
        subparser = subparsers.add_parser(
            name,
            parents=[verbose],
            allow_abbrev=False,
            help=description.partition("\n")[0].rstrip("."),
            description=description,
        )
        subparser.set_defaults(command=command, simulate=False)
        for names, settings in command.ARGUMENTS:
            subparser.add_argument(*names, **settings)
    return parser
