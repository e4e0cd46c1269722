"""The options that several commands have, and the client that they make."""

import argparse
import shlex
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from .. import ChatKitClient
from .console import NAME
from .files import STANDARD
from .simulate import POLL_INTERVAL, WORKFLOW, simulator

_SERVER = ("base_url", "server_url", "protocol", "workflow_id", "timeout", "max_response_bytes")
_WAITING = ("poll_interval", "max_attempts", "deadline")


def add_output_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option of the program's file."""
    text = "default: standard output"
    parser.add_argument("-o", "--output", metavar="OUT.json", default=STANDARD, help=text)


def add_server_arguments(parser: argparse.ArgumentParser, *, sends: bool = False) -> None:
    """Add the options of the server; ``sends`` adds those that start a run."""
    parser.set_defaults(simulate=False)
    add, server = parser.add_argument, parser.add_mutually_exclusive_group()
    if sends:
        text = "use a built-in simulator: no key, no network, a simulated program"
        server.add_argument("--simulate", action="store_true", help=text)
        add("--workflow-id", metavar="WF", help="the workflow; else $EDN360_TRAINING_WORKFLOW_ID")
    text = "the ChatKit API; else $EDN360_CHATKIT_BASE_URL"
    server.add_argument("--base-url", metavar="URL", help=text)
    text = "a self-hosted ChatKit server; else $EDN360_CHATKIT_SERVER_URL"
    server.add_argument("--server-url", metavar="URL", help=text)
    text = "default auto: session messages where the server has them, else ChatKit's threads"
    add("--protocol", choices=("auto", "messages", "threads"), help=text)
    add("--timeout", metavar="SECONDS", type=float, help="of one request; default 30")
    text = "the largest response; default 16 MiB"
    add("--max-response-bytes", metavar="N", type=int, help=text)


def add_waiting_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the wait for the answer."""
    add = parser.add_argument
    text = "time between two polls; default 2, or 0.25 with a simulator"
    add("--poll-interval", metavar="SECONDS", type=float, help=text)
    add("--max-attempts", metavar="N", type=int, help="how many polls; default 60")
    add("--deadline", metavar="SECONDS", type=float, help="the longest wait; default 3600")
    text = "wait for the program (default), or take the first message as the answer"
    add("--answer", choices=("program", "first"), default="program", help=text)


@contextmanager
def open_client(args: argparse.Namespace) -> Generator[ChatKitClient, None, None]:
    """A client for the server of the options, or for a simulator that ends with it."""
    settings: dict[str, Any] = options_of(args, *_SERVER, *_WAITING)
    with ExitStack() as stack:
        if args.simulate:
            # The simulator posts no steps where the first message is the answer.
            server = stack.enter_context(simulator(steps=args.answer != "first"))
            settings = {"workflow_id": WORKFLOW, "poll_interval": POLL_INTERVAL, **settings}
            settings.update(api_key=server.api_key, base_url=server.base_url)
        yield stack.enter_context(ChatKitClient(**settings))


def options_of(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options with these names that have a value."""
    values = ((name, getattr(args, name, None)) for name in names)
    return {name: value for name, value in values if value is not None}


def resume_command(args: argparse.Namespace, run: object, *output: str) -> str:
    """The command line that takes up a run at the same server."""
    server = options_of(args, "base_url", "server_url", "protocol").items()
    options = [part for name, value in server for part in (f"--{name.replace('_', '-')}", value)]
    return shlex.join([NAME, "resume", str(run), *output, *options])
