"""Print a training program, or write it as files."""

import argparse
from functools import partial

from ..errors import ConfigurationError
from ..reading import read_program
from .arguments import LANG, option
from .console import print_text
from .files import Destination, read_file

ARGUMENTS = (
    option("program", "PROGRAM.json", "- is standard input"),
    option("--html", "OUT.html", "write it as an HTML page; - is standard output"),
    option("--markdown", "OUT.md", "write it as Markdown; - is standard output"),
    option("--csv", "OUT.csv", "write its exercises as a table; - is standard output"),
    LANG,
)


def execute(args: argparse.Namespace) -> None:
    """Print it, or write its files."""
    from ..program.records import program_csv

    program = read_file(args.program, read_program)
    formats = (
        (args.html, partial(program.to_html, full_page=True, lang=args.lang)),
        (args.markdown, partial(program.to_markdown, lang=args.lang)),
        (args.csv, partial(program_csv, program, excel=args.csv != "-")),
    )
    outputs = {Destination(name): render for name, render in formats if name is not None}
    if not outputs:
        print_text(program.to_text(lang=args.lang))
    if len({destination.path for destination in outputs}) < len(outputs):
        raise ConfigurationError("Two of the files have the same name; nothing was written.")
    for destination in outputs:
        destination.check(args.program)
    for destination, render in outputs.items():
        destination.write(render())
