"""Where connections belong: to one process, and to one event loop if they are async."""

from __future__ import annotations

import asyncio
import os
from typing import TypeAlias

Home: TypeAlias = tuple[int, object]
"""A process id and an event loop; the loop is ``None`` for sync clients."""


def sync_home() -> Home:
    """The current process."""
    return os.getpid(), None


def async_home() -> Home:
    """The current process and event loop."""
    if in_asyncio():
        return os.getpid(), asyncio.get_running_loop()
    import trio

    return os.getpid(), trio.lowlevel.current_trio_token()


def in_asyncio() -> bool:
    """Whether the caller is a task of asyncio; trio is the other possibility."""
    try:
        # In trio's guest mode, the loop of asyncio runs as well, but has no current task.
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def is_over(home: Home) -> bool:
    """Whether the event loop is closed; not known of trio's."""
    return bool(getattr(home[1], "is_closed", bool)())
