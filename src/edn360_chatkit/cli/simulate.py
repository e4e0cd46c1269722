"""Run a ChatKit server that simulates the workflow."""

import argparse
from signal import SIGINT

from ..errors import ConfigurationError
from .arguments import option
from .console import is_terminal, print_text, say
from .errors import require

DELAY = 2.0  # seconds from the message to the answer
WORKFLOW = "wf_demo"

ARGUMENTS = (
    option("--port", int, "default 8765; 0 for a free port", default=8765),
    option("--delay", float, "the time from the message to the answer; default 2", default=DELAY),
    option("--steps", bool, "post intermediate messages before the answer"),
)


def execute(args: argparse.Namespace) -> None:
    """Run it until Ctrl-C."""
    require("simulator", "starlette", "uvicorn")
    from ..testing import ChatKitSimulator

    server = ChatKitSimulator(port=args.port, delay=args.delay, steps=args.steps)
    try:
        try:
            server.start()
        except (OSError, OverflowError) as error:
            fault = f"The simulator can't listen on port {args.port}: "
            fault += f"{getattr(error, 'strerror', error)}. Choose another one; --port 0 finds one."
            raise ConfigurationError(fault) from error
        print_text(
            f"export EDN360_CHATKIT_BASE_URL={server.base_url}\n"
            f"export EDN360_OPENAI_API_KEY={server.api_key}\n"
            f"export EDN360_TRAINING_WORKFLOW_ID={WORKFLOW}\n"
        )
        if is_terminal():
            say("The simulator runs until Ctrl-C; paste these lines into another shell.")
        server.wait()
    except KeyboardInterrupt as stop:
        # Ctrl-C is the usual way to stop it.
        if getattr(stop, "signal", SIGINT) != SIGINT:
            raise
    finally:
        server.stop()
