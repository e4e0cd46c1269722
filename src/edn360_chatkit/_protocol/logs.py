"""The log of a run: each line names the run's session, and none has the athlete's data."""

from __future__ import annotations

import logging

logger = logging.getLogger("edn360_chatkit")


def log_info(session_id: str | None, text: str, *args: object) -> None:
    """Log a line of a run."""
    _log(logging.INFO, session_id, text, *args)


def log_warning(session_id: str | None, text: str, *args: object) -> None:
    """Log a warning of a run."""
    _log(logging.WARNING, session_id, text, *args)


def _log(level: int, session_id: str | None, text: str, *args: object) -> None:
    if session_id is None:
        logger.log(level, text, *args)
    else:
        extra = {"session_id": session_id}
        logger.log(level, f"{text} (session %s)", *args, session_id, extra=extra)
