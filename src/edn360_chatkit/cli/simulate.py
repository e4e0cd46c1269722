"""Run a ChatKit server that simulates the workflow."""

import argparse
from collections.abc import Generator
from contextlib import contextmanager
from signal import SIGINT
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .arguments import option
from .console import is_terminal, print_text, say
from .errors import require

if TYPE_CHECKING:
    from ..testing import ChatKitSimulator

DELAY = 2.0  # seconds from the message to the answer
POLL_INTERVAL = 0.25  # seconds
WORKFLOW = "wf_demo"


@contextmanager
def simulator(
    steps: bool, delay: float = DELAY, port: int = 0
) -> Generator["ChatKitSimulator", None, None]:
    """Run a simulator; raise ``ConfigurationError`` if its extra is missing or the port taken."""
    require("simulator", "starlette", "uvicorn")
    from ..testing import ChatKitSimulator

    server = ChatKitSimulator(port=port, delay=delay, steps=steps)
    try:
        server.start()
    except (OSError, OverflowError) as error:
        fault = f"The simulator can't listen on port {port}: {getattr(error, 'strerror', error)}."
        raise ConfigurationError(f"{fault} Choose another one; --port 0 finds one.") from error
    try:
        yield server
    finally:
        server.stop()


ARGUMENTS = (
    option("--port", int, "default 8765; 0 for a free port", default=8765),
    option("--delay", float, "of the answer; default 2", default=DELAY),
    option("--steps", bool, "post intermediate messages before the answer"),
)


def execute(args: argparse.Namespace) -> None:
    """Run it until Ctrl-C."""
    with simulator(args.steps, args.delay, args.port) as server:
        print_text(
            f"export EDN360_CHATKIT_BASE_URL={server.base_url}\n"
            f"export EDN360_OPENAI_API_KEY={server.api_key}\n"
            f"export EDN360_TRAINING_WORKFLOW_ID={WORKFLOW}\n"
        )
        if is_terminal():
            say("The simulator runs until Ctrl-C; paste these lines into another shell.")
        try:
            server.wait()
        except KeyboardInterrupt as stop:
            # Ctrl-C is the usual way to stop it.
            if getattr(stop, "signal", SIGINT) != SIGINT:
                raise
