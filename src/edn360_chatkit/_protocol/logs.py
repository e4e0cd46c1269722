"""The log of a run: each line names the run's session, and none has the athlete's data."""

from __future__ import annotations

import logging
from functools import partial

logger = logging.getLogger("edn360_chatkit")


def log(level: int, session_id: str | None, text: str, *args: object) -> None:
    """Log a line of a run."""
    if session_id is not None:
        text, args = f"{text} (session %s)", (*args, session_id)
    logger.log(level, text, *args, extra={} if session_id is None else {"session_id": session_id})


log_info = partial(log, logging.INFO)
log_warning = partial(log, logging.WARNING)
