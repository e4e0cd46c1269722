"""Run a server until SIGTERM or Ctrl-C, and let its runs finish."""

from __future__ import annotations

import asyncio
import logging
import socket
from types import FrameType

import uvicorn

from ..errors import ConfigurationError
from ._app import CLOSE_TIMEOUT, WorkflowApp
from ._settings import TOKEN_VARIABLE

LOOPBACK = ("127.0.0.1", "::1", "localhost")

logger = logging.getLogger("uvicorn.error")  # uvicorn logs its start and stop here, too


class DrainingServer(uvicorn.Server):
    """Answers reads while its runs finish. uvicorn alone closes its port at the first signal.

    A second signal stops it at once.
    """

    def __init__(self, app: WorkflowApp, host: str = "127.0.0.1", port: int = 8000) -> None:
        config = uvicorn.Config(
            app, host=host, port=port, lifespan="on", timeout_graceful_shutdown=CLOSE_TIMEOUT
        )
        super().__init__(config)
        self._app = app

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until it has stopped. Do not wait for tasks that ignore their cancellation."""
        loop = asyncio.new_event_loop()  # asyncio.run would wait for these tasks
        try:
            loop.run_until_complete(self.serve(sockets))
        finally:
            if tasks := asyncio.all_tasks(loop):
                for task in tasks:
                    task.cancel()
                loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_TIMEOUT))
            loop.close()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; at the second signal, stop."""
        if self._app.deadline is None:
            grace = self._app.settings.grace
            self._app.drain(grace)
            count = len(self._app.runs)
            logger.info("Stopping. Runs in flight: %d, for %g s at most.", count, grace)
        else:
            self._app.drain(0)
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Stop when the runs have finished, or their time is over."""
        if self._app.is_drained:
            await self._app.end_runs()
            self.should_exit = True
        return await super().on_tick(counter)


def serve(app: WorkflowApp, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Run an application of ``build_app`` until SIGTERM or Ctrl-C.

    After the signal it refuses new runs with 503 and ``retry-after``, and answers reads until the
    runs have finished or ``grace`` is over. A second signal stops it at once.

    Raises:
        ConfigurationError: The host is not loopback and no token is set, or the port is in use.
    """
    if host not in LOOPBACK and not app.settings.protected:
        raise ConfigurationError(
            f"Set ${TOKEN_VARIABLE} before other machines can reach the server at {host}."
        )
    try:
        DrainingServer(app, host, port).run()
    except (SystemExit, OverflowError):  # uvicorn has logged why it can't start
        raise ConfigurationError(f"The server can't listen at {host}, port {port}.") from None
