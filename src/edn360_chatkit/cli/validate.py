"""Check an athlete's data or a training program."""

import argparse

from .. import EDN360Input, InvalidInputError
from ..program.rendering.printable import one_line, printable
from ..reading import read_input, read_input_or_program
from .arguments import LANG, option
from .console import print_text
from .files import STANDARD, read_file

_SEVERITIES = {
    "es": {"error": "error", "warning": "aviso", "info": "nota"},
    "en": {"error": "error", "warning": "warning", "info": "info"},
}
_NO_FINDINGS = {"es": "nada que señalar", "en": "nothing found"}

ARGUMENTS = (
    option("file", "FILE.json", "- is standard input"),
    option("--against", "INPUT.json", "compare a program with the athlete's data"),
    LANG,
)


def execute(args: argparse.Namespace) -> None:
    """Check it."""
    against = None if args.against is None else read_file(args.against, read_input)
    content = read_file(args.file, read_input_or_program)
    lines: list[str] = []
    if not isinstance(content, EDN360Input):
        exercises = sum(1 for _ in content.exercises())
        sessions = _count(len(content.sessions), "session")
        summary = f"training program, {sessions}, {_count(exercises, 'exercise')}"
        lines = [
            f"  {_SEVERITIES[args.lang][f.severity]}: {f.path}: {one_line(f.message(args.lang))}"
            for f in content.check(against)
        ] or [f"  {_NO_FINDINGS[args.lang]}"]
    elif against is None:
        summary = f"EDN360Input, {_count(len(content.questionnaires), 'questionnaire')}"
    else:
        raise InvalidInputError("--against needs a training program in FILE.json.")
    name = "standard input" if args.file == STANDARD else printable(args.file)
    print_text("\n".join([f"{name}: {summary}", *lines]) + "\n")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
