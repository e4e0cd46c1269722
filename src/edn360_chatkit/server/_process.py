"""Run a server until SIGTERM or Ctrl-C, and let its runs finish."""

from __future__ import annotations

import asyncio
import logging
import socket
from types import FrameType

import uvicorn

from ..errors import ConfigurationError
from ._app import WorkflowApp
from ._settings import TOKEN_VARIABLE

LOOPBACK = ("127.0.0.1", "::1", "localhost")
CLOSING = 5
"""How long streams have to end after the last run, in seconds."""

logger = logging.getLogger("uvicorn.error")  # of uvicorn's own lines about start and stop


class DrainingServer(uvicorn.Server):
    """Goes on reading while runs finish; uvicorn alone closes its port at the first signal.

    A second signal stops it at once.
    """

    def __init__(self, config: uvicorn.Config, app: WorkflowApp) -> None:
        super().__init__(config)
        self._runs = app.runs
        self._grace = app.settings.grace

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until it has stopped, and leave behind what ignores its cancellation."""
        # asyncio.run would wait for such a workflow, and so would not end.
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._run(sockets))
        finally:
            loop.close()

    async def _run(self, sockets: list[socket.socket] | None) -> None:
        try:
            await self.serve(sockets)
        finally:
            if others := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in others:
                    task.cancel()
                await asyncio.wait(others, timeout=CLOSING)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; at the second signal, stop."""
        if self._runs.deadline is None:
            self._runs.drain(self._grace)
            count = len(self._runs.tasks)
            logger.info("Stopping. Runs under way: %d, for %g s at most.", count, self._grace)
        else:
            self._runs.drain(0)
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Stop when the runs have finished, or their time is over."""
        if self._runs.is_drained:
            await self._runs.end()
            self.should_exit = True
        return await super().on_tick(counter)


def make_server(app: WorkflowApp, host: str = "127.0.0.1", port: int = 8000) -> DrainingServer:
    """A server for an application of ``build_app``; its ``run`` returns when it has stopped."""
    config = uvicorn.Config(
        app, host=host, port=port, lifespan="on", timeout_graceful_shutdown=CLOSING
    )
    return DrainingServer(config, app)


def serve(app: WorkflowApp, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Run an application of ``build_app`` until SIGTERM or Ctrl-C.

    New runs are refused then, with 503 and ``retry-after``, and reading goes on, until the runs
    have finished or ``grace`` is over. A second signal stops it at once.

    Raises:
        ConfigurationError: There is no token, and the host is not loopback; or the port is taken.
    """
    settings = app.settings
    if host not in LOOPBACK and not settings.protected:
        raise ConfigurationError(
            f"Set ${TOKEN_VARIABLE} before other machines can reach the server at {host}."
        )
    try:
        make_server(app, host, port).run()
    except (SystemExit, OverflowError):  # uvicorn has logged why it can't start
        raise ConfigurationError(f"The server can't listen at {host}, port {port}.") from None
