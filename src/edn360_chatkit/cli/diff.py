"""Compare two training programs."""

import argparse

from ..errors import ConfigurationError
from ..reading import read_program
from .arguments import LANG, option
from .console import print_text
from .files import STANDARD, read_file

ARGUMENTS = (
    option("old", "OLD.json", "the older program; - is standard input"),
    option("new", "NEW.json", "the newer program; - is standard input"),
    LANG,
)


def execute(args: argparse.Namespace) -> None:
    """Compare them."""
    if args.old == args.new == STANDARD:
        raise ConfigurationError("Only one of the two programs can be standard input.")
    old, new = read_file(args.old, read_program), read_file(args.new, read_program)
    print_text(new.diff(old).to_text(lang=args.lang))
