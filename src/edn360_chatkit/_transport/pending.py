"""Effects in flight, and their home. The sync and async networks share it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Home: TypeAlias = tuple[int, object]
"""The owner of connections: a process id, and an event loop (``None`` for sync)."""

CLOSING_SECONDS = 1.0
"""The longest time to close a stream, in seconds."""
Step: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Handles a step of a request, as httpx's ``trace`` extension reports it."""


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("A sync coroutine was suspended.")


def is_over(home: Home) -> bool:
    """Whether the event loop is closed; trio does not say."""
    if home[1] is None:
        return False
    import asyncio

    return isinstance(home[1], asyncio.AbstractEventLoop) and home[1].is_closed()


class Closable(Protocol):
    """An item that can be closed in its home."""

    @property
    def home(self) -> Home: ...
    async def close(self) -> None: ...


class Pending:
    """A started effect with its value or error. This class is for an effect that has ended."""

    home: Home = (0, None)  # only effects in flight need it

    def __init__(self, value: object = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error
        self.is_cancelled = False

    @property
    def in_flight(self) -> bool:
        """Whether it has not ended."""
        return False

    def limit(self, seconds: float) -> None:
        """Cancel the effect after so many seconds; for sync see ``limit_network_stream``."""

    def is_late(self, error: BaseException) -> bool:
        """Whether the effect was cancelled by its limit."""
        return False

    async def wait(self) -> None:
        """Wait for the end; a cancelled wait leaves the effect in flight."""

    async def wait_shielded(self, seconds: float | None = None) -> None:
        """Wait for the end, also if the caller is cancelled."""

    async def close(self) -> None:
        """Cancel the effect, and do not wait for its end."""


NO_EFFECT = Pending()
"""The placeholder before the first effect, and after an event."""

Perform: TypeAlias = Callable[[Pending], Coroutine[Any, Any, object]]
"""Performs an effect; it takes the effect's own ``Pending``."""
