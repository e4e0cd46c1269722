"""``examples/self_hosted_server.py`` on loopback: OpenAI's server package, which we only wrap."""

from __future__ import annotations

import importlib.util
import socket
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

EXAMPLE = Path(__file__).parents[2] / "examples" / "self_hosted_server.py"
PATIENCE = 5.0


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location("self_hosted_server", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        # openai-chatkit warns of its own widget classes when it is imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        spec.loader.exec_module(module)
    return module


example = load_example()
Run = Callable[[dict[str, Any]], Awaitable[Any]]


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
    return found


class ExampleServer:
    """The example's app, in a thread of its own."""

    def __init__(self, run: Run, database: Path, **options: Any) -> None:
        # IPPROTO_TCP by name: asyncio sets TCP_NODELAY only where it sees it.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        config = uvicorn.Config(
            example.build_app(run, database, **options),
            lifespan="on",
            log_config=None,
            timeout_graceful_shutdown=int(PATIENCE),
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started)

    def begin_to_stop(self) -> None:
        self._server.should_exit = True

    def stop(self) -> None:
        self.begin_to_stop()
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive(), "it does not stop"
