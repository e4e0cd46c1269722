"""``edn360-chatkit diff``: compare two training programs."""

import argparse

from ..errors import ConfigurationError
from ..reading import read_program
from .command import Command, add_language
from .console import print_text
from .files import STANDARD, read_file


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD.json", help="the program before; - is standard input")
    parser.add_argument("new", metavar="NEW.json", help="the program now; - is standard input")
    add_language(parser)


def _diff(args: argparse.Namespace) -> int:
    if args.old == args.new == STANDARD:
        raise ConfigurationError("Only one of the two programs can be standard input.")
    old, new = read_file(args.old, read_program), read_file(args.new, read_program)
    return print_text(new.diff(old).to_text(lang=args.lang))


DIFF = Command(
    "diff",
    "Compare two training programs. The exit status is 0 whether they differ or not.",
    _add_arguments,
    _diff,
)
