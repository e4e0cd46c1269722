"""``edn360-chatkit diff``: compare two training programs."""

import argparse

from ..errors import ConfigurationError
from ..reading import read_program
from .console import print_text
from .files import STANDARD, read_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("old", metavar="OLD.json", help="the program before; - is standard input")
    add("new", metavar="NEW.json", help="the program now; - is standard input")
    add("--lang", choices=("es", "en"), default="es", help="default es")


def execute(args: argparse.Namespace) -> int:
    """Do it, and return the exit status."""
    if args.old == args.new == STANDARD:
        raise ConfigurationError("Only one of the two programs can be standard input.")
    old, new = read_file(args.old, read_program), read_file(args.new, read_program)
    return print_text(new.diff(old).to_text(lang=args.lang))
