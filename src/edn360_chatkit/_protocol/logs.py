"""The log of a run. Each line names the run's session, and never has the athlete's data."""

from __future__ import annotations

import logging
import sys
from functools import partial

logger = logging.getLogger("edn360_chatkit")


def log(level: int, session_id: str | None, text: str, *args: object) -> None:
    """Log a line of a run."""
    if session_id is not None:
        text, args = f"{text} (session %s)", (*args, session_id)
    logger.log(level, text, *args, extra={} if session_id is None else {"session_id": session_id})


log_info = partial(log, logging.INFO)
log_warning = partial(log, logging.WARNING)


def add_note(error: BaseException, text: str, session_id: str | None = None) -> None:
    """Add a note to an exception. Python 3.10 shows it in notebooks only, so it is logged, too."""
    if sys.version_info >= (3, 11):
        error.add_note(text)
    else:
        error.__dict__.setdefault("__notes__", []).append(text)
        log_warning(session_id, "%s", text)
