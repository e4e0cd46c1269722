"""The functions and exceptions that a workflow uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from .._json import whole_characters


class IncompleteAnswerError(Exception):
    """A workflow raises it to keep the part of the answer that a model has written.

    The part is stored in the thread. If its JSON is cut, the client raises
    ``TruncatedResponseError`` with it, else ``WorkflowFailedError``.

    Args:
        text: The part of the answer.
        reason: Why it is incomplete.
    """

    def __init__(self, text: str, reason: str = "The answer is incomplete.") -> None:
        super().__init__(reason)
        self.text: str = str(text)


@dataclass
class RunState:
    """A run in its context: where it reports to, and the last agent's text and result."""

    report: Callable[[str], None]
    text: str = field(default="", repr=False)
    result: object = field(default=None, repr=False)


current_run: ContextVar[RunState | None] = ContextVar("current_run", default=None)


def report_progress(text: str) -> None:
    """Report what the run does now. Call it in the workflow, from any thread.

    Outside of a run it does nothing, so a workflow can be tested without a server.
    """
    state = current_run.get()
    if state is not None:
        state.report(whole_characters(str(text)))  # JSON must hold it, or the run is lost


def json_text(data: object) -> str:
    """Compact JSON."""
    return whole_characters(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
