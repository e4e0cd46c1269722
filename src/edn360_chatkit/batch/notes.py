"""How the runs of an interrupted batch are taken up, as a note on the exception."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .._protocol.logs import add_note
from ..models.run import resume_call
from .core import Batch, Item

_START = "edn360-chatkit: the runs of this batch"


def note_runs(error: BaseException, batch: Batch, items: Mapping[int, Item]) -> None:
    """Note on an exception how to take up the runs whose result was not given out."""
    runs = [item.run for item in items.values() if item.run is not None]
    notes: list[str] = getattr(error, "__notes__", [])
    if not runs or any(note.startswith(_START) for note in notes):
        return
    if batch.journal_path is not None:
        path = os.fspath(batch.journal_path)
        text = f"{_START} are taken up by the same run_many, with journal={path!r}"
    else:
        calls = [resume_call(run, awaited=batch.waiting.awaited) for run in runs]
        text = "\n".join(
            [f"{_START} may be paid for, and are in no journal. Take each up:", *calls]
        )
    add_note(error, text)
