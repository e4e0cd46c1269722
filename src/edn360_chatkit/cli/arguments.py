"""The command's arguments, its help, and its exit statuses."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from typing import NoReturn

from .._version import __version__
from .files import STANDARD

NAME = "edn360-chatkit"

SUCCESS = 0
FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130  # 128 and the signal's number, as shells have it

SIMULATED_WORKFLOW = "wf_demo"
SIMULATED_DELAY = 2.0
SIMULATED_POLL_INTERVAL = 0.25


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(UNUSABLE, f"{NAME}: {message}. See: {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; ``command`` is the subcommand, ``verbose`` may be missing."""
    verbose = _Parser(add_help=False)
    # No default: that of the one after the subcommand would undo the one before it.
    verbose.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        default=argparse.SUPPRESS,
        help="tell the story of the run on standard error",
    )
    whole = _Parser(
        prog=NAME,
        parents=[verbose],
        allow_abbrev=False,
        description="Run the EDN360 training workflow through ChatKit.",
        epilog="FILE can be - for standard input or output. Exit status: 0; 1 the run failed; "
        "2 bad usage or bad input; 130 interrupted.",
    )
    whole.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(
        name: str, *, help: str, description: str, epilog: str | None = None
    ) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            parents=[verbose],
            allow_abbrev=False,
            help=help,
            description=description,
            epilog=epilog,
        )

    def language(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--lang", choices=("es", "en"), default="es", help="the labels' language; default es"
        )

    run = add(
        "run",
        help="run the workflow on an athlete's data",
        description="Run the workflow on an athlete's data and write the training program as "
        "JSON. Input and output are checked before anything is sent.",
        epilog="The API key comes from the environment only, $EDN360_OPENAI_API_KEY or "
        "$OPENAI_API_KEY: other users of a machine can read the arguments of its commands. An "
        "answer that is no program is saved in OUT.json.answer.txt, or in the temporary "
        "directory where the output is standard output.",
    )
    run.add_argument("input", metavar="INPUT.json", help="an EDN360Input; - is standard input")
    run.add_argument(
        "-o", "--output", metavar="OUT.json", default=STANDARD, help="default: standard output"
    )
    where = run.add_mutually_exclusive_group()
    where.add_argument(
        "--simulate",
        action="store_true",
        help="use a built-in simulator: no key, no network, a simulated program",
    )
    where.add_argument(
        "--base-url", metavar="URL", help="the ChatKit API; else $EDN360_CHATKIT_BASE_URL"
    )
    run.add_argument("--user", help="the session's user; else the input's user_profile.user_id")
    run.add_argument(
        "--workflow-id", metavar="WF", help="the workflow; else $EDN360_TRAINING_WORKFLOW_ID"
    )
    run.add_argument(
        "--poll-interval",
        metavar="SECONDS",
        type=_seconds,
        help=f"between two polls; default 2, {SIMULATED_POLL_INTERVAL} with --simulate",
    )
    run.add_argument(
        "--max-attempts", metavar="N", type=_attempts, help="how many polls; default 60"
    )
    run.add_argument(
        "--answer",
        choices=("program", "first"),
        default="program",
        help="wait for the program (default), or take the first message as the answer",
    )

    show = add(
        "show",
        help="show a training program",
        description="Show a training program, or the workflow's answer with one in it: here, or "
        "as files for a browser, a printer or another program.",
    )
    show.add_argument("program", metavar="PROGRAM.json", help="- is standard input")
    show.add_argument(
        "--html", metavar="OUT.html", help="write it as an HTML page; - is standard output"
    )
    show.add_argument(
        "--markdown", metavar="OUT.md", help="write it as Markdown; - is standard output"
    )
    show.add_argument(
        "--csv", metavar="OUT.csv", help="write its exercises as a table; - is standard output"
    )
    language(show)

    validate = add(
        "validate",
        help="check an EDN360Input or a training program",
        description="Say what a file is, an EDN360Input or a training program, and name every "
        "field at fault; values are never printed. Of a program, also say what somebody should "
        "look at before it reaches an athlete.",
    )
    validate.add_argument("file", metavar="FILE.json", help="- is standard input")
    validate.add_argument(
        "--against", metavar="INPUT.json", help="compare a program with the athlete's data"
    )
    language(validate)

    diff = add(
        "diff",
        help="compare two training programs",
        description="Say what changed from one training program to the next. The exit status is "
        "0 whether they differ or not.",
    )
    diff.add_argument("old", metavar="OLD.json", help="the program before; - is standard input")
    diff.add_argument("new", metavar="NEW.json", help="the program now; - is standard input")
    language(diff)

    simulate = add(
        "simulate",
        help="start a ChatKit server that simulates the workflow",
        description="Start a ChatKit server on loopback that simulates the workflow, and print "
        "the environment variables that lead to it. Ctrl-C stops it.",
    )
    simulate.add_argument(
        "--port", metavar="N", type=_port, default=8765, help="default 8765; 0 for a free one"
    )
    simulate.add_argument(
        "--delay",
        metavar="SECONDS",
        type=_seconds,
        default=SIMULATED_DELAY,
        help="from the message to the answer; default 2",
    )
    simulate.add_argument(
        "--steps", action="store_true", help="post intermediate messages before the answer"
    )
    return whole


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if math.isfinite(seconds := float(text)) and seconds >= 0:
            return seconds
    raise argparse.ArgumentTypeError("must be a number of seconds, 0 or more")


def _attempts(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError("must be a whole number of 1 or more")


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError("must be a port, 0 to 65535")
