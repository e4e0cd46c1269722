"""The options that lead to a server and say how long to wait, and the client that they make."""

import argparse
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from .. import ChatKitClient
from .simulate import POLL_INTERVAL, WORKFLOW, simulator

_SETTINGS = (
    *("base_url", "server_url", "protocol", "workflow_id"),
    *("poll_interval", "max_attempts", "deadline"),
)


def add_server_arguments(parser: argparse.ArgumentParser, *, simulate: bool = False) -> None:
    """Add the options of the server."""
    parser.set_defaults(simulate=False)
    add, server = parser.add_argument, parser.add_mutually_exclusive_group()
    if simulate:
        text = "use a built-in simulator: no key, no network, a simulated program"
        server.add_argument("--simulate", action="store_true", help=text)
    base_url = "the ChatKit API; else $EDN360_CHATKIT_BASE_URL"
    server.add_argument("--base-url", metavar="URL", help=base_url)
    server_url = "a self-hosted ChatKit server; else $EDN360_CHATKIT_SERVER_URL"
    server.add_argument("--server-url", metavar="URL", help=server_url)
    protocol = "default auto: session messages where the server has them, else ChatKit's threads"
    add("--protocol", choices=("auto", "messages", "threads"), default="auto", help=protocol)


def add_waiting_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the wait for the answer."""
    add = parser.add_argument
    interval = "time between two polls; default 2, or 0.25 with a simulator"
    add("--poll-interval", metavar="SECONDS", type=float, help=interval)
    add("--max-attempts", metavar="N", type=int, help="how many polls; default 60")
    add("--deadline", metavar="SECONDS", type=float, help="the longest wait; default 3600")
    answer = "wait for the program (default), or take the first message as the answer"
    add("--answer", choices=("program", "first"), default="program", help=answer)


@contextmanager
def open_client(args: argparse.Namespace) -> Generator[ChatKitClient, None, None]:
    """A client for the server of the options, or for a simulator that ends with it."""
    options = {name: getattr(args, name, None) for name in _SETTINGS}
    settings: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    with ExitStack() as stack:
        if args.simulate:
            # The simulator posts no steps where the first message is the answer.
            server = stack.enter_context(simulator(steps=args.answer != "first"))
            settings = {"workflow_id": WORKFLOW, "poll_interval": POLL_INTERVAL, **settings}
            settings.update(api_key=server.api_key, base_url=server.base_url)
        yield stack.enter_context(ChatKitClient(**settings))


def server_options(args: argparse.Namespace) -> list[str]:
    """The options of the server that were given, for another command line."""
    options = (("--base-url", args.base_url), ("--server-url", args.server_url))
    given = [part for name, value in options if value for part in (name, value)]
    return given if args.protocol == "auto" else [*given, "--protocol", args.protocol]
