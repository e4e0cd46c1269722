"""The log of a run: each line names the run's session."""

from __future__ import annotations

import logging
from typing import Literal

logger = logging.getLogger("edn360_chatkit")


def log_run(
    session_id: str | None, level: Literal["INFO", "WARNING"], text: str, *args: object
) -> None:
    """Log a line of a run.

    Args:
        session_id: The session of the run, if it has one; also ``extra={"session_id": ...}``.
        level: The level's name.
        text: The line, with a place for each of ``args``.
        args: The values for the places. Never the athlete's data.
    """
    number = logging.WARNING if level == "WARNING" else logging.INFO
    if session_id is None:
        logger.log(number, text, *args)
    else:
        extra = {"session_id": session_id}
        logger.log(number, f"{text} (session %s)", *args, session_id, extra=extra)
