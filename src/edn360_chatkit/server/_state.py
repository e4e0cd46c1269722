"""The functions and exceptions that a workflow uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from .._json import whole_characters


class IncompleteAnswerError(Exception):
    """Raised by a workflow to keep the part of the answer that a model has written.

    The part is stored in the thread. If its JSON is truncated, the client raises
    ``TruncatedResponseError`` with it, and ``WorkflowFailedError`` if it is not.

    Args:
        text: The part of the answer.
        reason: The reason why it is incomplete.
    """

    def __init__(self, text: str, reason: str = "The answer is incomplete.") -> None:
        super().__init__(reason)
        self.text: str = str(text)


@dataclass
class RunState:
    """The state of a run: the receiver of its progress, and the last agent's text and result."""

    report: Callable[[str], None]
    text: str = field(default="", repr=False)
    result: object = field(default=None, repr=False)


current_run: ContextVar[RunState | None] = ContextVar("current_run", default=None)


def report_progress(text: str) -> None:
    """Report the current step of the run. Call it in the workflow, from any thread.

    It is ignored outside of a run, so a workflow can be tested without a server.
    """
    state = current_run.get()
    if state is not None:
        state.report(whole_characters(str(text)))  # a lone surrogate would end the run


def json_text(data: object) -> str:
    """Compact JSON."""
    return whole_characters(json.dumps(data, ensure_ascii=False, separators=(",", ":")))
