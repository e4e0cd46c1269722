"""The client of a command, made from its options."""

import argparse
import shlex
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

from .. import ChatKitClient
from ..errors import ConfigurationError
from .console import NAME
from .errors import require
from .simulate import DELAY, WORKFLOW

POLL_INTERVAL = 0.25  # seconds, with a simulator
# Settings of the client.
_SETTINGS = (
    *("base_url", "server_url", "protocol", "workflow_id", "timeout", "max_response_bytes"),
    *("poll_interval", "max_attempts", "deadline"),
)


def options_of(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The values of the options that are set, by their names."""
    values = ((name, getattr(args, name, None)) for name in names)
    return {name: value for name, value in values if value is not None}


@contextmanager
def open_client(args: argparse.Namespace) -> Generator[ChatKitClient, None, None]:
    """A client for the server of the options, or for a new simulator."""
    settings: dict[str, Any] = options_of(args, *_SETTINGS)
    with ExitStack() as stack:
        if args.simulate:
            if settings.keys() & {"base_url", "server_url"}:
                raise ConfigurationError("Use --simulate without --base-url and --server-url.")
            require("simulator", "starlette", "uvicorn")
            from ..testing import ChatKitSimulator

            # With --answer first, a step would be the answer.
            simulator = ChatKitSimulator(delay=DELAY, steps=args.answer != "first")
            server = stack.enter_context(simulator)
            settings.setdefault("workflow_id", WORKFLOW)
            settings.setdefault("poll_interval", POLL_INTERVAL)
            settings.update(api_key=server.api_key, base_url=server.base_url)
        yield stack.enter_context(ChatKitClient(**settings))


def resume_command(args: argparse.Namespace, run: object, *output: str) -> str:
    """The command line that resumes a run at the server of the options."""
    server = options_of(args, "base_url", "server_url", "protocol").items()
    options = [part for name, value in server for part in (f"--{name.replace('_', '-')}", value)]
    return shlex.join([NAME, "resume", str(run), *output, *options])
